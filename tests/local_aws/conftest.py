"""A local AWS for the fast tests: one a module, as moto's state is the process's and other tests use it too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.fake_endpoints import FakeEndpoints
from tests.support.stack_operations import Stacks

from local_aws.server import PARTS, LocalAws
from local_aws.settings import Settings


@pytest.fixture(scope="module")
def endpoints() -> FakeEndpoints:
    return FakeEndpoints()


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory, endpoints: FakeEndpoints) -> Iterator[LocalAws]:
    settings = Settings(state_folder=tmp_path_factory.mktemp("state"), quotas={"ml.g6.xlarge for endpoint usage": 0})
    # the endpoints are the fake's: SageMaker's own part, which starts real containers, has its own tests
    local = LocalAws(settings, [part for part in PARTS if part != "local_aws.sagemaker"])
    local.add_plane(endpoints.plane)
    with local:
        yield local


@pytest.fixture
def stacks(aws: LocalAws, endpoints: FakeEndpoints) -> Iterator[Stacks]:
    """Stacks in us-east-1, deleted when the test ends."""
    operations = Stacks(aws)
    yield operations
    endpoints.held = False
    operations.delete_all()
