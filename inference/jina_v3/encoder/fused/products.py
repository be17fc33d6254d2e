"""Matrix products of the CUDA engine: ``[x | m∘(A·x)] · [W | B]ᵀ`` into memory that is there already."""

from __future__ import annotations

from typing import Protocol

import torch

from jina_v3.encoder.fused.kernels.interface import Kernels
from jina_v3.encoder.fused.workspace import Workspace


class Product(Protocol):
    """A linear layer's product. All but ``qkv`` leave the bias to the kernel that reads the result."""

    def __call__(self, x: torch.Tensor, out: torch.Tensor, memory: Workspace, /, *, adapted: bool) -> None:
        """Multiply; without ``adapted`` the columns of the tasks' additions are left out.

        **Shapes**: ``x: (tokens, in + columns)``; ``out: (tokens, out)``, for float8 without gaps between rows.
        ``memory``: the batch's, of which what is for products alone is used.
        """
        ...


class HalfProduct:
    """The product in the weights' own precision, by cuBLAS."""

    def __init__(self, weight: torch.Tensor, columns: int, bias: torch.Tensor | None) -> None:
        """**Shapes**: ``weight: (out, in + columns)``; ``bias: (out,)``, all half."""
        self._wide = weight.T
        self._narrow = weight[:, : weight.shape[1] - columns].T
        self._bias = bias

    def __call__(self, x: torch.Tensor, out: torch.Tensor, _memory: Workspace, /, *, adapted: bool) -> None:
        """Multiply, see :class:`Product`."""
        weight = self._wide if adapted else self._narrow
        x = x[:, : len(weight)]
        if self._bias is None:
            torch.mm(x, weight, out=out)
        else:
            torch.addmm(self._bias, x, weight, out=out)


class Float8Product:
    """The product in float8 with a scale for each row of either operand, by ``torch._scaled_mm``.

    The columns of the tasks' additions share their row's scale: float8 is a floating-point format, whose relative
    error is the same over 14 powers of two, so that loud channels cost the others nothing.
    """

    def __init__(self, weight: torch.Tensor, columns: int, bias: torch.Tensor | None, kernels: Kernels) -> None:
        """**Shapes**: ``weight: (out, in + columns)``; ``bias: (out,)``, all half."""
        self._kernels, self._bias = kernels, bias
        codes = torch.empty(weight.shape, dtype=torch.float8_e4m3fn, device=weight.device)
        scales = torch.empty(len(weight), 1, dtype=torch.float32, device=weight.device)
        kernels.quantize_rows(weight, codes, scales)
        self._wide, self._scales = codes.T, scales.T
        # a copy: not every kernel behind the product is known to take weights with gaps between rows
        self._narrow = codes[:, : weight.shape[1] - columns].contiguous().T

    def __call__(self, x: torch.Tensor, out: torch.Tensor, memory: Workspace, /, *, adapted: bool) -> None:
        """Multiply, see :class:`Product`."""
        weight = self._wide if adapted else self._narrow
        codes = memory.quantized(len(weight))
        self._kernels.quantize_rows(x[:, : len(weight)], codes, memory.scales)
        torch._scaled_mm(
            codes,
            weight,
            scale_a=memory.scales,
            scale_b=self._scales,
            bias=self._bias,
            out_dtype=out.dtype,
            use_fast_accum=True,
            out=out,
        )


def make_product(
    weight: torch.Tensor, columns: int, bias: torch.Tensor | None, float8_kernels: Kernels | None
) -> Product:
    """Make the product in float8 with these kernels, or in the weight's own precision without."""
    if float8_kernels is None:
        return HalfProduct(weight, columns, bias)
    return Float8Product(weight, columns, bias, float8_kernels)
