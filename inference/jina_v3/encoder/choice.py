"""Which engine a model runs with on a device."""

from __future__ import annotations

import logging

import torch

from jina_v3.encoder.checkpoint import Checkpoint
from jina_v3.encoder.fused.kernels.availability import why_not_triton
from jina_v3.encoder.model import Model
from jina_v3.encoder.options import EngineOptions
from jina_v3.encoder.precision import Precision
from jina_v3.encoder.running import PortableRunner, Runner
from jina_v3.encoder.splitting import SplittingRunner

_log = logging.getLogger("jina_v3.encoder")

_MAX_BATCH_TOKENS = {"cuda": 16384, "cpu": 2048}


def make_runner(
    checkpoint: Checkpoint,
    device: torch.device,
    precision: Precision,
    options: EngineOptions,
    max_batch_tokens: int | None,
) -> tuple[Runner, int]:
    """Load the weights into the engine for a device, and return it with the tokens that its batches may have.

    **Raises**: ValueError for options that cannot be, or not here; DeviceMemoryError where the device has no room.
    """
    if _takes_fused(device, precision, options):
        # only here: it brings Triton, which takes seconds
        from jina_v3.encoder.fused.loading import load_fused

        runner, budget = load_fused(checkpoint, device, precision, options, max_batch_tokens)
        return _splitting(runner), budget
    if precision.float8:
        raise ValueError(
            f"dtype {precision.name!r} needs Triton's kernels, which are not taken here"
            f"{f': {why}' if (why := why_not_triton(device)) else ''}; take 'bfloat16'"
        )
    portable = PortableRunner(Model(checkpoint, device, precision.dtype))
    budget = max_batch_tokens or _MAX_BATCH_TOKENS[device.type]
    return (portable if device.type == "cpu" else _splitting(portable)), budget


def _splitting(runner: Runner) -> Runner:
    return SplittingRunner(runner, torch.cuda.empty_cache, lambda: torch.cuda.mem_get_info(runner.device)[0])


def _takes_fused(device: torch.device, precision: Precision, options: EngineOptions) -> bool:
    """Say whether the CUDA engine shall be taken; where it cannot be, the log or an error says why."""
    if options.kernels == "torch":
        return False
    asked = options.kernels == "triton"
    if device.type != "cuda" or precision.dtype == torch.float32:
        if asked:
            raise ValueError(
                f"kernels 'triton' cannot be had in {precision.name} on {device}: they compute in "
                "half precision on CUDA; take 'auto', or bfloat16 or float16 there"
            )
        return False
    reason = why_not_triton(device)
    if reason is None:
        return True
    if asked:
        raise ValueError(f"kernels 'triton' cannot be had on {device}: {reason}; or take 'auto'")
    _log.warning("the CUDA engine is left out: plain torch computes, slower", extra={"fields": {"reason": reason}})
    return False
