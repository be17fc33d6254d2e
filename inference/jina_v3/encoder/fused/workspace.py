"""The memory of a forward pass: made once, for the largest batch, and used by every batch after another."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a token needs. **Units**: values."""

    hidden: int
    intermediate: int
    columns: int


@dataclass(frozen=True, slots=True)
class Workspace:
    """One forward pass's matrices.

    **Shapes**: all ``(tokens, …)`` half: ``attention_in``, ``states`` and ``mlp_in`` are ``hidden + columns`` wide,
    ``qkv`` three times ``hidden``, ``product`` ``hidden``, ``mlp`` ``intermediate + columns``.
    """

    attention_in: torch.Tensor
    qkv: torch.Tensor
    states: torch.Tensor
    product: torch.Tensor
    mlp_in: torch.Tensor
    mlp: torch.Tensor

    @classmethod
    def allocate(cls, tokens: int, sizes: Sizes, dtype: torch.dtype, device: torch.device) -> Workspace:
        """Allocate for batches of at most ``tokens``."""
        hidden, wide = sizes.hidden, sizes.hidden + sizes.columns

        def matrix(width: int) -> torch.Tensor:
            # finite from the start, as kernels may multiply rows that no sequence has by zero
            return torch.zeros(tokens, width, dtype=dtype, device=device)

        return cls(
            matrix(wide), matrix(3 * hidden), matrix(wide), matrix(hidden), matrix(wide),
            matrix(sizes.intermediate + sizes.columns),
        )  # fmt: skip

    @staticmethod
    def bytes_per_token(sizes: Sizes, dtype: torch.dtype) -> int:
        """Return how many bytes each token of the capacity takes."""
        values = 3 * (sizes.hidden + sizes.columns) + 4 * sizes.hidden + sizes.intermediate + sizes.columns
        return values * dtype.itemsize

    def first(self, tokens: int) -> Workspace:
        """Return the same memory for a batch of ``tokens``."""
        return Workspace(
            self.attention_in[:tokens], self.qkv[:tokens], self.states[:tokens], self.product[:tokens],
            self.mlp_in[:tokens], self.mlp[:tokens],
        )  # fmt: skip
