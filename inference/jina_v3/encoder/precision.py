"""In which precision a model computes, by name: which there are, where each can run, and how far it may err."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Precision:
    """A precision. ``dtype`` is that of all but the products that ``float8`` names.

    ``float8``: the linear layers whose products take float8 (e4m3) with a scale for each row of either operand, which
    the fused engine alone can. ``fast_half``: fp16 products are summed in fp16, where the device gains by it.
    ``bound``: the most that 1−cos of a sentence's vector against fp32 may be, checked when a model is loaded (see
    ``gate.py``); ``None`` where nothing is checked: the rounding of plain half precision is known.
    """

    name: str
    dtype: torch.dtype
    float8: tuple[str, ...] = ()
    fast_half: bool = False
    bound: float | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is nothing but a dtype, which every device and engine can."""
        return not (self.float8 or self.fast_half)


PRECISIONS = {
    one.name: one
    for one in (
        Precision("float32", torch.float32),
        Precision("bfloat16", torch.bfloat16),
        Precision("float16", torch.float16),
        Precision("float16-fast", torch.float16, fast_half=True, bound=1e-4),
        Precision("float8", torch.bfloat16, float8=("qkv", "out", "fc1", "fc2"), bound=1e-3),
        Precision("float8-mlp", torch.bfloat16, float8=("fc1", "fc2"), bound=1e-3),
    )
}

_FLOAT8_CAPABILITY = (8, 9)
"""Ada (L4, L40S) and Hopper (H100) on: the first with float8 products."""


def choose_precision(name: str | None, device: torch.device) -> Precision:
    """Return the named precision, or the device's best: float32 on the CPU, bfloat16 from Ampere on, float16 before.

    **Raises**: ValueError when it is unknown, or cannot be on this device.
    """
    if name is None:
        name = "float32"
        if device.type == "cuda":
            name = "bfloat16" if torch.cuda.get_device_capability(device) >= (8, 0) else "float16"
    if not isinstance(name, str) or name not in PRECISIONS:
        raise ValueError(f"unknown dtype {name!r}; want one of {', '.join(PRECISIONS)}")
    precision = PRECISIONS[name]
    if device.type == "cpu" and not precision.is_plain:
        plain = (one.name for one in PRECISIONS.values() if one.is_plain)
        raise ValueError(f"dtype {name!r} needs a CUDA device; on the CPU want one of {', '.join(plain)}")
    if precision.float8 and (capability := torch.cuda.get_device_capability(device)) < _FLOAT8_CAPABILITY:
        raise ValueError(
            f"dtype {name!r} needs a GPU of compute capability 8.9 or more (L4, L40S, H100 and later); {device} has "
            f"{capability[0]}.{capability[1]}. Want 'bfloat16', or 'float16-fast' on an A10G"
        )
    return precision


def set_accumulation(precision: Precision) -> None:
    """Let torch sum fp16 products in fp16, or not, as the precision has it.

    torch has one such setting, for the whole process and all of its devices: the engine that was loaded last decides.
    The service has a process for each engine. Float32 and bfloat16 products do not heed it.
    """
    torch.backends.cuda.matmul.allow_fp16_accumulation = precision.fast_half
