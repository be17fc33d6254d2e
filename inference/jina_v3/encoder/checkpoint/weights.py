"""The common form that every layout is read into: plain tensors, and low-rank pairs by task."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from jina_v3.contract import Task


@dataclass(frozen=True, slots=True)
class LowRank:
    """One task's addition to a matrix: ``b @ a``, scaled already.

    **Shapes**: ``a: (rank, in)``, ``b: (out, rank)``. An embedding table counts as a linear layer from ``in = vocab``
    to ``out = hidden``: token ``i`` gets ``b @ a[:, i]``.
    """

    task: Task
    a: torch.Tensor
    b: torch.Tensor

    @property
    def rank(self) -> int:
        """How many rows ``a`` has."""
        return len(self.a)


@dataclass(frozen=True, slots=True)
class LinearWeights:
    """A linear layer. **Shapes**: ``weight: (out, in)``, ``bias: (out,)``."""

    weight: torch.Tensor
    bias: torch.Tensor
    low_ranks: tuple[LowRank, ...] = ()


@dataclass(frozen=True, slots=True)
class EmbeddingWeights:
    """An embedding table. **Shapes**: ``weight: (vocab, hidden)``."""

    weight: torch.Tensor
    low_ranks: tuple[LowRank, ...] = ()


@dataclass(frozen=True, slots=True)
class NormWeights:
    """A layer norm. **Shapes**: both ``(hidden,)``."""

    weight: torch.Tensor
    bias: torch.Tensor
