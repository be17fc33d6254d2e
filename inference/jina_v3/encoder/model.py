"""The encoder's forward pass over packed sequences, top to bottom.

**Source**: arXiv 2409.10173; ``xlm-roberta-flash-implementation`` for the arithmetic (post-norm, no final norm).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from jina_v3.contract import TASKS
from jina_v3.encoder.attention import attend
from jina_v3.encoder.checkpoint import Checkpoint, EmbeddingWeights, LinearWeights, LowRank, NormWeights
from jina_v3.encoder.checkpoint.folder import LayerWeights
from jina_v3.encoder.linear import AdaptedLinear, Columns, TaskMask
from jina_v3.encoder.packing import PackedBatch
from jina_v3.encoder.rotary import pair_channels, rotary_table, rotate
from jina_v3.tokens.sequences import NO_TASK


class Norm:
    """Layer norm over the hidden dimension, computed in fp32 whatever the dtype."""

    def __init__(self, weights: NormWeights, eps: float, device: torch.device, dtype: torch.dtype) -> None:
        self._weight = _own(weights.weight, device, dtype)
        self._bias = _own(weights.bias, device, dtype)
        self._eps = eps

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise. **Shapes**: ``(tokens, hidden)`` in and out."""
        return F.layer_norm(x, self._weight.shape, self._weight, self._bias, self._eps)


class AdaptedEmbedding:
    """Word and token-type embedding with the tasks' additions, then the first norm.

    The additions are gathered and multiplied (rank 4), never merged into the 250,002-row table.
    """

    def __init__(
        self, word: EmbeddingWeights, token_type: EmbeddingWeights, device: torch.device, dtype: torch.dtype
    ) -> None:
        # on the CPU this stays a view of the file's map when the dtypes agree: half a gigabyte less to hold
        self._table = word.weight.to(device, dtype)
        hidden = word.weight.shape[1]
        # what a task adds to every token: the token type's own addition
        self._constant = torch.zeros(len(TASKS) + 1, hidden, dtype=torch.float32, device="cpu")  # last row: no task
        self._constant += token_type.weight[0].float()
        for one in token_type.low_ranks:
            self._constant[TASKS.index(one.task)] += one.b.float() @ one.a[:, 0].float()
        self._constant = self._constant.to(device)
        self._additions = _EmbeddingAdditions(word.low_ranks, device, dtype) if word.low_ranks else None

    def __call__(self, batch: PackedBatch, mask: TaskMask | None) -> torch.Tensor:
        """Sum in fp32, so that half precision rounds once, after the norm. **Shapes**: ``(tokens, hidden)`` fp32."""
        x = F.embedding(batch.ids, self._table).float()
        x += self._constant[batch.tasks]  # NO_TASK is -1: the last row
        return x if self._additions is None or mask is None else self._additions.add_(x, batch, mask)


