"""Every call of the kernels that the engine makes for a model, in each variant, so that all can be compiled ahead."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from jina_v3.contract import TASKS
from jina_v3.encoder.fused.kernels.interface import Adapters, EmbeddingTables, Kernels, NormParameters


@dataclass(frozen=True, slots=True)
class Shapes:
    """A model's widths. ``ranks``: of the tasks' additions to the layers, by width of the input; none without."""

    hidden: int = 1024
    intermediate: int = 4096
    heads: int = 16
    vocab: int = 250_002
    rank: int = 4
    columns: int = 32
    eps: float = 1e-5

    def without_adapters(self) -> Shapes:
        """Return the same model from a checkpoint that has none."""
        return Shapes(self.hidden, self.intermediate, self.heads, self.vocab, 0, 0, self.eps)


MODELS = {"adapters": Shapes(), "plain": Shapes().without_adapters()}
"""jina-embeddings-v3 as it is published, and the checkpoints of its backbone."""


def call_all(kernels: Kernels, shapes: Shapes, dtype: torch.dtype, tokens: int, *, float8: bool) -> None:
    """Call every operation as the engine does for a batch of ``tokens``, with and without tasks; nothing is computed.

    The memory is not initialised, so it may be large.
    """
    hidden, intermediate = shapes.hidden, shapes.intermediate
    wide = hidden + shapes.columns

    def matrix(width: int, dtype: torch.dtype = dtype) -> torch.Tensor:
        return torch.empty(tokens, width, dtype=dtype)

    def vector(size: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.empty(size, dtype=dtype)

    attention_in, states, mlp_in = matrix(wide), matrix(wide), matrix(wide)
    qkv, product, mlp, attended = (
        matrix(3 * hidden),
        matrix(hidden),
        matrix(intermediate + shapes.columns),
        matrix(hidden),
    )
    ids, tasks, positions = (vector(tokens, torch.int32) for _ in range(3))
    norm = NormParameters(vector(hidden), vector(hidden), shapes.eps)
    narrow, narrow_mlp = attention_in[:, :hidden], mlp[:, :intermediate]

    kernels.embed(ids, tasks, _tables(shapes, dtype), norm, narrow)
    rotations = torch.empty(8194, hidden // shapes.heads)
    kernels.rotate_(qkv, rotations, positions, shapes.heads)
    kernels.attend_short(qkv, rotations, positions, shapes.heads, 1, states[:, :hidden])
    down, down_mlp = _adapters(shapes, hidden, dtype), _adapters(shapes, intermediate, dtype)
    kernels.adapt(narrow, down, tasks, attention_in)
    kernels.adapt(states[:, :hidden], down, tasks, states)
    kernels.adapt(attended, down, tasks, states)
    for adapters, adapters_mlp in ((None, None), (down, down_mlp)):
        kernels.add_norm(product, vector(hidden), narrow, norm, mlp_in, adapters, tasks)
        kernels.gelu(narrow_mlp, vector(intermediate), mlp, adapters_mlp, tasks)
    kernels.sum_segments(
        narrow, vector(1, torch.int32), vector(1, torch.int32), torch.empty(1, hidden, dtype=torch.float32)
    )
    if float8:
        scales = torch.empty(tokens, 1)
        for source in {(one.shape[1], one.stride(0)): one for one in (attention_in, narrow, mlp, narrow_mlp)}.values():
            out = torch.empty(source.shape, dtype=torch.float8_e4m3fn)
            kernels.quantize_rows(source, out, scales)


def _adapters(shapes: Shapes, width: int, dtype: torch.dtype) -> Adapters:
    first, ranks = (torch.empty(len(TASKS) + 1, dtype=torch.int32) for _ in range(2))
    return Adapters(
        torch.empty(shapes.columns, width, dtype=dtype), torch.empty(shapes.columns, dtype=torch.int32), first, ranks,
        shapes.rank,
    )  # fmt: skip


def _tables(shapes: Shapes, dtype: torch.dtype) -> EmbeddingTables:
    slots = len(TASKS) if shapes.rank else 0
    return EmbeddingTables(
        torch.empty(shapes.vocab, shapes.hidden, dtype=dtype),
        torch.empty(len(TASKS) + 1, shapes.hidden),
        torch.empty(slots * shapes.vocab, shapes.rank, dtype=dtype),
        torch.empty(slots * shapes.rank, shapes.hidden),
        torch.empty(len(TASKS) + 1, dtype=torch.int32),
        shapes.rank,
    )
