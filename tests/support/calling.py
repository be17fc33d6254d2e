"""Both clients asked alike, in settings whose waits are short, and what regions look like from profiles.

Vectors are short, and one session serves all: what is tested is the way there and back.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from numpy.typing import NDArray
from tests.support.loopback_endpoint import REGION, LoopbackEndpoint, expected

from jina_v3_client import (
    AsyncEmbeddingClient,
    BreakerSettings,
    EmbeddingClient,
    Embeddings,
    Endpoint,
    RequestLimits,
    RetrySettings,
    Settings,
    TextEmbedding,
)

TASK = "text-matching"
DIMENSIONS = 32
QUICK = Settings(
    limits=RequestLimits(texts=10),
    retry=RetrySettings(first_wait_s=0.005, longest_wait_s=0.05),
    breaker=BreakerSettings(rest_s=0.05, longest_rest_s=60),
    connect_s=30,
    attempt_s=60,
    patience_s=60,
)
HURRIED = replace(
    QUICK,
    attempt_s=0.5,
    concurrency=2,
    breaker=BreakerSettings(failures=2, rest_s=0.5),
    retry=replace(QUICK.retry, attempts=100, budget_burst=1000),
)
"""For attempts that are to run out of time: two at once, or all would on a slow machine; many, if it stands still."""
NEAR, FAR = Endpoint("texts", region="eu-west-1"), Endpoint("texts", region="us-east-1")


def some_texts(count: int, first: int = 0) -> list[str]:
    """Texts that differ from one another, of six tokens each."""
    return [f"text {number} of some" for number in range(first, first + count)]


def wait_until(what: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def right(texts: Iterable[str]) -> NDArray[np.float32]:
    """The vectors that these clients must get."""
    return expected(texts, TASK, DIMENSIONS)


def settings(**changed: Any) -> Settings:
    """The quick settings with others in their place."""
    return replace(QUICK, **changed)


@cache
def shared_session() -> boto3.Session:
    """One session, because each reads botocore's models anew."""
    return boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION)


def options(**given: Any) -> dict[str, Any]:
    """What a client is made with; ``session=None`` leaves it to find credentials by itself."""
    usual = {"settings": QUICK, "session": shared_session(), "task": TASK, "dimensions": DIMENSIONS}
    return usual | given


def open_client(target: Any = "texts", **given: Any) -> EmbeddingClient:
    return EmbeddingClient(target, **options(**given))


def open_async_client(target: Any = "texts", **given: Any) -> AsyncEmbeddingClient:
    return AsyncEmbeddingClient(target, **options(**given))


@dataclass(frozen=True)
class Caller:
    """One kind of client; ``embed`` and ``stream`` open one, call it and close it."""

    name: str
    embed: Callable[..., Embeddings]
    stream: Callable[..., list[TextEmbedding]]


_MADE_WITH = ("settings", "session", "region")


def split(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the client is made with, and what it is called with."""
    made = {name: value for name, value in given.items() if name in _MADE_WITH}
    return made, {name: value for name, value in given.items() if name not in made}


def embed(target: Any, *calls: Any, **given: Any) -> Embeddings:
    """Call the synchronous client for each of some lists of texts, and return the last answer."""
    made, asked = split(given)
    with open_client(target, **made) as client:
        return [client.embed(texts, **asked) for texts in calls][-1]


def embed_async(target: Any, *calls: Any, **given: Any) -> Embeddings:
    """Call the asynchronous client likewise."""
    made, asked = split(given)

    async def run() -> Embeddings:
        async with open_async_client(target, **made) as client:
            return [await client.embed(texts, **asked) for texts in calls][-1]

    return asyncio.run(run())


Seen = Callable[[TextEmbedding], Any]


def stream(target: Any, texts: Iterable[str], seen: Seen, **made: Any) -> list[TextEmbedding]:
    """Take all that ``embed_iter`` yields; ``seen`` is called with each before the next is asked for."""
    with open_client(target, **made) as client:
        taken = []
        for one in client.embed_iter(texts):
            seen(one)
            taken.append(one)
        return taken


def stream_async(target: Any, texts: Iterable[str], seen: Seen, **made: Any) -> list[TextEmbedding]:
    """Take all that the asynchronous ``embed_iter`` yields; the texts come asynchronously, too."""

    async def given() -> AsyncIterator[str]:
        for text in texts:
            yield text

    async def run() -> list[TextEmbedding]:
        async with open_async_client(target, **made) as client:
            taken = []
            async for one in client.embed_iter(given()):
                seen(one)
                taken.append(one)
            return taken

    return asyncio.run(run())


BOTH = (Caller("sync", embed, stream), Caller("async", embed_async, stream_async))


def write_profiles(folder: Path, endpoint: LoopbackEndpoint, monkeypatch: Any) -> tuple[Endpoint, Endpoint]:
    """Give each region's endpoint an address of its own, by a profile; return the near and the far one."""
    keys = "aws_access_key_id = testing\naws_secret_access_key = testing\n"
    regions = {"near": "eu-west-1", "far": "us-east-1"}
    profiles = [
        f"[profile {name}]\nregion = {region}\nendpoint_url = {endpoint.url_of(region)}\n{keys}"
        for name, region in regions.items()
    ]
    (folder / "config").write_text("\n".join(profiles))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    near, far = (Endpoint("texts", region=region, profile=name) for name, region in regions.items())
    return near, far
