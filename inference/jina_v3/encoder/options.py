"""How an encoder computes, where there is a choice; the defaults are what is fastest and right."""

from __future__ import annotations

from dataclasses import dataclass

ALLOWED: dict[str, tuple[object, ...]] = {
    "kernels": ("auto", "triton", "torch"),
    "attention": ("auto", "flash", "cudnn", "flash3", "sdpa"),
    "graphs": (True, False),
    "overlap": (True, False),
}


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What a CUDA engine uses. On the CPU only ``kernels="triton"`` matters: it is refused there.

    ``kernels``: ``triton``, ``torch`` (the portable forward pass) or ``auto``: Triton's where they can be had.
    ``attention``: ``flash``, ``cudnn``, ``flash3`` or ``sdpa`` for every batch, or ``auto``: our own kernel where all
    sequences are short, else the first that can be had. ``graphs``: small batches as CUDA graphs.
    ``overlap``: copies on streams of their own, and a second batch in flight.

    **Raises**: ValueError for a value that is none of these; which of them a device has is said when a model is loaded.
    """

    kernels: str = "auto"
    attention: str = "auto"
    graphs: bool = True
    overlap: bool = True

    def __post_init__(self) -> None:
        """Check the values: a misspelt one must not wait for a GPU to be found."""
        for name, allowed in ALLOWED.items():
            value = getattr(self, name)
            if not any(value is one or (isinstance(value, str) and value == one) for one in allowed):
                raise ValueError(f"unknown {name} {value!r}; want one of {', '.join(map(str, allowed))}")
