"""Answers into one result, in the order of the texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jina_v3_client._texts.wire import DTYPES, Block, failed_rows
from jina_v3_client.parameters import Parameters
from jina_v3_client.results import AS_ASKED, Embeddings, RouteDecision, TextEmbedding, TextError, Usage


def assemble(
    blocks: list[Block],
    count: int,
    parameters: Parameters,
    usage: Usage,
    *,
    errors: Mapping[int, TextError] | None = None,
    route: RouteDecision = AS_ASKED,
    chunks: tuple[str, ...] | None = None,
) -> Embeddings:
    """Make the result of ``count`` texts from blocks in any order, and the ``errors`` of texts that were never sent.

    The blocks are taken out of the list, so that their memory is given back as the result's is filled. The tokens of
    ``usage`` become those counted.
    """
    import numpy as np

    vectors = np.empty((count, parameters.columns), DTYPES[parameters.form])
    token_counts = np.zeros(count, np.int64)
    scales = np.zeros(count, np.float32) if parameters.form == "int8" else None
    truncated: list[int] = []
    failed = dict(errors or {})
    filled = len(failed)
    vectors[list(failed)] = failed_rows(parameters.form)
    while blocks:
        block = blocks.pop()
        indices = block.indices
        rows = slice(indices.start, indices.stop) if isinstance(indices, range) else list(indices)
        vectors[rows] = block.vectors
        token_counts[rows] = block.token_counts
        if scales is not None:
            scales[rows] = block.scales
        truncated += block.truncated
        failed |= block.errors
        filled += len(block)
    assert filled == count, f"{filled} of {count} texts have a row"
    return Embeddings(
        vectors=vectors,
        token_counts=token_counts,
        usage=usage + Usage(tokens=int(token_counts.sum()) - usage.tokens),
        truncated=tuple(sorted(truncated)),
        errors=dict(sorted(failed.items())),
        scales=scales,
        route=route,
        chunks=chunks,
    )


class InOrder:
    """Yields embeddings in the order of the texts, those of texts that were never sent in their places too.

    ``errors`` are a ``Cutter``'s, which grow while texts are read; each is taken out as it is yielded. Blocks come in
    the order of their pieces.
    """

    def __init__(self, errors: dict[int, TextError]) -> None:
        self._errors = errors
        self._next = 0

    def add(self, block: Block) -> Iterator[TextEmbedding]:
        """Yield the embeddings of a block, and the errors before each."""
        for embedding in block:
            yield from self._gap(embedding.index)
            self._next = embedding.index + 1
            yield embedding

    def finish(self, count: int) -> Iterator[TextEmbedding]:
        """Yield the errors that are left of ``count`` texts."""
        return self._gap(count)

    def _gap(self, end: int) -> Iterator[TextEmbedding]:
        while self._next < end:
            index, self._next = self._next, self._next + 1
            yield TextEmbedding(index=index, vector=None, tokens=0, error=self._errors.pop(index))
