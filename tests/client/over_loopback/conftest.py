"""One loopback runtime for all tests of the folder, well again at the beginning of each, and the only AWS there is."""

import threading
from collections.abc import Iterator

import pytest
from tests.support.calling import BOTH, Caller, wait_until
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
def endpoint(runtime: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackEndpoint]:
    """The runtime; what a client leaves under way ends with the test, and so must its threads."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", runtime.url)
    threads = threading.active_count()
    yield runtime
    runtime.heal()
    runtime.die()
    wait_until(lambda: threading.active_count() <= threads)
    runtime.revive()
    runtime.set_pace(None)
    runtime.forget()


@pytest.fixture(params=BOTH, ids=lambda caller: caller.name)
def caller(request: pytest.FixtureRequest) -> Caller:
    """The synchronous client and the asynchronous one, asked alike."""
    kind: Caller = request.param
    return kind
