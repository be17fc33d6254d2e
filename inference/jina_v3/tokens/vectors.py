"""From the sums of a text's states to its vector."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

_LEAST_LENGTH = np.float32(1e-12)
"""What a vector is divided by at the least, so that one of zeros stays one: ``torch.nn.functional.normalize``'s."""


def add_rows(total: Vectors, rows: npt.NDArray[np.int64], sums: Vectors) -> None:
    """Add each of ``sums`` to its row of ``total``; a row may occur several times: a chunk that two windows share.

    **Shapes**: ``total: (…, dimensions)``, ``rows: (n,)``, ``sums: (n, dimensions)``.
    """
    if len(np.unique(rows)) == len(rows):
        total[rows] += sums
    else:
        np.add.at(total, rows, sums)


def finish(means: Vectors, dimensions: int, normalized: bool) -> Vectors:
    """Cut, then normalise: the other way round leaves vectors that are not of unit length.

    **Shapes**: ``(rows, hidden)``, or as many of the first columns as any row wants → ``(rows, dimensions)``, float32.
    """
    cut = means[:, :dimensions]
    if not normalized:
        return cut
    lengths = np.linalg.norm(cut, axis=1, keepdims=True)
    return np.asarray(cut / np.maximum(lengths, _LEAST_LENGTH))
