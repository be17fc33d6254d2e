"""Run every kernel of the CUDA engine under NVIDIA's compute-sanitizer; ``make sanitize-gpu``.

Without ``--launch`` it is the driver: memcheck, racecheck, initcheck and synccheck one after the other, each over a
process of this program with ``--launch``, which launches the kernels. Every tensor that a kernel gets lies between
guard rows: what it writes there is found without the sanitizer too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.gpu_launches import TOKENS, GuardError, launch_all
from jina_v3.encoder.fused.kernels.interface import Kernels
from jina_v3.encoder.fused.kernels.reference import ReferenceKernels

TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
FOUND, NOTHING_TO_RUN = 9, 2


def sanitize(tools: Sequence[str], reports: Path) -> int:
    """Run the tools; return 0 when all are clean."""
    program = shutil.which("compute-sanitizer")
    if program is None:
        print(
            "compute-sanitizer is not on the PATH. It comes with the CUDA toolkit, and by itself as "
            "cuda-sanitizer-VERSION from NVIDIA's apt and dnf repositories; nothing was run",
            file=sys.stderr,
        )
        return NOTHING_TO_RUN
    if not torch.cuda.is_available():
        print("torch finds no CUDA device; nothing was run", file=sys.stderr)
        return NOTHING_TO_RUN
    reports.mkdir(parents=True, exist_ok=True)
    worst = 0
    for tool in tools:
        report = reports / f"sanitize-{tool}.txt"
        command = [program, "--tool", tool, "--error-exitcode", str(FOUND), "--log-file", str(report)]
        launch = [sys.executable, "-m", "benchmarks.gpu_sanitize", "--launch"]
        # each tensor an allocation of its own, so that memcheck knows where it ends
        done = subprocess.run(
            [*command, *launch], env=os.environ | {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}, check=False
        )
        verdict = "clean" if done.returncode == 0 else f"exit status {done.returncode}"
        print(f"{tool}: {verdict} ({report})", flush=True)
        worst = max(worst, abs(done.returncode))
    return worst


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 when all is clean, 2 when nothing could be run, another number when something was found."""
    parser = argparse.ArgumentParser(prog="gpu_sanitize", description=__doc__)
    parser.add_argument("--tool", action="append", choices=TOOLS, help="repeatable; all four")
    parser.add_argument("--out", type=Path, help="folder for the reports (default $OUT, else .cache/sanitize)")
    parser.add_argument("--launch", action="store_true", help="launch the kernels in this process, without a sanitizer")
    parser.add_argument("--kernels", choices=["triton", "torch"], default="triton", help="with --launch")
    parser.add_argument("--device", default="cuda", help="with --launch")
    parser.add_argument("--tokens", type=int, action="append", help="with --launch; repeatable")
    options = parser.parse_args(argv)
    if not options.launch:
        reports = options.out or Path(os.environ.get("OUT") or ".cache/sanitize")
        return sanitize(options.tool or TOOLS, reports)
    device, tokens = torch.device(options.device), options.tokens or TOKENS
    try:
        count = sum(launch_all(one, device, tokens) for one in _kernels(options.kernels))
    except GuardError as error:
        print(f"a kernel wrote outside of its memory: {error}", file=sys.stderr)
        return FOUND
    print(f"{count} launches, guards untouched")
    return 0


def _kernels(name: str) -> list[Kernels]:
    """Return the implementations, Triton's once with each of its variants for any number of tokens."""
    if name == "torch":
        return [ReferenceKernels()]
    from jina_v3.encoder.fused.kernels.triton_kernels import TritonKernels

    return [TritonKernels(few_tokens=max(TOKENS) + 1), TritonKernels(few_tokens=0)]


if __name__ == "__main__":
    sys.exit(main())
