"""Whom an integration asks: the clients it was given, or one made of an endpoint's name when it is first needed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, cast

from jina_v3_client.errors import ConfigurationError
from jina_v3_client.parameters import Parameters
from jina_v3_client.protocols import AsyncEmbedder, Embedder
from jina_v3_client.results import Embeddings
from jina_v3_client.routing import Choice, Endpoint, InferenceRouter

Source = Embedder | AsyncEmbedder | Choice
"""Any client, or what one is made of: an endpoint's name or ARN, a target, or a policy over several."""

_TARGETS: dict[str, type[Endpoint] | type[InferenceRouter]] = {"endpoint": Endpoint, "router": InferenceRouter}


class Clients:
    """One client for threads, and perhaps one for tasks; without that, tasks wait for the other in a thread.

    So one pool of connections serves any number of event loops, one after the other. What was made here is closed here;
    what was given is its owner's to close.

    **Raises**: ``ConfigurationError``.
    """

    def __init__(
        self,
        source: Source,
        async_client: AsyncEmbedder | None = None,
        region: str | None = None,
        profile: str | None = None,
    ) -> None:
        self.source, self.region, self.profile = source, region, profile
        self._async = cast(AsyncEmbedder, source) if hasattr(source, "aclose") else async_client
        self._is_client = hasattr(source, "embed")
        self._made: Embedder | None = None
        self._making = threading.Lock()
        if self._is_client and (region or profile):
            raise ConfigurationError("a region or profile is given beside a client, which has its own; leave it out")

    def embed(self, texts: Iterable[str] | str, parameters: Parameters, **more: Any) -> Embeddings:
        """Embed by the client for threads. **Raises**: ``ConfigurationError`` where there is none."""
        return self._for_threads().embed(texts, **_said(parameters), **more)

    async def aembed(self, texts: Iterable[str] | str, parameters: Parameters, **more: Any) -> Embeddings:
        """Embed by the client for tasks, or by the other in a thread."""
        if self._async is not None:
            return await self._async.embed(texts, **_said(parameters), **more)
        return await asyncio.to_thread(self.embed, texts, parameters, **more)

    def close(self) -> None:
        """Close what was made here; another call makes it anew."""
        with self._making:
            made, self._made = self._made, None
        if made is not None:
            made.close()

    def _for_threads(self) -> Embedder:
        if self._async is self.source:
            raise ConfigurationError(
                "only an asynchronous client is given; await the asynchronous method, or give an EmbeddingClient"
            )
        if self._is_client:
            return cast(Embedder, self.source)
        with self._making:
            if self._made is None:
                from jina_v3_client import EmbeddingClient

                self._made = EmbeddingClient(cast(Choice, self.source), region=self.region, profile=self.profile)
            return self._made

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what it is made of, for libraries that send their parts to other processes."""
        return Clients, (self.source, self._async, self.region, self.profile)


def _said(parameters: Parameters) -> dict[str, Any]:
    """Name the parameters as the clients' methods do."""
    return {
        "task": parameters.task,
        "dimensions": parameters.dimensions,
        "late_chunking": parameters.late_chunking,
        "normalized": parameters.normalized,
        "truncate": parameters.truncate,
        "embedding_type": parameters.form,
    }


def written(source: Source) -> str | dict[str, Any] | None:
    """Write a name or a target as JSON; ``None`` is for what cannot be written, such as a client.

    >>> written(Endpoint("texts", variant="canary"))["endpoint"]["variant"]
    'canary'
    """
    if isinstance(source, str):
        return source
    kind = next((kind for kind, target in _TARGETS.items() if isinstance(source, target)), None)
    return None if kind is None else {kind: asdict(cast(Endpoint | InferenceRouter, source))}


def read(source: Source | dict[str, Any]) -> Source:
    """Read what was written; what needs no reading is passed on.

    >>> read({"endpoint": {"name": "texts", "region": "eu-west-1"}}).label
    'eu-west-1/texts'
    """
    if not isinstance(source, dict):
        return source
    ((kind, members),) = source.items()
    return _TARGETS[kind](**members)
