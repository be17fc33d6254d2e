"""One loopback runtime for all tests of the folder, well again at the beginning of each, and the only AWS there is."""

from collections.abc import Iterator

import pytest
from tests.support.calling import BOTH, Caller
from tests.support.loopback_endpoint import Hosted, LoopbackEndpoint, Router

HOSTED = (
    Hosted(),
    Hosted(region="us-east-1"),
    Hosted(name="split", variants=("blue", "green")),
    Hosted(name="parts", components=("part",)),
)
ROUTERS = (Router(name="everywhere", destinations=(("us-east-1", "texts"), ("eu-west-1", "texts"))),)


@pytest.fixture(scope="session")
def runtime() -> Iterator[LoopbackEndpoint]:
    secrets = {"testing": "testing", "temporary": "short-lived"}
    with LoopbackEndpoint(hosted=HOSTED, routers=ROUTERS, secrets=secrets, tokens={"temporary": "token"}) as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(runtime: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch) -> LoopbackEndpoint:
    runtime.heal()
    runtime.die()  # what another test's client still has under way ends here
    runtime.revive()
    runtime.set_pace(None)
    runtime.forget()
    monkeypatch.setenv("AWS_ENDPOINT_URL", runtime.url)
    return runtime


@pytest.fixture(params=BOTH, ids=lambda caller: caller.name)
def caller(request: pytest.FixtureRequest) -> Caller:
    """The synchronous client and the asynchronous one, asked alike."""
    kind: Caller = request.param
    return kind
