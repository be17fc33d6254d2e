"""A client with what the words ask of it: parameters and progress, the same for each of its calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jina_v3_client.parameters import Parameters
from jina_v3_client.protocols import Embedder, Errors, Progress
from jina_v3_client.results import Embeddings, TextEmbedding


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Embeds texts as the words say, by the way that the endpoint takes; ``progress`` as of ``Embedder.embed``."""

    client: Embedder
    parameters: Parameters
    progress: Progress | None = None

    def stream(self, texts: Iterable[str], errors: Errors) -> Iterator[TextEmbedding]:
        """Yield each text's embedding, in order, in bounded memory."""
        return self.client.embed_iter(
            texts,
            task=self.parameters.task,
            dimensions=self.parameters.dimensions,
            truncate=self.parameters.truncate,
            embedding_type=self.parameters.form,
            errors=errors,
            route="auto",
            progress=self.progress,
        )

    def whole(self, texts: Iterable[str]) -> list[TextEmbedding]:
        """Return each text's embedding; with late chunking the texts are the chunks of one document."""
        return _split(
            self.client.embed(
                texts,
                task=self.parameters.task,
                dimensions=self.parameters.dimensions,
                late_chunking=self.parameters.late_chunking,
                truncate=self.parameters.truncate,
                embedding_type=self.parameters.form,
                route="auto",
                progress=self.progress,
            )
        )


def _split(embeddings: Embeddings) -> list[TextEmbedding]:
    truncated = frozenset(embeddings.truncated)
    return [
        TextEmbedding(
            index=index,
            vector=vector,
            tokens=int(embeddings.token_counts[index]),
            truncated=index in truncated,
            scale=None if embeddings.scales is None else float(embeddings.scales[index]),
        )
        for index, vector in enumerate(embeddings.vectors)
    ]
