"""The deployment that all live tests look at: made once, and taken away by the last test."""

import sys
from collections.abc import Iterator

import pytest
from tests.support.live import Live, live_config

_ORDER = ("test_account", "test_serving", "test_load", "test_router", "test_end")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files in their order; what destroys is the last of the last. Nothing else has a time limit of minutes."""
    positions = {name: number for number, name in enumerate(_ORDER)}
    here = [item for item in items if item.path.parent.name == "live"]
    ordered = iter(sorted(here, key=lambda item: positions[item.path.stem]))
    items[:] = [next(ordered) if item.path.parent.name == "live" else item for item in items]
    for item in here:
        item.add_marker(pytest.mark.timeout(3 * 3600))  # a deployment takes half an hour, an update as long


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    config = live_config()
    if config is None:
        pytest.skip("only make verify-live runs this: it deploys to a real account, and costs money")
    one = Live(config)
    standing = one.standing_stacks()
    if standing:  # these tests change what they deploy, and destroy it
        pytest.exit(f"{', '.join(standing)} stand already; give a configuration with another name", returncode=1)
    yield one
    left = one.standing_stacks()
    if left:
        words = f"jina-v3-infra destroy --config {one.config} --delete-data --yes"
        print(f"\n{'!' * 100}\nSTILL THERE, AND IT COSTS MONEY: {', '.join(left)}", file=sys.stderr)
        print(f"remove it with: {words}\n{'!' * 100}", file=sys.stderr)


@pytest.fixture(scope="session")
def deployed(live: Live) -> Live:
    """Deploy the configuration; where that fails, every test that needs it fails with the reason."""
    live.command("deploy", "--yes")
    return live
