"""Matrix products of the CUDA engine: ``[x | m∘(A·x)] · [W | B]ᵀ`` into memory that is there already."""

from __future__ import annotations

from typing import Protocol

import torch


class Product(Protocol):
    """A linear layer's product. All but ``qkv`` leave the bias to the kernel that reads the result."""

    def __call__(self, x: torch.Tensor, out: torch.Tensor, *, adapted: bool) -> None:
        """Multiply; without ``adapted`` the columns of the tasks' additions are left out.

        **Shapes**: ``x: (tokens, in + columns)``; ``out: (tokens, out)``, rows at any distance.
        """
        ...


class HalfProduct:
    """The product in the weights' own precision, by cuBLAS."""

    def __init__(self, weight: torch.Tensor, columns: int, bias: torch.Tensor | None = None) -> None:
        """**Shapes**: ``weight: (out, in + columns)``; ``bias: (out,)``, all half."""
        self._wide = weight.T
        self._narrow = weight[:, : weight.shape[1] - columns].T
        self._bias = bias

    def __call__(self, x: torch.Tensor, out: torch.Tensor, *, adapted: bool) -> None:
        """Multiply, see :class:`Product`."""
        weight = self._wide if adapted else self._narrow
        x = x[:, : len(weight)]
        if self._bias is None:
            torch.mm(x, weight, out=out)
        else:
            torch.addmm(self._bias, x, weight, out=out)
