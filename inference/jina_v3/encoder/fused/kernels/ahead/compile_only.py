"""A driver for Triton that compiles for a GPU that is not there, and launches nothing.

Kernels are called as in serving, so that what they compile has the very keys by which serving finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.runtime import driver

SHARED_MEMORY = {
    80: 166_912,
    86: 101_376,
    87: 166_912,
    89: 101_376,
    90: 232_448,
    100: 232_448,
    103: 232_448,
    120: 101_376,
}
"""What a block may have, by compute capability. **Units**: bytes."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A kernel as it was compiled, or found in the cache.

    ``constants``: what it was specialised for, by the parameters' names. ``shared``: bytes a block.
    """

    name: str
    architecture: int
    constants: dict[str, Any]
    warps: int
    shared: int
    cubin: Path
    ptx: Path
    found: bool


class _NoUtilities:
    """What Triton asks a driver to do with a compiled kernel and to tell of a device."""

    def __init__(self, architecture: int) -> None:
        self._shared = SHARED_MEMORY[architecture]

    def load_binary(self, *_: object) -> tuple[None, int, int, int, int]:
        """Return no module, no function, and no limit on threads that a kernel could break."""
        return None, 0, 0, 0, 1024

    def get_device_properties(self, _: int) -> dict[str, int]:
        return {"max_shared_mem": self._shared}


class CompileOnlyDriver:
    """See the module. ``launcher``: made for every kernel from its source and metadata, as Triton's driver does it."""

    def __init__(self, architecture: int, launcher: Callable[[Any, Any], object] | None) -> None:
        self._architecture, self._launcher = architecture, launcher
        self.utils = _NoUtilities(architecture)

    def get_current_target(self) -> Any:
        """Return the architecture."""
        return GPUTarget("cuda", self._architecture, 32)

    def get_current_device(self) -> int:
        """Return a number of its own for each architecture: kernels are held by it."""
        return self._architecture

    def get_current_stream(self, _: int) -> int:
        """Return none."""
        return 0

    def get_active_torch_device(self) -> torch.device:
        """Return where the tensors are."""
        return torch.device("cpu")

    def launcher_cls(self, source: Any, metadata: Any) -> Callable[..., None]:
        """Return what does nothing; the launcher is made nevertheless, as it is compiled and kept too."""
        if self._launcher is not None:
            self._launcher(source, metadata)
        return lambda *_: None


@contextmanager
def compiling_for(architecture: int, launcher: Callable[[Any, Any], object] | None = None) -> Iterator[list[Compiled]]:
    """Have kernels compiled for an architecture (80 for compute capability 8.0) instead of launched, while it lasts.

    The list is filled with what was compiled or found in the cache.

    **Raises**: ValueError for an architecture that is not known.
    """
    if architecture not in SHARED_MEMORY:
        raise ValueError(f"unknown architecture {architecture}; want one of {', '.join(map(str, SHARED_MEMORY))}")
    compiled: list[Compiled] = []

    def listen(
        *, src: Any, metadata: dict[str, Any], metadata_group: dict[str, str], cache_hit: bool, **_: Any
    ) -> None:
        files = {Path(path).suffix: Path(path) for path in metadata_group.values()}
        constants = {src.fn.arg_names[place[0]]: value for place, value in src.constants.items()}
        compiled.append(
            Compiled(
                metadata["name"], architecture, constants, metadata["num_warps"], metadata["shared"],
                files[".cubin"], files[".ptx"], cache_hit,
            )
        )  # fmt: skip

    previous, listener = driver._active, knobs.compilation.listener
    driver.set_active(CompileOnlyDriver(architecture, launcher))
    knobs.compilation.listener = listen
    try:
        yield compiled
    finally:
        driver._active, knobs.compilation.listener = previous, listener
