"""The forward pass from token ids: through the encoder, and by the CUDA engine's model alone on the device."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.agreement import Vectors
from benchmarks.gpu.session import UnavailableError
from benchmarks.variants import DTYPES
from benchmarks.workload import Lexicon
from jina_v3.contract import TASKS, Task
from jina_v3.encoder import Encoder
from jina_v3.encoder.checkpoint import open_checkpoint
from jina_v3.encoder.fused import attention as attentions
from jina_v3.encoder.fused.attention import Attention
from jina_v3.encoder.fused.inputs import Capacity, Inputs, fill
from jina_v3.encoder.fused.kernels.interface import Kernels
from jina_v3.encoder.fused.kernels.reference import ReferenceKernels
from jina_v3.encoder.fused.model import FusedModel
from jina_v3.encoder.fused.workspace import Workspace
from jina_v3.tokens.sequences import NO_TASK, TokenBatch, TokenSequence, lay_out, pack


def to_packs(
    lexicon: Lexicon, texts: Sequence[str], pack_tokens: int, tasks: Sequence[Task | None] | None = None
) -> list[TokenBatch]:
    """Tokenise texts and lay them out in batches; a batch's rows are its own sequences.

    Prompts are not added, so that with and without tasks the numbers of tokens are the same.
    """
    encodings = lexicon.tokenizer.encode_batch(list(texts))
    kinds = tasks or [None] * len(encodings)
    sequences = [
        TokenSequence(
            np.array(one.ids, dtype=np.int64),
            NO_TASK if task is None else TASKS.index(task),
            ((len(one.ids), row),),
        )
        for row, (one, task) in enumerate(zip(encodings, kinds, strict=True))
    ]
    return [_renumbered(batch) for batch in pack(sequences, pack_tokens)]


def _renumbered(batch: Sequence[TokenSequence]) -> TokenBatch:
    rows = [TokenSequence(one.ids, one.task, ((len(one.ids), row),)) for row, one in enumerate(batch)]
    return lay_out(rows, len(rows))


def pool(encoder: Encoder, packs: Sequence[TokenBatch]) -> Vectors:
    """Run batches through the encoder, as many at a time as it likes: ``encode`` but for tokenising and normalising."""
    engine: Any = encoder
    if not hasattr(engine, "submit"):
        return np.concatenate([encoder.pool(batch) for batch in packs])
    sums, pending = [], deque[Any]()
    for batch in packs:
        if len(pending) >= engine.in_flight:
            sums.append(pending.popleft().result())
        pending.append(engine.submit(batch))
    return np.concatenate([*sums, *(one.result() for one in pending)])


class BareModel:
    """The CUDA engine's model with nothing around it. On the CPU it has torch's kernels and attention by SDPA."""

    def __init__(self, folder: Path, dtype: str, device: torch.device) -> None:
        kernels, attention = best_kernels(device), best_attention(device)
        self.device, self.name = device, f"{kernels.name} kernels"
        self._model = FusedModel(open_checkpoint(folder), device, DTYPES[dtype], kernels, attention)
        self._memory: Workspace | None = None

    def runs(self, packs: Sequence[TokenBatch]) -> Callable[[], None]:
        """Return what runs batches that lie on the device already."""
        most = max(len(batch.ids) for batch in packs)
        if self._memory is None or len(self._memory.product) < most:
            self._memory = None
            self._memory = self._model.workspace(most)
        memory = self._memory
        prepared = [(self._inputs(batch), self._out(batch)) for batch in packs]

        def run() -> None:
            for inputs, out in prepared:
                self._model.sums(inputs, memory, out)

        return run

    def _inputs(self, batch: TokenBatch) -> Inputs:
        capacity = Capacity.of(batch)
        block = np.empty(capacity.values, np.int32)
        fill(block, capacity, batch)
        adapted = bool((batch.tasks != NO_TASK).any())
        return Inputs.view(torch.from_numpy(block).to(self.device), capacity, adapted=adapted)

    def _out(self, batch: TokenBatch) -> torch.Tensor:
        return torch.empty(len(batch.segments), self._model.hidden, dtype=torch.float32, device=self.device)


def triton_kernels() -> type[Kernels]:
    """Return the class of Triton's kernels. **Raises**: UnavailableError where it cannot be imported."""
    try:
        found: type[Kernels] = importlib.import_module("jina_v3.encoder.fused.kernels.triton_kernels").TritonKernels
    except (ImportError, AttributeError) as error:
        raise UnavailableError(f"no Triton kernels: {error}") from error
    return found


def best_kernels(device: torch.device) -> Kernels:
    """Return Triton's kernels on a CUDA device, torch's elsewhere."""
    return triton_kernels()() if device.type == "cuda" else ReferenceKernels()


def best_attention(device: torch.device) -> Attention:
    """Return the flash kernel on a CUDA device, SDPA elsewhere."""
    return attentions.flash if device.type == "cuda" else attentions.sdpa
