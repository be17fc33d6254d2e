"""What vectors say about texts: an order of passages for each query, and how far two orders agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Passages from the nearest to the farthest, by index, with their cosines in the same order."""

    order: tuple[int, ...]
    scores: tuple[float, ...]

    def top(self, count: int) -> tuple[int, ...]:
        """Return the first ``count`` passages."""
        return self.order[:count]

    def rank_of(self, passage: int) -> int:
        """Return the place of a passage, the first being 1."""
        return self.order.index(passage) + 1


def rank(queries: Vectors, passages: Vectors) -> list[Ranking]:
    """Rank all passages for each query by cosine; of equals the earlier comes first.

    **Shapes**: ``queries``: (queries, dimensions), ``passages``: (passages, dimensions), both with rows of length 1.
    """
    cosines = queries @ passages.T
    orders = np.argsort(-cosines, axis=1, kind="stable")
    return [
        Ranking(order=tuple(order.tolist()), scores=tuple(row[order].tolist()))
        for order, row in zip(orders, cosines, strict=True)
    ]


def overlap(one: Ranking, other: Ranking, count: int) -> int:
    """Count the passages that are among the first ``count`` of both."""
    return len(set(one.top(count)) & set(other.top(count)))
