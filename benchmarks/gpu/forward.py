"""The forward pass from token ids: through the encoder, and by the CUDA engine's model alone on the device."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.agreement import Vectors
from benchmarks.gpu.session import UnavailableError
from benchmarks.variants import DTYPES
from benchmarks.workload import Lexicon
from jina_v3.contract import TASKS, Task
from jina_v3.encoder import Encoder
from jina_v3.encoder.checkpoint import open_checkpoint
from jina_v3.encoder.fused.attention import CAPTURABLE, choose_attention
from jina_v3.encoder.fused.graphs import capture_graphs, cuda_capture, ladder
from jina_v3.encoder.fused.inputs import Capacity, Inputs, fill
from jina_v3.encoder.fused.kernels.interface import Kernels
from jina_v3.encoder.fused.kernels.reference import ReferenceKernels
from jina_v3.encoder.fused.layer import SHORT
from jina_v3.encoder.fused.model import FusedModel
from jina_v3.encoder.fused.workspace import Workspace
from jina_v3.encoder.running import Pending
from jina_v3.tokens.sequences import NO_TASK, TokenBatch, TokenSequence, lay_out, pack

_CAPTURE_S, _CAPTURE_BYTES = 60, 2**30
"""More than one graph takes."""


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
    sums, pending = [], deque[Pending]()
    for batch in packs:
        if len(pending) >= encoder.in_flight:
            sums.append(pending.popleft().result())
        pending.append(encoder.submit(batch))
    return np.concatenate([*sums, *(one.result() for one in pending)])


class BareModel:
    """The CUDA engine's model with nothing around it, as the engine has it when left to itself: short attention too.

    On the CPU it has torch's kernels and attention by SDPA.
    """

    def __init__(self, folder: Path, dtype: str, device: torch.device) -> None:
        checkpoint, kernels = open_checkpoint(folder), best_kernels(device)
        self._attention, attention = choose_attention("auto", device, DTYPES[dtype])
        self.device, self._longest = device, checkpoint.config.max_tokens
        self._model = FusedModel(checkpoint, device, DTYPES[dtype], kernels, attention, short=SHORT)
        self._memory: Workspace | None = None

    def runs(self, packs: Sequence[TokenBatch]) -> Callable[[], None]:
        """Return what runs batches that lie on the device already."""
        memory = self._workspace(max(len(batch.ids) for batch in packs))
        prepared = [(self._inputs(batch), self._out(batch)) for batch in packs]

        def run() -> None:
            for inputs, out in prepared:
                self._model.sums(inputs, memory, out)

        return run

    def replays(self, batch: TokenBatch) -> Callable[[], None]:
        """Return what replays the graph that the engine would take for a batch, the tasks' columns included.

        On the CPU the same fixed sizes are run. **Raises**: UnavailableError where the engine would take none.
        """
        cuda = self.device.type == "cuda"
        needed = Capacity.of(batch)
        rungs = [one for one in ladder(self._longest, self._longest) if one.holds(needed)]
        if not rungs or (cuda and self._attention not in CAPTURABLE):
            raise UnavailableError(f"no graph holds {needed.tokens} tokens with attention {self._attention!r}")
        room = min(rungs, key=lambda one: (one.tokens, one.sequences, one.max_length, one.segments))
        capture = cuda_capture(self.device) if cuda else _uncaptured
        memory = self._workspace(room.tokens)
        graphs = capture_graphs(
            self._model, memory, [room], capture,
            limit_s=_CAPTURE_S, limit_bytes=_CAPTURE_BYTES, free_bytes=lambda: 0,
        )  # fmt: skip
        found = graphs.find(needed)
        if found is None:
            raise RuntimeError(f"the graph was not captured: {graphs.table()['left_out']}")
        block = np.empty(room.values, np.int32)
        fill(block, room, batch)
        found.block.copy_(torch.from_numpy(block))
        return found.replay

    def _workspace(self, tokens: int) -> Workspace:
        if self._memory is None or len(self._memory.attention_in) < tokens:
            self._memory = self._model.workspace(tokens)
        return self._memory

    def _inputs(self, batch: TokenBatch) -> Inputs:
        capacity = Capacity.of(batch)
        block = np.empty(capacity.values, np.int32)
        fill(block, capacity, batch)
        adapted = bool((batch.tasks != NO_TASK).any())
        return Inputs.view(torch.from_numpy(block).to(self.device), capacity, adapted=adapted)

    def _out(self, batch: TokenBatch) -> torch.Tensor:
        return torch.empty(len(batch.segments), self._model.hidden, dtype=torch.float32, device=self.device)


def _uncaptured(run: Callable[[], None]) -> Callable[[], None]:
    return run


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
