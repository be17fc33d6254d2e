"""What an encoder gives back: an ordinary float32 array that also says what it cost and what was cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class Embeddings(np.ndarray[tuple[int, int], np.dtype[np.float32]]):
    """Vectors of one call, in input order, with what became of each text.

    **Shapes**: ``(texts, dimensions)``, float32. ``token_counts``: one a text, with ``<s>``, ``</s>`` and the
    prompt where the text carries them. ``truncated``: indices of the texts that were cut to the limit.

    Arrays derived from it (slices, sums, copies) are plain results of numpy: their two attributes are empty.
    """

    token_counts: tuple[int, ...]
    truncated: tuple[int, ...]

    def __new__(
        cls,
        vectors: npt.NDArray[np.float32],
        token_counts: tuple[int, ...],
        truncated: tuple[int, ...] = (),
    ) -> Embeddings:
        """View ``vectors`` as embeddings; no copy is made."""
        if vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != len(token_counts):
            raise ValueError(f"want float32 (texts, dimensions), got {vectors.dtype} {vectors.shape}")
        self = vectors.view(cls)
        self.token_counts = token_counts
        self.truncated = truncated
        return self

    def __array_finalize__(self, source: Any) -> None:
        self.token_counts = ()
        self.truncated = ()
