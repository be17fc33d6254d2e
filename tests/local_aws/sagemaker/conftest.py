"""One local AWS for a module's tests."""

from collections.abc import Iterator

import pytest
from tests.support.sagemaker_bench import Bench

from local_aws.server import LocalAws
from local_aws.settings import Settings


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    settings = Settings(state_folder=tmp_path_factory.mktemp("aws"), waiting=0.001)
    with LocalAws(settings) as aws:
        yield Bench(aws)


@pytest.fixture(scope="module")
def endpoint(bench: Bench) -> str:
    """An endpoint that the tests of a module share; none may change it."""
    return bench.create_endpoint(bench.simple_config(TAG="shared"))
