"""A client with what the words ask of it: parameters, route and progress, the same for each of its calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from jina_v3_client.parameters import Parameters
from jina_v3_client.protocols import Embedder, Errors, Progress
from jina_v3_client.results import Embeddings, Route, TextEmbedding


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Embeds texts as the words say; ``progress`` as of ``Embedder.embed``."""

    client: Embedder
    parameters: Parameters
    route: Route | Literal["auto"] = "real-time"
    progress: Progress | None = None

    def stream(self, texts: Iterable[str], errors: Errors) -> Iterator[TextEmbedding]:
        """Yield each text's embedding, in order; other routes hold all of them at a time."""
        if self.route != "real-time":
            yield from self.whole(texts, errors)
            return
        yield from self.client.embed_iter(
            texts,
            task=self.parameters.task,
            dimensions=self.parameters.dimensions,
            truncate=self.parameters.truncate,
            embedding_type=self.parameters.form,
            errors=errors,
            progress=self.progress,
        )

    def whole(self, texts: Iterable[str], errors: Errors = "raise") -> list[TextEmbedding]:
        """Return each text's embedding; with late chunking the texts are the chunks of one document."""
        return _split(
            self.client.embed(
                texts,
                task=self.parameters.task,
                dimensions=self.parameters.dimensions,
                late_chunking=self.parameters.late_chunking,
                truncate=self.parameters.truncate,
                embedding_type=self.parameters.form,
                errors=errors,
                route=self.route,
                progress=self.progress,
            )
        )


def _split(embeddings: Embeddings) -> list[TextEmbedding]:
    truncated, errors, scales = frozenset(embeddings.truncated), embeddings.errors, embeddings.scales
    return [
        TextEmbedding(
            index=index,
            vector=None if index in errors else vector,
            tokens=int(embeddings.token_counts[index]),
            truncated=index in truncated,
            scale=None if scales is None or index in errors else float(scales[index]),
            error=errors.get(index),
        )
        for index, vector in enumerate(embeddings.vectors)
    ]