class _EmbeddingAdditions:
    """The tasks' additions to word embeddings, all tasks in one product: see ``linear.py`` for the masking."""

    def __init__(self, low_ranks: tuple[LowRank, ...], device: torch.device, dtype: torch.dtype) -> None:
        self._vocab = low_ranks[0].a.shape[1]
        rank = max(one.rank for one in low_ranks)
        even = [
            LowRank(one.task, F.pad(one.a, (0, 0, 0, rank - one.rank)), F.pad(one.b, (0, rank - one.rank)))
            for one in low_ranks
        ]
        self._columns = Columns(even, device)
        # the tasks' A one below the other, so that (task, token) is one row number
        self._a = torch.cat([one.a.T for one in even]).to(device, dtype)  # (tasks · vocab, rank)
        self._b = torch.cat([one.b.T for one in even]).to(device, torch.float32)  # (tasks · rank, hidden)
        slots = torch.zeros(len(TASKS) + 1, dtype=torch.int64, device="cpu")  # no task takes any slot: it is masked
        for slot, one in enumerate(even):
            slots[TASKS.index(one.task)] = slot
        self._slots = slots.to(device)

    def add_(self, x: torch.Tensor, batch: PackedBatch, mask: TaskMask) -> torch.Tensor:
        """Add in place. **Shapes**: ``x: (tokens, hidden)`` fp32."""
        down = F.embedding(self._slots[batch.tasks] * self._vocab + batch.ids, self._a)  # (tokens, rank)
        masked = down.repeat(1, len(self._columns) // down.shape[1]) * mask(self._columns)
        return x.addmm_(masked.float(), self._b)


class Layer:
    """Attention and MLP, each with its residual and the norm after it."""

    def __init__(self, weights: LayerWeights, heads: int, eps: float, device: torch.device, dtype: torch.dtype) -> None:
        linears = weights.linears
        self._heads = heads
        self._qkv = AdaptedLinear(_pair_channels(linears["qkv"], heads), device, dtype)
        self._out = AdaptedLinear(linears["out"], device, dtype)
        self._fc2 = AdaptedLinear(linears["fc2"], device, dtype)
        self._fc1 = AdaptedLinear(linears["fc1"], device, dtype, spare=self._fc2.columns)
        self._norm1, self._norm2 = (Norm(norm, eps, device, dtype) for norm in weights.norms)

    def __call__(
        self, x: torch.Tensor, batch: PackedBatch, rotations: torch.Tensor, mask: TaskMask | None
    ) -> torch.Tensor:
        """Run one layer. **Shapes**: ``x: (tokens, hidden)`` in and out."""
        hidden = x.shape[1]
        qkv = self._qkv(self._qkv.widen(x, mask)).view(len(x), 3, self._heads, hidden // self._heads)
        states = self._out.room(x)  # (tokens, hidden + columns)
        attend(*rotate(qkv, rotations), batch, states[:, :hidden])
        x = self._norm1(self._out(self._out.adapt_(states, mask), residual=x))
        wide = self._fc1(self._fc1.widen(x, mask), gelu=True)  # (tokens, intermediate + columns)
        return self._norm2(self._fc2(self._fc2.adapt_(wide, mask), residual=x))


class Model:
    """All layers on one device, in one dtype."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> None:
        config = checkpoint.config
        self.hidden = config.hidden
        self.device = device
        self.dtype = dtype
        self._embedding, self._norm = _embedding(checkpoint, device, dtype)
        self._layers = [
            Layer(checkpoint.layer(index), config.heads, config.norm_eps, device, dtype)
            for index in range(config.layers)
        ]
        self._rotations = rotary_table(config.max_tokens, config.head_dim, config.rotary_base, device)

    @torch.inference_mode()
    def __call__(self, batch: PackedBatch) -> torch.Tensor:
        """Return every token's last state. **Shapes**: ``(tokens, hidden)`` in the model's dtype."""
        mask = TaskMask(batch.tasks, self.dtype) if batch.task_set != {NO_TASK} else None
        rotations = self._rotations[batch.positions][:, None, None]
        x = self._norm(self._embedding(batch, mask)).to(self.dtype)
        for layer in self._layers:
            x = layer(x, batch, rotations, mask)
        return x


def _embedding(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> tuple[AdaptedEmbedding, Norm]:
    """Load the embedding in a frame of its own: when it ends, the views go, and the pages they touched."""
    word, token_type, norm = checkpoint.embeddings()
    return (
        AdaptedEmbedding(word, token_type, device, dtype),
        Norm(norm, checkpoint.config.norm_eps, device, torch.float32),
    )


def _pair_channels(weights: LinearWeights, heads: int) -> LinearWeights:
    return LinearWeights(
        pair_channels(weights.weight, heads),
        pair_channels(weights.bias, heads),
        tuple(LowRank(one.task, one.a, pair_channels(one.b, heads)) for one in weights.low_ranks),
    )


def _own(tensor: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Copy, so that no view keeps a map of the file alive."""
    return tensor.to(device=device, dtype=dtype, copy=True).contiguous()
