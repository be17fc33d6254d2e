"""What integrations, the command line and applications may count on: the methods of every client.

``EmbeddingClient`` has them over the network, ``testing.InMemoryClient`` without one; ``AsyncEmbedder`` likewise.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from jina_v3.contract import Task
from jina_v3_client.parameters import UNSET, TaskName, Unset, VectorForm
from jina_v3_client.results import Embeddings, Route, TextEmbedding

if TYPE_CHECKING:
    from numpy.typing import NDArray

Chunker = Callable[[str], Sequence[str]]
"""Cuts a text into chunks, in order."""

Errors = Literal["raise", "return"]
"""What a bad text does: fail the call, or stand in the result's ``errors`` while the others are embedded."""

Progress = bool | Callable[[int, int | None], None]
"""``True`` and ``False`` switch the bar on and off; a function gets how many texts are done, and of how many."""

AnyTask = Task | TaskName | Unset | None
"""A task, ``None`` for the base weights, or not given: the client's own default."""


class Embedder(Protocol):
    """Embeds texts; safe to be used from many threads."""

    def embed(
        self,
        texts: Iterable[str] | str,
        *,
        task: AnyTask = UNSET,
        dimensions: int | Unset = UNSET,
        late_chunking: bool = False,
        normalized: bool = True,
        truncate: bool = False,
        embedding_type: VectorForm = "float",
        errors: Errors = "raise",
        route: Route | Literal["auto"] = "real-time",
        deadline_s: float | None = None,
        progress: Progress | None = None,
    ) -> Embeddings:
        """Embed texts, in order; with ``late_chunking`` they are the chunks of one document."""

    def embed_iter(
        self,
        texts: Iterable[str],
        *,
        task: AnyTask = UNSET,
        dimensions: int | Unset = UNSET,
        normalized: bool = True,
        truncate: bool = False,
        embedding_type: VectorForm = "float",
        errors: Errors = "raise",
        route: Route | Literal["auto"] = "real-time",
        deadline_s: float | None = None,
        progress: Progress | None = None,
    ) -> Iterator[TextEmbedding]:
        """Yield each text's embedding, in order, as answers arrive; any number of texts in bounded memory."""

    def embed_query(
        self,
        text: str,
        *,
        dimensions: int | Unset = UNSET,
        truncate: bool = False,
        deadline_s: float | None = None,
    ) -> NDArray[Any]:
        """Embed one query with ``retrieval.query``. **Shapes**: (dimensions,) float32."""

    def embed_passages(
        self,
        texts: Iterable[str],
        *,
        dimensions: int | Unset = UNSET,
        truncate: bool = False,
        errors: Errors = "raise",
        deadline_s: float | None = None,
        progress: Progress | None = None,
    ) -> Embeddings:
        """Embed documents with ``retrieval.passage``."""

    def embed_document(
        self,
        document: Sequence[str] | str,
        *,
        chunker: Chunker | None = None,
        task: AnyTask = UNSET,
        dimensions: int | Unset = UNSET,
        deadline_s: float | None = None,
    ) -> Embeddings:
        """Embed one document's chunks by late chunking: its chunks in order, or a text and what cuts it."""

    def close(self) -> None:
        """Close connections; what is in flight is given up."""


class AsyncEmbedder(Protocol):
    """Embeds texts from the tasks of an event loop."""

    async def embed(
        self,
        texts: Iterable[str] | AsyncIterable[str] | str,
        *,
        task: AnyTask = UNSET,
        dimensions: int | Unset = UNSET,
        late_chunking: bool = False,
        normalized: bool = True,
        truncate: bool = False,
        embedding_type: VectorForm = "float",
        errors: Errors = "raise",
        route: Route | Literal["auto"] = "real-time",
        deadline_s: float | None = None,
        progress: Progress | None = None,
    ) -> Embeddings:
        """Embed texts, in order; with ``late_chunking`` they are the chunks of one document."""

    def embed_iter(
        self,
        texts: Iterable[str] | AsyncIterable[str],
        *,
        task: AnyTask = UNSET,
        dimensions: int | Unset = UNSET,
        normalized: bool = True,
        truncate: bool = False,
        embedding_type: VectorForm = "float",
        errors: Errors = "raise",
        route: Route | Literal["auto"] = "real-time",
        deadline_s: float | None = None,
        progress: Progress | None = None,
    ) -> AsyncIterator[TextEmbedding]:
        """Yield each text's embedding, in order, as answers arrive; any number of texts in bounded memory."""

    async def embed_query(
        self,
        text: str,
        *,
        dimensions: int | Unset = UNSET,
        truncate: bool = False,
        deadline_s: float | None = None,
    ) -> NDArray[Any]:
        """Embed one query with ``retrieval.query``. **Shapes**: (dimensions,) float32."""

    async def embed_passages(
        self,
        texts: Iterable[str] | AsyncIterable[str],
        *,
        dimensions: int | Unset = UNSET,
        truncate: bool = False,
        errors: Errors = "raise",
        deadline_s: float | None = None,
        progress: Progress | None = None,
    ) -> Embeddings:
        """Embed documents with ``retrieval.passage``."""

    async def embed_document(
        self,
        document: Sequence[str] | str,
        *,
        chunker: Chunker | None = None,
        task: AnyTask = UNSET,
        dimensions: int | Unset = UNSET,
        deadline_s: float | None = None,
    ) -> Embeddings:
        """Embed one document's chunks by late chunking: its chunks in order, or a text and what cuts it."""

    async def aclose(self) -> None:
        """Close connections; what is in flight is given up."""
