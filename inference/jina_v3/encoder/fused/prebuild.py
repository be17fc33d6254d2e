"""Compile all kernels ahead, without a GPU, so that serving compiles none and needs no C compiler.

They go where Triton looks for them, ``TRITON_CACHE_DIR``, and must stay at that path: Triton's cache holds absolute
ones. Run it where it will be used: the keys hold the versions of Triton and of the kernels' sources, and launchers are
built for this Python.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from triton import knobs

from jina_v3.encoder.fused.kernels.ahead.calls import MODELS, call_all
from jina_v3.encoder.fused.kernels.ahead.compile_only import SHARED_MEMORY, Compiled, compiling_for
from jina_v3.encoder.fused.kernels.ahead.launchers import building_launchers
from jina_v3.encoder.fused.kernels.ahead.machine_code import global_loads, resources
from jina_v3.encoder.fused.kernels.availability import compiler
from jina_v3.encoder.fused.kernels.triton_kernels.launch import FEW_TOKENS, TritonKernels

ARCHITECTURES = (80, 86, 89, 90, 100, 120)
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
FLOAT8_FROM = 89
"""The first architecture that converts to float8."""
HEADER = (
    f"{'sm':>3} {'kernel':<13} {'dtype':<8} {'warps':>5} {'regs':>4} {'shared':>6} {'spilt':>5} {'loads':>7}  variant\n"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile, print what each kernel takes, and return 1 if one keeps registers in memory, 0 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m jina_v3.encoder.fused.prebuild", description=__doc__)
    parser.add_argument(
        "--architecture", type=int, nargs="+", choices=sorted(SHARED_MEMORY), default=ARCHITECTURES,
        help="compute capabilities without their point",
    )  # fmt: skip
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--model", nargs="+", choices=MODELS, default=list(MODELS), help="checkpoints to serve")
    parser.add_argument("--no-launchers", action="store_true", help="leave out what needs a C compiler")
    options = parser.parse_args(arguments)
    if knobs.runtime.interpret:
        parser.error("TRITON_INTERPRET is set, which is for running kernels without compiling them: unset it")
    if not options.no_launchers and compiler() is None:
        parser.error("no C compiler with Python's headers: install gcc and python3-dev, or give --no-launchers")

    with contextlib.nullcontext() if options.no_launchers else building_launchers() as launcher:
        sys.stdout.write(HEADER)
        spilt = [
            one
            for architecture in options.architecture
            for dtype in options.dtype
            for one in _compile(architecture, dtype, options.model, launcher)
            if _report(one, dtype)
        ]
    if spilt:
        sys.stderr.write(f"{len(spilt)} kernels keep registers in memory\n")
    return 1 if spilt else 0


def _compile(
    architecture: int, dtype: str, models: Sequence[str], launcher: Callable[[Any, Any], object] | None
) -> list[Compiled]:
    with compiling_for(architecture, launcher) as compiled:
        for model in models:
            for tokens in (1, FEW_TOKENS):
                call_all(TritonKernels(), MODELS[model], DTYPES[dtype], tokens, float8=architecture >= FLOAT8_FROM)
    return compiled


def _report(one: Compiled, dtype: str) -> bool:
    """Print a kernel's row, and say whether it keeps registers in memory."""
    taken = resources(one.cubin)
    loads = global_loads(one.ptx.read_text())
    wide = sum(count for width, count in loads.items() if width >= 16)
    variant = " ".join(f"{name.lower()}={value}" for name, value in one.constants.items() if value is not None)
    sys.stdout.write(
        f"{one.architecture:>3} {one.name:<13} {dtype:<8} {one.warps:>5} {taken.registers:>4} {one.shared:>6} "
        f"{taken.spilt:>5} {f'{wide}/{sum(loads.values())}':>7}  {variant}\n"
    )
    return taken.spilt > 0


if __name__ == "__main__":
    sys.exit(main())
