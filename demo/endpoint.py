"""The deployed endpoint as an application calls it: through the client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from demo.ranking import Vectors
from jina_v3.contract import MODEL_DIMENSIONS, Task
from jina_v3_client import EmbeddingClient


@dataclass(frozen=True, slots=True)
class Reply:
    """The vectors of one call and what they cost.

    **Shapes**: ``vectors``: (texts, dimensions) float32. **Units**: ``tokens`` as the server counts them, seconds.
    """

    what: str
    vectors: Vectors
    tokens: int
    seconds: float


@dataclass(slots=True)
class Endpoint:
    """A deployed endpoint; remembers every reply, for the sums at the end."""

    client: EmbeddingClient
    replies: list[Reply] = field(default_factory=list)

    def embed(
        self,
        what: str,
        texts: Sequence[str],
        *,
        task: Task,
        dimensions: int = MODEL_DIMENSIONS,
        late_chunking: bool = False,
    ) -> Reply:
        """Embed texts; ``what`` names the call in the sums.

        **Raises**: ``JinaClientError``.
        """
        result = self.client.embed(texts, task=task, dimensions=dimensions, late_chunking=late_chunking, progress=False)
        reply = Reply(what=what, vectors=result.vectors, tokens=result.usage.tokens, seconds=result.usage.seconds)
        self.replies.append(reply)
        return reply
