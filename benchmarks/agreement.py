"""Whether two variants gave the same vectors: a benchmark of a wrong result is void."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


def cosine_errors(vectors: Vectors, reference: Vectors) -> npt.NDArray[np.float64]:
    """Return ``1 - cos`` of each row against its reference row, in float64.

    **Shapes**: both ``(texts, dimensions)``; the result ``(texts,)``. Rows need not be normalised. Small errors
    come from the difference of the unit vectors, ``|a-b|²/2``, which keeps the digits that ``1 - a·b`` loses.
    """
    a, b = vectors.astype(np.float64), reference.astype(np.float64)
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    errors: npt.NDArray[np.float64] = ((a - b) ** 2).sum(axis=1) / 2
    return errors


def spread(vectors: Vectors) -> float:
    """Return the median ``1 - cos`` between different texts: how much there is to tell them apart by."""
    unit = vectors.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    upper = np.triu_indices(len(unit), k=1)
    return float(np.median(1 - (unit @ unit.T)[upper])) if len(unit) > 1 else 1.0


class WrongVectorsError(RuntimeError):
    """A variant did not compute what the reference computes: timing it would mean nothing."""


def check_same(name: str, vectors: Vectors, reference: Vectors, tolerance: float) -> float:
    """Return the worst ``1 - cos`` against the reference.

    Random weights give all texts much the same vector, so a tolerance alone would let texts be mistaken for each
    other: the worst error must also stay under a quarter of the distance between different texts, the mean error
    under a twentieth.

    **Raises**: ``WrongVectorsError`` with the name, the errors and what was allowed.
    """
    if vectors.shape != reference.shape or not np.isfinite(vectors).all():
        raise WrongVectorsError(f"{name}: shape {vectors.shape} or values are wrong; expected {reference.shape}")
    errors, distance = cosine_errors(vectors, reference), spread(reference)
    worst, mean = float(errors.max()), float(errors.mean())
    if worst > min(tolerance, distance / 4) or mean > distance / 20:
        raise WrongVectorsError(
            f"{name}: 1-cos against the reference is {worst:.2e} at worst and {mean:.2e} in the mean; allowed are "
            f"{min(tolerance, distance / 4):.2e} and {distance / 20:.2e}"
        )
    return worst
