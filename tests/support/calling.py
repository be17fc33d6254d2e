"""Both clients asked alike, in settings that make failures quick, and what regions look like from profiles."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.support.loopback_endpoint import LoopbackEndpoint

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
QUICK = Settings(
    limits=RequestLimits(texts=10),
    retry=RetrySettings(first_wait_s=0.005, longest_wait_s=0.05),
    breaker=BreakerSettings(rest_s=0.05, longest_rest_s=5),
    connect_s=1,
    attempt_s=2,
    patience_s=2,
)
NEAR, FAR = Endpoint("texts", region="eu-west-1"), Endpoint("texts", region="us-east-1")


def some_texts(count: int, first: int = 0) -> list[str]:
    """Texts that differ from one another."""
    return [f"text {number} of some" for number in range(first, first + count)]


def settings(**changed: Any) -> Settings:
    """The quick settings with others in their place."""
    return replace(QUICK, **changed)


@dataclass(frozen=True)
class Caller:
    """One kind of client; ``embed`` and ``stream`` open one, call it and close it."""

    name: str
    embed: Callable[..., Embeddings]
    stream: Callable[..., list[TextEmbedding]]


def embed(target: Any, *calls: Any, settings: Settings = QUICK, region: str = "eu-west-1", **more: Any) -> Any:
    """Call the synchronous client with each of some lists of texts, and return the last answer."""
    with EmbeddingClient(target, region=region, settings=settings) as client:
        return [client.embed(texts, **({"task": TASK} | more)) for texts in calls][-1]


def embed_async(target: Any, *calls: Any, settings: Settings = QUICK, region: str = "eu-west-1", **more: Any) -> Any:
    """Call the asynchronous client likewise."""

    async def run() -> Embeddings:
        async with AsyncEmbeddingClient(target, region=region, settings=settings) as client:
            return [await client.embed(texts, **({"task": TASK} | more)) for texts in calls][-1]

    return asyncio.run(run())


Seen = Callable[[TextEmbedding], Any]


def stream(
    target: Any, texts: Iterable[str], seen: Seen = lambda _: None, settings: Settings = QUICK
) -> list[TextEmbedding]:
    """Take all that ``embed_iter`` yields; ``seen`` is called with each before the next is asked for."""
    with EmbeddingClient(target, settings=settings) as client:
        taken = []
        for one in client.embed_iter(texts, task=TASK):
            seen(one)
            taken.append(one)
        return taken


def stream_async(
    target: Any, texts: Iterable[str], seen: Seen = lambda _: None, settings: Settings = QUICK
) -> list[TextEmbedding]:
    """Take all that the asynchronous ``embed_iter`` yields; the texts come asynchronously, too."""

    async def given() -> AsyncIterator[str]:
        for text in texts:
            yield text

    async def run() -> list[TextEmbedding]:
        async with AsyncEmbeddingClient(target, settings=settings) as client:
            taken = []
            async for one in client.embed_iter(given(), task=TASK):
                await asyncio.to_thread(seen, one)
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
