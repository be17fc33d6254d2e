"""What a benchmark ran on: processor, versions, commit."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_int8")
_PACKAGES = ("torch", "transformers", "sentence-transformers", "tokenizers", "numpy")


def describe_machine() -> dict[str, str]:
    """Return what a reader must know to judge the figures of a model, in the order to show it."""
    import torch  # not where no model is measured

    return describe_host(_PACKAGES, threads=str(torch.get_num_threads()))


def describe_host(packages: Sequence[str], *, threads: str | None = None) -> dict[str, str]:
    """Return what a reader must know to judge any figures, in the order to show it."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": _processor(),
        "threads": threads or f"{len(os.sched_getaffinity(0))} processors",
        "load before": _load(),
        "flags": ", ".join(_processor_flags()) or "none of " + ", ".join(_FLAGS),
        "python": platform.python_version(),
        "versions": ", ".join(f"{name} {_version(name)}" for name in packages),
        "commit": _commit(),
    }


def _load() -> str:
    """Return the load average: what else the machine was doing."""
    one, five, _ = os.getloadavg()
    return f"{one:.1f} in the last minute, {five:.1f} in the last five"


def _cpuinfo(field: str) -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    fields = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in fields if name.strip() == field), "")


def _processor() -> str:
    name = _cpuinfo("model name") or platform.processor() or platform.machine()
    family = _cpuinfo("cpu family")
    return f"{name} (family {family}, model {_cpuinfo('model')})" if family else name


def _processor_flags() -> list[str]:
    present = _cpuinfo("flags").split()
    return [flag for flag in _FLAGS if flag in present]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        dirty = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short", "HEAD") + (" with uncommitted changes" if dirty else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown (not a git checkout)"
