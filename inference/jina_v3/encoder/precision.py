"""In which precision a model computes, by name: which there are, where each can run, and how far it may err."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch


class Products(Enum):
    """How the linear layers' matrix products are computed."""

    PLAIN = "in the dtype, summed in fp32"
    FAST_HALF = "in fp16, summed in fp16 where the device gains by it"
    FLOAT8 = "of float8 (e4m3), a scale for each row of either operand, summed in fp32"


@dataclass(frozen=True, slots=True)
class Precision:
    """A precision. ``dtype`` is that of all but the products.

    ``bound``: the most that 1−cos of a sentence's vector against fp32 may be, checked when a model is loaded (see
    ``gate.py``); ``None`` where nothing is checked: the rounding of half precision is known.
    """

    name: str
    dtype: torch.dtype
    products: Products = Products.PLAIN
    bound: float | None = None

    @property
    def is_float8(self) -> bool:
        """Whether products take float8, which the fused engine alone can."""
        return self.products is Products.FLOAT8


PRECISIONS = {
    one.name: one
    for one in (
        Precision("float32", torch.float32),
        Precision("bfloat16", torch.bfloat16),
        Precision("float16", torch.float16),
        Precision("float16-fast", torch.float16, Products.FAST_HALF, bound=1e-4),
        Precision("float8", torch.bfloat16, Products.FLOAT8, bound=1e-3),
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
    if name not in PRECISIONS:
        raise ValueError(f"unknown dtype {name!r}; want one of {', '.join(PRECISIONS)}")
    precision = PRECISIONS[name]
    if device.type == "cpu" and precision.products is not Products.PLAIN:
        plain = (one.name for one in PRECISIONS.values() if one.products is Products.PLAIN)
        raise ValueError(f"dtype {name!r} needs a CUDA device; on the CPU want one of {', '.join(plain)}")
    if precision.is_float8 and (capability := torch.cuda.get_device_capability(device)) < _FLOAT8_CAPABILITY:
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
    torch.backends.cuda.matmul.allow_fp16_accumulation = precision.products is Products.FAST_HALF
