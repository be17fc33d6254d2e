"""The local AWS that whole deployments go to, and what is left in it."""

from collections.abc import Iterator

import pytest
from tests.support.inventory import Inventory, take_inventory

from local_aws.server import LocalAws
from local_aws.settings import Settings


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with LocalAws(Settings(state_folder=tmp_path_factory.mktemp("aws"), quota=100)) as running:
        yield running


@pytest.fixture
def caller(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clients of this process find the local AWS where they look for an account: in the environment."""
    for name, value in aws.environment("us-east-1").items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def inventory(aws: LocalAws) -> Inventory:
    """All that there is in a region, less what the CDK's bootstrap made, which stays for other applications."""

    def take(region: str) -> dict[str, set[str]]:
        found = take_inventory(lambda service: aws.client(service, region))
        return {what: {name for name in names if "cdk-" not in name} for what, names in found.items()}

    return take
