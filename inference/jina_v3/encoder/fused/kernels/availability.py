"""Whether Triton's kernels can be had."""

from __future__ import annotations

import importlib.util

import torch


def why_not_triton(device: torch.device) -> str | None:
    """Return why Triton's kernels cannot run on a device, with what would help; ``None`` where they can."""
    if device.type != "cuda":
        return f"they need a CUDA device, not {device}"
    if torch.cuda.get_device_capability(device) < (8, 0):
        return "they need compute capability 8.0"
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed; install it"
    return None
