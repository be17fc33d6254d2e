"""What compiled kernels use of a multiprocessor, and how wide their loads are: read from what the compiler wrote."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from triton import knobs

_USAGE = re.compile(r"REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)")
_LOAD = re.compile(r"ld\.global(?:\.\w+)*?(?:\.v(\d))?\.[bsuf](\d+)\b")
_COPY = re.compile(r"cp\.async\.c[ag]\.shared\.global[^;]*?, (0x[0-9a-f]+|\d+)[,;]")


@dataclass(frozen=True, slots=True)
class Resources:
    """**Units**: registers a thread; ``stack``, ``local``: bytes a thread, which are spilt registers here."""

    registers: int
    stack: int
    local: int

    @property
    def spilt(self) -> int:
        """How many bytes a thread are kept in memory."""
        return self.stack + self.local


def resources(cubin: Path) -> Resources:
    """Read a compiled kernel's resources. **Raises**: RuntimeError when the tool does not tell them."""
    command = [knobs.nvidia.cuobjdump.path, "--dump-resource-usage", str(cubin)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 # Triton's own tool
    found = _USAGE.search(result.stdout)
    if found is None:
        raise RuntimeError(f"{command[0]} tells no resources of {cubin}: {result.stdout}{result.stderr}")
    registers, stack, _, local = map(int, found.groups())
    return Resources(registers, stack, local)


def global_loads(ptx: str) -> dict[int, int]:
    """Count the loads from global memory in a kernel's PTX by their width. **Units**: bytes a thread → instructions."""
    widths: dict[int, int] = {}
    for vector, bits in _LOAD.findall(ptx):
        size = int(vector or 1) * int(bits) // 8
        widths[size] = widths.get(size, 0) + 1
    for size in _COPY.findall(ptx):
        width = int(size, 0)
        widths[width] = widths.get(width, 0) + 1
    return widths
