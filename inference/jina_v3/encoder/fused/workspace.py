"""The memory of a forward pass: made once, for the largest batch, and used by every batch after another."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a token needs. **Units**: values. ``float8``: the products take float8."""

    hidden: int
    intermediate: int
    columns: int
    float8: bool = False

    @property
    def widest(self) -> int:
        """The most values of a product's input."""
        return max(self.hidden, self.intermediate) + self.columns


@dataclass(frozen=True, slots=True)
class Workspace:
    """One forward pass's matrices.

    **Shapes**: all ``(tokens, …)`` half: ``attention_in``, ``states`` and ``mlp_in`` are ``hidden + columns`` wide,
    ``qkv`` three times ``hidden``, ``product`` ``hidden``, ``mlp`` ``intermediate + columns``. ``mlp_product`` is
    ``mlp``'s first ``intermediate`` columns, but for float8 a matrix of its own, without gaps between rows.
    ``codes``: float8 with room for the widest input, ``scales``: fp32, one a row; both without columns otherwise.
    """

    attention_in: torch.Tensor
    qkv: torch.Tensor
    states: torch.Tensor
    product: torch.Tensor
    mlp_in: torch.Tensor
    mlp: torch.Tensor
    mlp_product: torch.Tensor
    codes: torch.Tensor
    scales: torch.Tensor

    @classmethod
    def allocate(cls, tokens: int, sizes: Sizes, dtype: torch.dtype, device: torch.device) -> Workspace:
        """Allocate for batches of at most ``tokens``."""
        hidden, wide = sizes.hidden, sizes.hidden + sizes.columns

        def matrix(width: int, kind: torch.dtype = dtype) -> torch.Tensor:
            # finite from the start, as kernels may multiply rows that no sequence has by zero
            return torch.zeros(tokens, width, dtype=kind, device=device)

        mlp = matrix(sizes.intermediate + sizes.columns)
        return cls(
            matrix(wide), matrix(3 * hidden), matrix(wide), matrix(hidden), matrix(wide), mlp,
            matrix(sizes.intermediate) if sizes.float8 else mlp[:, : sizes.intermediate],
            matrix(sizes.widest if sizes.float8 else 0, torch.float8_e4m3fn),
            matrix(1 if sizes.float8 else 0, torch.float32),
        )  # fmt: skip

    @staticmethod
    def bytes_per_token(sizes: Sizes, dtype: torch.dtype) -> int:
        """Return how many bytes each token of the capacity takes."""
        values = 3 * (sizes.hidden + sizes.columns) + 4 * sizes.hidden + sizes.intermediate + sizes.columns
        if not sizes.float8:
            return values * dtype.itemsize
        return (values + sizes.intermediate) * dtype.itemsize + sizes.widest + torch.float32.itemsize

    def first(self, tokens: int) -> Workspace:
        """Return the same memory for a batch of ``tokens``."""
        return Workspace(*(getattr(self, field.name)[:tokens] for field in fields(self)))

    def quantized(self, width: int) -> torch.Tensor:
        """Return the memory of ``codes`` as an input without gaps between rows. **Shapes**: ``(tokens, width)``."""
        tokens = len(self.codes)
        return self.codes.view(-1)[: tokens * width].view(tokens, width)
