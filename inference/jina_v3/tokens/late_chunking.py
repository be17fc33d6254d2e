"""Late chunking: the chunks of a document are read together, and each gets the mean over its own tokens.

**Source**: arXiv 2409.04701; jina-ai/late-chunking, ``long_late_chunking`` for documents beyond one window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jina_v3.tokens.sequences import DROPPED, Ids, TokenSequence


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowConfig:
    """How long documents are cut. **Units**: tokens."""

    window: int = 8192
    overlap: int = 256

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.window:
            raise ValueError(f"overlap {self.overlap} must be at least 0 and below the window {self.window}")


def join_chunks(head: Ids, chunks: Sequence[Ids], tail: Ids) -> tuple[Ids, list[int]]:
    """Join a document's chunks behind ``head`` (``<s>`` and the prompt) and before ``tail`` (``</s>``).

    Returns the ids and the length of each chunk's span: the first includes the head, the last the tail.
    """
    lengths = [len(chunk) for chunk in chunks]
    lengths[0] += len(head)
    lengths[-1] += len(tail)
    return np.concatenate([head, *chunks, tail]), lengths


def windows(ids: Ids, lengths: Sequence[int], first_row: int, task: int, config: WindowConfig) -> list[TokenSequence]:
    """Cut a joined document into windows that together pool every token once.

    A later window repeats the last ``overlap`` tokens of the one before as context, whose states are dropped there.
    Chunk ``i`` goes to row ``first_row + i``; a chunk that lies in two windows is summed from both.
    """
    sequences = []
    ends = np.cumsum(lengths)
    pooled = 0  # tokens before this one have been given to a window
    while pooled < len(ids):
        start = max(0, pooled - config.overlap)
        end = min(start + config.window, len(ids))
        segments = [(pooled - start, DROPPED)] if pooled > start else []
        chunk = int(np.searchsorted(ends, pooled, side="right"))
        while pooled < end:
            upto = min(int(ends[chunk]), end)
            segments.append((upto - pooled, first_row + chunk))
            pooled, chunk = upto, chunk + 1
        sequences.append(TokenSequence(ids[start:end], task, tuple(segments)))
    return sequences
