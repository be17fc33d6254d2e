"""Both clients by one interface, for what both must do alike: the asynchronous one in a loop for each call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from tests.support.watched_transport import AsyncWatchedTransport, WatchedTransport

from jina_v3_client.settings import Settings
from jina_v3_client.testing import AsyncInMemoryClient, InMemoryClient
from jina_v3_client.transport import HttpRequest


class Threaded:
    """The synchronous client."""

    def __init__(
        self,
        settings: Settings | None = None,
        before: Callable[[HttpRequest], Any] = lambda _: None,
        *,
        target: Any = "in-memory",
        max_tokens: int = 8192,
        **options: Any,
    ) -> None:
        self.client = InMemoryClient(target, settings=settings, **options)
        self.transport = WatchedTransport(before, max_tokens=max_tokens)
        self.client.transport = self.client._transport = self.transport

    def embed(self, texts: Any, **options: Any) -> Any:
        return self.client.embed(texts, **options)

    def embed_iter(self, texts: Any, **options: Any) -> list[Any]:
        return list(self.client.embed_iter(texts, **options))

    def embed_query(self, text: str, **options: Any) -> Any:
        return self.client.embed_query(text, **options)

    def embed_passages(self, texts: Any, **options: Any) -> Any:
        return self.client.embed_passages(texts, **options)

    def embed_document(self, document: Any, **options: Any) -> Any:
        return self.client.embed_document(document, **options)

    def embed_documents(self, documents: Any, **options: Any) -> list[Any]:
        return list(self.client.embed_documents(documents, **options))

    def close(self) -> None:
        self.client.close()


class Tasked:
    """The asynchronous client."""

    def __init__(
        self,
        settings: Settings | None = None,
        before: Callable[[HttpRequest], Any] = lambda _: None,
        *,
        target: Any = "in-memory",
        max_tokens: int = 8192,
        **options: Any,
    ) -> None:
        async def come(request: HttpRequest) -> Any:
            await asyncio.sleep(0)
            return before(request)

        self.client = AsyncInMemoryClient(target, settings=settings, **options)
        self.transport = AsyncWatchedTransport(come, max_tokens=max_tokens)
        self.client.transport = self.client._transport = self.transport

    def embed(self, texts: Any, **options: Any) -> Any:
        return asyncio.run(self.client.embed(texts, **options))

    def embed_iter(self, texts: Any, **options: Any) -> list[Any]:
        return asyncio.run(_listed(lambda: self.client.embed_iter(texts, **options)))

    def embed_query(self, text: str, **options: Any) -> Any:
        return asyncio.run(self.client.embed_query(text, **options))

    def embed_passages(self, texts: Any, **options: Any) -> Any:
        return asyncio.run(self.client.embed_passages(texts, **options))

    def embed_document(self, document: Any, **options: Any) -> Any:
        return asyncio.run(self.client.embed_document(document, **options))

    def embed_documents(self, documents: Any, **options: Any) -> list[Any]:
        return asyncio.run(_listed(lambda: self.client.embed_documents(documents, **options)))

    def close(self) -> None:
        asyncio.run(self.client.aclose())


async def _listed(begin: Callable[[], AsyncIterator[Any]]) -> list[Any]:
    return [one async for one in begin()]


async def aiter_of(items: Iterable[Any]) -> AsyncIterator[Any]:
    """Items one by one, each after a turn of the loop."""
    for item in items:
        await asyncio.sleep(0)
        yield item
