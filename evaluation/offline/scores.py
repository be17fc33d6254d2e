"""The measures of an evaluation, from vectors and what is right. All are 0 to 1, higher is better (Spearman: -1 to 1).

Vectors are compared by their dot product, as an index does it: one that has not length 1 shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


def ndcg(queries: Array, documents: Array, relevant: Sequence[Mapping[int, float]], k: int = 10) -> float:
    """Return the mean nDCG at ``k``, with gains as they are (not as powers of two), as BEIR and mteb have it."""
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    values = []
    for scores, gains in zip(queries @ documents.T, relevant, strict=True):
        order = np.argsort(-scores, kind="stable")[:k]
        found = np.array([gains.get(int(document), 0.0) for document in order])
        best = np.array(sorted(gains.values(), reverse=True)[:k])
        values.append(float(found @ discounts[: len(found)] / (best @ discounts[: len(best)])))
    return float(np.mean(values))


def spearman(first: Array, second: Array, right: Sequence[float]) -> float:
    """Return how well the pairs' dot products are in the order of ``right``; equal ones share their mean rank."""
    return float(np.corrcoef(_ranks((first * second).sum(axis=1)), _ranks(np.asarray(right)))[0, 1])


def accuracy(train: Array, labels: Sequence[int], test: Array, right: Sequence[int], neighbours: int = 5) -> float:
    """Return the share of texts whose nearest neighbours have mostly the right label; the nearer decides a tie."""
    hits = 0
    for scores, label in zip(test @ train.T, right, strict=True):
        nearest = [labels[index] for index in np.argsort(-scores, kind="stable")[:neighbours]]
        hits += max(nearest, key=lambda one: (nearest.count(one), -nearest.index(one))) == label
    return hits / len(right)


def v_measure(vectors: Array, right: Sequence[int], rounds: int = 50) -> float:
    """Return the V-measure of k-means, which begins with texts far from each other, so that no chance is in it."""
    return agreement(_clusters(vectors, len(set(right)), rounds), right)


def agreement(found: Sequence[int], right: Sequence[int]) -> float:
    """Return the V-measure of two groupings: the harmonic mean of homogeneity and completeness.

    **Source**: Rosenberg and Hirschberg, EMNLP 2007.
    """
    table = np.zeros((max(found) + 1, max(right) + 1))
    np.add.at(table, (np.asarray(found), np.asarray(right)), 1.0)
    of_found, of_right, together = (_entropy(part) for part in (table.sum(axis=1), table.sum(axis=0), table.ravel()))
    shared = of_found + of_right - together
    return 1.0 if of_found + of_right == 0 else float(2 * shared / (of_found + of_right))


def _clusters(vectors: Array, k: int, rounds: int) -> list[int]:
    centres = vectors[:1]
    for _ in range(k - 1):
        farthest = _distances(vectors, centres).min(axis=1).argmax()
        centres = np.concatenate([centres, vectors[farthest : farthest + 1]])
    owners = _distances(vectors, centres).argmin(axis=1)
    for _ in range(rounds):
        centres = np.array([vectors[owners == c].mean(axis=0) if (owners == c).any() else centres[c] for c in range(k)])
        moved = _distances(vectors, centres).argmin(axis=1)
        if (moved == owners).all():
            break
        owners = moved
    return [int(owner) for owner in owners]


def _distances(vectors: Array, centres: Array) -> Array:
    distances: Array = ((vectors[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
    return distances


def _ranks(values: Array) -> Array:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Array = (np.cumsum(counts) - (counts - 1) / 2.0)[place]
    return ranks


def _entropy(counts: Array) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
