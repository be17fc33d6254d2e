"""Clients of endpoints in memory for the command's tests, and what was asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from jina_v3_client.parameters import Parameters
from jina_v3_client.results import Embeddings, TextEmbedding
from jina_v3_client.settings import RequestLimits, Settings
from jina_v3_client.testing import InMemoryClient

LIMITS = RequestLimits(texts=4)
WINDOW = 2
SETTINGS = Settings(limits=LIMITS, window=WINDOW, concurrency=2)
"""Small requests, so that there are several in every test."""


@dataclass
class WatchedClients:
    """``asked`` are the parameters of each call, ``places`` those that clients were opened for."""

    places: list[Any] = field(default_factory=list)
    asked: list[Parameters] = field(default_factory=list)
    answered: int = 0
    open_ones: int = 0
    concurrency: int | None = None

    def open(self, place: Any, concurrency: int | None = None) -> InMemoryClient:
        """Return a new client."""
        self.places.append(place)
        self.concurrency = concurrency
        self.open_ones += 1
        return _Watched(self)


class _Watched(InMemoryClient):
    def __init__(self, clients: WatchedClients) -> None:
        super().__init__(settings=SETTINGS)
        self._clients = clients

    def embed(self, texts: Iterable[str] | str, **wishes: Any) -> Embeddings:
        self._clients.asked.append(_parameters(wishes))
        return super().embed(texts, **wishes)

    def embed_iter(self, texts: Iterable[str], **wishes: Any) -> Iterator[TextEmbedding]:
        self._clients.asked.append(_parameters(wishes))
        with closing(super().embed_iter(texts, **wishes)) as answers:
            for answer in answers:
                self._clients.answered += 1
                yield answer

    def close(self) -> None:
        self._clients.open_ones -= 1
        super().close()


def _parameters(wishes: dict[str, Any]) -> Parameters:
    names = {"embedding_type": "form"}
    kept = ("task", "dimensions", "late_chunking", "truncate", "embedding_type")
    return Parameters(**{names.get(key, key): value for key, value in wishes.items() if key in kept})


def expected(*texts: str, **wishes: Any) -> Embeddings:
    """Return what the client gives for these texts."""
    with InMemoryClient() as client:
        return client.embed(texts, **wishes)
