"""How an encoder computes, where there is a choice; the defaults are what is fastest and right."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What a CUDA engine uses; on the CPU none of it matters.

    ``kernels``: ``triton``, ``torch`` (the portable forward pass) or ``auto``: Triton's where they can be had.
    ``attention``: ``flash``, ``cudnn``, ``flash3`` or ``sdpa`` for every batch, or ``auto``: our own kernel where all
    sequences are short, else the first that can be had. ``graphs``: small batches as CUDA graphs.
    ``overlap``: copies on streams of their own, and a second batch in flight.
    """

    kernels: str = "auto"
    attention: str = "auto"
    graphs: bool = True
    overlap: bool = True
