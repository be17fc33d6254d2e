"""One encoder layer of the CUDA engine, and its weights as it wants them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from jina_v3.contract import TASKS
from jina_v3.encoder.checkpoint import LinearWeights, LowRank, NormWeights
from jina_v3.encoder.checkpoint.folder import LayerWeights
from jina_v3.encoder.fused.attention import Attention
from jina_v3.encoder.fused.inputs import Inputs
from jina_v3.encoder.fused.kernels.interface import Adapters, Kernels, NormParameters
from jina_v3.encoder.fused.products import make_product
from jina_v3.encoder.fused.workspace import Workspace

COLUMN_MULTIPLE = 32
"""Keeps the wide inner dimension aligned for tensor-core tiles and 16-byte loads."""

SHORT = 64
"""The longest sequence, in tokens, for which short attention is taken. An estimate by arithmetic, not measured."""


class FusedLayer:
    """Attention and MLP, each with its residual and the norm after it, over a workspace's matrices."""

    def __init__(
        self,
        weights: LayerWeights,
        heads: int,
        eps: float,
        columns: int,
        device: torch.device,
        dtype: torch.dtype,
        kernels: Kernels,
        attention: Attention,
        *,
        float8: Sequence[str] = (),
        short: int = SHORT,
    ) -> None:
        """``short``: short attention is taken where no sequence of a batch is longer; 0: never."""
        linears = weights.linears
        self._kernels, self._attention, self._heads, self._short = kernels, attention, heads, short
        biases = {"qkv": linears["qkv"].bias.to(device, dtype)}
        self._qkv, self._out, self._fc1, self._fc2 = (
            make_product(
                lay_out_weight(linears[name], columns, device, dtype),
                columns,
                biases.get(name),
                kernels if name in float8 else None,
            )
            for name in ("qkv", "out", "fc1", "fc2")
        )
        self._out_bias, self._fc1_bias, self._fc2_bias = (
            linears[name].bias.to(device, torch.float32, copy=True) for name in ("out", "fc1", "fc2")
        )
        self.qkv_adapters, self._out_adapters, self._fc1_adapters, self._fc2_adapters = (
            make_adapters(linears[name].low_ranks, linears[name].weight.shape[1], columns, device, dtype)
            for name in ("qkv", "out", "fc1", "fc2")
        )
        self._norm1, self._norm2 = (make_norm(norm, eps, device) for norm in weights.norms)

    def __call__(self, inputs: Inputs, memory: Workspace, rotations: torch.Tensor, following: Adapters | None) -> None:
        """Run over ``memory.attention_in``, into which the result comes too, adapted for the ``following`` layer.

        **Shapes**: ``rotations: (positions, head_dim)`` fp32.
        """
        kernels, tasks, adapted = self._kernels, inputs.tasks, inputs.adapted
        hidden = memory.product.shape[1]

        self._qkv(memory.attention_in, memory.qkv, memory, adapted=adapted)
        states = memory.states[:, :hidden]
        if inputs.max_length <= self._short:
            kernels.attend_short(memory.qkv, rotations, inputs.positions, self._heads, inputs.max_length, states)
        else:
            kernels.rotate_(memory.qkv, rotations, inputs.positions, self._heads)
            states = self._attention(memory.qkv, self._heads, inputs, states)
        if adapted:
            kernels.adapt(states, self._out_adapters, tasks, memory.states)
            states = memory.states
        self._out(states, memory.product, memory, adapted=adapted)
        kernels.add_norm(
            memory.product, self._out_bias, memory.attention_in[:, :hidden], self._norm1, memory.mlp_in,
            self._fc1_adapters if adapted else None, tasks,
        )  # fmt: skip

        self._fc1(memory.mlp_in, memory.mlp_product, memory, adapted=adapted)
        kernels.gelu(memory.mlp_product, self._fc1_bias, memory.mlp, self._fc2_adapters if adapted else None, tasks)
        self._fc2(memory.mlp, memory.product, memory, adapted=adapted)
        kernels.add_norm(
            memory.product, self._fc2_bias, memory.mlp_in[:, :hidden], self._norm2, memory.attention_in,
            following if adapted else None, tasks,
        )  # fmt: skip


def columns_for(layers: Sequence[LayerWeights]) -> int:
    """Return how many columns the additions of every linear layer fit in; one number for all keeps the memory plain."""
    most = max(sum(one.rank for one in linear.low_ranks) for layer in layers for linear in layer.linears.values())
    return -(-most // COLUMN_MULTIPLE) * COLUMN_MULTIPLE


def lay_out_weight(weights: LinearWeights, columns: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Lay ``[W | B]`` out on the device. **Shapes**: ``(out, in + columns)``."""
    out_features, in_features = weights.weight.shape
    wide = torch.zeros(out_features, in_features + columns, dtype=dtype, device=device)
    wide[:, :in_features] = weights.weight.to(device)
    if weights.low_ranks:
        b = torch.cat([one.b for one in weights.low_ranks], 1)
        wide[:, in_features : in_features + b.shape[1]] = b.to(device)
    return wide


def make_adapters(
    low_ranks: Sequence[LowRank], in_features: int, columns: int, device: torch.device, dtype: torch.dtype
) -> Adapters:
    """Lay the tasks' A matrices out on the device."""
    a = torch.zeros(columns, in_features, dtype=dtype, device="cpu")
    owners = torch.full((columns,), len(TASKS), dtype=torch.int32, device="cpu")
    first, ranks = (torch.zeros(len(TASKS) + 1, dtype=torch.int32, device="cpu") for _ in range(2))
    row = 0
    for one in low_ranks:
        task = TASKS.index(one.task)
        a[row : row + one.rank] = one.a
        owners[row : row + one.rank] = task
        first[task], ranks[task] = row, one.rank
        row += one.rank
    return Adapters(
        a.to(device),
        owners.to(device),
        first.to(device),
        ranks.to(device),
        max((one.rank for one in low_ranks), default=0),
    )


def make_norm(weights: NormWeights, eps: float, device: torch.device) -> NormParameters:
    """Put a norm's parameters on the device, in fp32."""
    weight, bias = (one.to(device, torch.float32, copy=True) for one in (weights.weight, weights.bias))
    return NormParameters(weight, bias, eps)
