"""Whether Triton's kernels can be used on a device, asked before anything of them is imported."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sysconfig
from pathlib import Path

import torch

LEAST_CAPABILITY = (8, 0)


def why_not_triton(device: torch.device) -> str | None:
    """Return why Triton's kernels can not be used on ``device``, with what to do about it; None where they can."""
    if device.type != "cuda":
        return f"device {str(device)!r} is not a CUDA device"
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed: install the package triton in the version that torch names"
    capability = torch.cuda.get_device_capability(device)
    if capability < LEAST_CAPABILITY:
        return (
            f"{torch.cuda.get_device_name(device)} has compute capability {capability[0]}.{capability[1]}, the kernels "
            "need 8.0 (Ampere) or newer"
        )
    if compiler() is None and not _launchers_are_built():
        return (
            "Triton needs a C compiler with Python's headers for its launchers, and the cache has none that are built: "
            "install gcc and python3-dev, or run python -m jina_v3.encoder.fused.prebuild where there is a compiler"
        )
    return _why_not_started()


def _why_not_started() -> str | None:
    """Have Triton load what every launch needs, or build it first: a compiler that is there may still fail."""
    try:
        from triton.runtime import driver

        driver.active.get_current_device()
    except Exception as error:  # noqa: BLE001  whatever it is, there is another engine
        said = str(error).strip().partition("\n")[0]
        return (
            f"Triton does not start ({type(error).__name__}: {said}): it needs a compiler that works, the driver's "
            "libcuda.so.1 where ldconfig finds it, and a TRITON_CACHE_DIR that can be written or is filled by "
            "python -m jina_v3.encoder.fused.prebuild"
        )
    return None


def compiler() -> str | None:
    """Return the C compiler that Triton would use, if all that it needs is there. It looks where Triton looks."""
    scheme = sysconfig.get_default_scheme()  # Debian's has headers of its own, which nobody installs
    headers = Path(sysconfig.get_paths("posix_prefix" if scheme == "posix_local" else scheme)["include"], "Python.h")
    if not headers.exists():
        return None
    asked = os.environ.get("CC")
    return shutil.which(asked) if asked is not None else shutil.which("gcc") or shutil.which("clang")


def _launchers_are_built() -> bool:
    """Look for the module that every launch needs; ``prebuild`` leaves the others beside it."""
    from triton.backends.nvidia import driver
    from triton.runtime.build import platform_key
    from triton.runtime.cache import get_cache_manager

    source = Path(driver.__file__).with_name("driver.c").read_text()
    key = hashlib.sha256((source + platform_key()).encode()).hexdigest()
    return get_cache_manager(key).get_file(f"cuda_utils{sysconfig.get_config_var('EXT_SUFFIX')}") is not None
