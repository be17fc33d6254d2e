"""The CUDA engine from a checkpoint: weights, memory as planned, kernels compiled, graphs captured."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from jina_v3.encoder.checkpoint import Checkpoint
from jina_v3.encoder.fused.attention import CAPTURABLE, choose_attention
from jina_v3.encoder.fused.device_queue import CudaQueue
from jina_v3.encoder.fused.graphs import GraphSet, capture_graphs, cuda_capture, ladder
from jina_v3.encoder.fused.inputs import Capacity, Inputs, fill
from jina_v3.encoder.fused.kernels.interface import Kernels
from jina_v3.encoder.fused.layer import SHORT
from jina_v3.encoder.fused.memory import MemoryPlan, TokenBytes, default_batch_tokens, plan_memory
from jina_v3.encoder.fused.model import FusedModel
from jina_v3.encoder.fused.runner import FusedRunner
from jina_v3.encoder.fused.workspace import Workspace
from jina_v3.encoder.options import EngineOptions
from jina_v3.encoder.precision import Precision
from jina_v3.tokens.sequences import NO_TASK, TokenBatch, TokenSequence, lay_out

_log = logging.getLogger("jina_v3.encoder")

_LONGEST_CAPTURE_S = 6.0
"""For all graphs together, so that a start takes less than 20 s. An estimate, not measured."""
_WARM_UP_TOKENS = (1, 16, 64, 512, 2048)
_WARM_UP_LENGTH = 128


def load_fused(
    checkpoint: Checkpoint,
    device: torch.device,
    precision: Precision,
    options: EngineOptions,
    wanted_tokens: int | None,
) -> tuple[FusedRunner, int]:
    """Load a model onto a CUDA device, and return it with its token budget, which memory may have cut.

    **Raises**: ValueError for attention that cannot be had; DeviceMemoryError where the device has no room.
    """
    from jina_v3.encoder.fused.kernels.triton_kernels import TritonKernels

    with torch.cuda.device(device):
        return _load(checkpoint, device, precision, options, wanted_tokens, TritonKernels())


@torch.inference_mode(mode=False)  # what is made in that mode could only be used in it
def _load(
    checkpoint: Checkpoint,
    device: torch.device,
    precision: Precision,
    options: EngineOptions,
    wanted_tokens: int | None,
    kernels: Kernels,
) -> tuple[FusedRunner, int]:
    attention_name, attention = choose_attention(options.attention, device, precision.dtype)
    short = SHORT if options.attention == "auto" else 0
    model = FusedModel(checkpoint, device, precision.dtype, kernels, attention, float8=precision.float8, short=short)
    plan = _plan(checkpoint, model, wanted_tokens, graphs=attention_name in CAPTURABLE)
    memory = model.workspace(plan.workspace_tokens)
    queue = CudaQueue(device)
    computing, found = queue.stream(), list[GraphSet]()

    def prepare() -> None:
        _warm_up(model, memory, plan.workspace_tokens)
        found.append(_graphs(checkpoint, model, memory, plan, options, attention_name))

    try:
        computing.issue(prepare)  # on the stream that will serve: cuBLAS has a workspace of its own for each
    finally:
        queue.drain()  # where it failed too: its memory is somebody else's afterwards
    (graphs,) = found
    table = graphs.table()
    _log.info("graphs", extra={"fields": table})
    details: dict[str, Any] = {
        "kernels": kernels.name,
        "attention": attention_name,
        "short_attention_tokens": short,
        "graphs": len(graphs) if options.graphs else 0,
        "graphs_ms": table["ms"],
        "graphs_bytes": table["bytes"],
        "memory": plan.table(),
    }
    runner = FusedRunner(model, memory, queue, graphs, computing=computing, overlap=options.overlap, details=details)
    torch.cuda.synchronize(device)
    return runner, plan.max_batch_tokens


def _plan(checkpoint: Checkpoint, model: FusedModel, wanted_tokens: int | None, *, graphs: bool) -> MemoryPlan:
    """Plan what is free; graphs that are only switched off have their share, so that batches are cut as with them."""
    torch.cuda.synchronize(model.device)
    torch.cuda.empty_cache()  # what laying the weights out has left behind
    properties = torch.cuda.get_device_properties(model.device)
    return plan_memory(
        _free_bytes(model.device),
        TokenBytes.of(model.sizes, checkpoint.config.heads, model.dtype),
        wanted_tokens=wanted_tokens or default_batch_tokens(properties.total_memory, properties.multi_processor_count),
        longest=checkpoint.config.max_tokens,
        graphs=graphs,
        device=str(model.device),
    )


def _free_bytes(device: torch.device) -> int:
    free: int = torch.cuda.mem_get_info(device)[0]
    return free


def _warm_up(model: FusedModel, memory: Workspace, most_tokens: int) -> None:
    """Run batches of growing size with and without tasks, so that every kernel is compiled and cuBLAS has chosen."""
    for batch in _warm_up_batches(most_tokens):
        room = Capacity.of(batch)
        block = np.empty(room.values, np.int32)
        fill(block, room, batch)
        on_device = torch.from_numpy(block).to(model.device)
        sums = torch.empty(room.segments, model.hidden, dtype=torch.float32, device=model.device)
        for adapted in (True, False):
            model.sums(Inputs.view(on_device, room, adapted=adapted), memory, sums)
    torch.cuda.synchronize(model.device)


def _warm_up_batches(most_tokens: int) -> Iterator[TokenBatch]:
    for tokens in (*(size for size in _WARM_UP_TOKENS if size < most_tokens), most_tokens):
        lengths = [_WARM_UP_LENGTH] * (tokens // _WARM_UP_LENGTH) + [tokens % _WARM_UP_LENGTH]
        yield lay_out(
            [
                TokenSequence(np.zeros(length, np.int64), NO_TASK, ((length, row),))
                for row, length in enumerate(lengths)
                if length
            ],
            len(lengths),
        )


def _graphs(
    checkpoint: Checkpoint,
    model: FusedModel,
    memory: Workspace,
    plan: MemoryPlan,
    options: EngineOptions,
    attention: str,
) -> GraphSet:
    """Capture small batches; without graphs the same fixed sizes are run, so that results have the same bits."""
    if attention not in CAPTURABLE:
        return GraphSet(())
    return capture_graphs(
        model,
        memory,
        ladder(checkpoint.config.max_tokens, plan.max_batch_tokens),
        cuda_capture(model.device) if options.graphs else lambda run: run,
        limit_s=_LONGEST_CAPTURE_S,
        limit_bytes=plan.graph_bytes,
        free_bytes=lambda: _free_bytes(model.device),
    )
