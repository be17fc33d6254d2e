"""What the program and its worker process have in common: options, statuses and names of files."""

from __future__ import annotations

import argparse
from pathlib import Path

WRONG, NO_DEVICE, INCOMPLETE, RESTART = 1, 2, 3, 75
"""Statuses: our vectors were wrong; there is no device; the run was ended from outside; go on in a new process."""

PART_NAMES = (
    "checks", "throughput", "latency", "tasks", "precisions", "combinations", "waterfall", "memory",
    "products", "attention", "kernels", "flash3", "vllm",
)  # fmt: skip


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that both take."""
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu to try the program out")
    parser.add_argument("--smoke", action="store_true", help="a tiny model; the figures mean nothing")
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float16"], help="bfloat16")
    parser.add_argument("--only", action="append", choices=PART_NAMES, help="repeatable; all parts by default")
    parser.add_argument("--commit", help="what was measured, where this is no git checkout")
    parser.add_argument("--cache", type=Path, default=Path(".cache/bench"), help="folder for generated weights")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)


def stem(dtype: str) -> str:
    """Return what the files of a run in this precision begin with."""
    return f"gpu-{dtype}"
