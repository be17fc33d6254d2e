"""All layers of the CUDA engine on one device, in one precision."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from jina_v3.contract import TASKS
from jina_v3.encoder.checkpoint import Checkpoint, EmbeddingWeights
from jina_v3.encoder.fused.attention import Attention
from jina_v3.encoder.fused.inputs import Inputs
from jina_v3.encoder.fused.kernels.interface import EmbeddingTables, Kernels, NormParameters
from jina_v3.encoder.fused.layer import SHORT, FusedLayer, columns_for, make_norm
from jina_v3.encoder.fused.workspace import Sizes, Workspace
from jina_v3.encoder.rotary import rotary_table


class FusedModel:
    """The model; a forward pass allocates nothing but what attention gives back."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: torch.device,
        dtype: torch.dtype,
        kernels: Kernels,
        attention: Attention,
        *,
        float8: Sequence[str] = (),
        short: int = SHORT,
    ) -> None:
        """``float8``: the linear layers whose products take float8; ``dtype`` must then be bfloat16 on CUDA.

        ``short``: see :class:`~jina_v3.encoder.fused.layer.FusedLayer`.
        """
        config = checkpoint.config
        self.device, self.dtype = device, dtype
        self._kernels = kernels
        self._tables, self._norm = _embedding(checkpoint, device, dtype)
        layers = [checkpoint.layer(index) for index in range(config.layers)]
        columns = columns_for(layers)
        self._layers = [
            FusedLayer(
                layer,
                config.heads,
                config.norm_eps,
                columns,
                device,
                dtype,
                kernels,
                attention,
                float8=float8,
                short=short,
            )
            for layer in layers
        ]
        rotations = rotary_table(config.max_tokens, config.head_dim, config.rotary_base, device)
        self._rotations = torch.cat((rotations.real, rotations.imag), 1).contiguous()  # (positions, head_dim)
        self.sizes = Sizes(config.hidden, config.intermediate, columns, bool(float8))

    @property
    def hidden(self) -> int:
        """The model's width."""
        return self.sizes.hidden

    def workspace(self, tokens: int) -> Workspace:
        """Allocate the memory for batches of at most ``tokens``."""
        return Workspace.allocate(tokens, self.sizes, self.dtype, self.device)

    @torch.inference_mode()
    def states(self, inputs: Inputs, memory: Workspace) -> torch.Tensor:
        """Return every token's last state, in ``memory``. **Shapes**: ``(tokens, hidden)`` half."""
        memory = memory.first(len(inputs.ids))
        x = memory.attention_in
        hidden = x[:, : self.hidden]
        adapters = [layer.qkv_adapters for layer in self._layers]
        self._kernels.embed(inputs.ids, inputs.tasks, self._tables, self._norm, hidden)
        if inputs.adapted:
            self._kernels.adapt(hidden, adapters[0], inputs.tasks, x)
        for layer, following in zip(self._layers, [*adapters[1:], None], strict=True):
            layer(inputs, memory, self._rotations, following)
        return hidden

    @torch.inference_mode()
    def sums(self, inputs: Inputs, memory: Workspace, out: torch.Tensor) -> None:
        """Write the sum of every segment's states. **Shapes**: ``out: (segments, dimensions)`` fp32."""
        self._kernels.sum_segments(self.states(inputs, memory), inputs.segment_starts, inputs.segment_lengths, out)


def _embedding(
    checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype
) -> tuple[EmbeddingTables, NormParameters]:
    word, token_type, norm = checkpoint.embeddings()
    return make_tables(word, token_type, device, dtype), make_norm(norm, checkpoint.config.norm_eps, device)


def make_tables(
    word: EmbeddingWeights, token_type: EmbeddingWeights, device: torch.device, dtype: torch.dtype
) -> EmbeddingTables:
    """Lay the embedding out on the device: see :class:`EmbeddingTables`."""
    hidden = word.weight.shape[1]
    constant = torch.zeros(len(TASKS) + 1, hidden, dtype=torch.float32, device="cpu")
    constant += token_type.weight[0].float()
    for one in token_type.low_ranks:
        constant[TASKS.index(one.task)] += one.b.float() @ one.a[:, 0].float()
    rank = max((one.rank for one in word.low_ranks), default=0)
    slots = torch.full((len(TASKS) + 1,), -1, dtype=torch.int32, device="cpu")
    a, b = torch.empty(0, rank), torch.empty(0, hidden)
    if word.low_ranks:
        for slot, one in enumerate(word.low_ranks):
            slots[TASKS.index(one.task)] = slot
        a = torch.cat([F.pad(one.a, (0, 0, 0, rank - one.rank)).T for one in word.low_ranks])
        b = torch.cat([F.pad(one.b.float(), (0, rank - one.rank)).T for one in word.low_ranks])
    return EmbeddingTables(
        word.weight.to(device, dtype, copy=True),
        constant.to(device),
        a.to(device, dtype).contiguous(),
        b.to(device, torch.float32).contiguous(),
        slots.to(device),
        rank,
    )
