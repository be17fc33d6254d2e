"""Triton's launchers: small C modules that it compiles on first use, and so needs a C compiler for unless it has them.

They are linked with the GPU driver's library. Where there is none, an empty one stands in for it: launchers find the
driver's functions only when they are used.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from triton import knobs
from triton.backends.nvidia import driver as nvidia

from jina_v3.encoder.fused.kernels.availability import compiler

LIBRARY = "libcuda.so.1"
_FUNCTION = re.compile(r"\b(cu[A-Z]\w+)\s*\(")


@contextmanager
def building_launchers() -> Iterator[Callable[[Any, Any], object]]:
    """Yield what makes a kernel's launcher and keeps it in Triton's cache; the driver's module is made at once.

    **Raises**: RuntimeError without a C compiler; subprocess.CalledProcessError when it fails.
    """
    if compiler() is None:
        raise RuntimeError("no C compiler with Python's headers: install gcc and python3-dev, or leave launchers out")
    with TemporaryDirectory() as folder, _library(Path(folder)):
        nvidia.CudaUtils()
        # from Triton 3.7 on that module launches all kernels, and none has a launcher of its own
        yield nvidia.CudaLauncher if hasattr(nvidia, "make_launcher") else lambda _source, _metadata: None


@contextmanager
def _library(folder: Path) -> Iterator[None]:
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        pass
    else:
        yield
        return
    sources = Path(nvidia.__file__).with_name("driver.c").read_text(), Path(nvidia.__file__).read_text()
    functions = sorted({name for source in sources for name in _FUNCTION.findall(source)})
    source = folder / "empty.c"
    source.write_text("".join(f"int {name}(void) {{ return 999; }}\n" for name in functions))
    command = [str(compiler()), "-shared", "-fPIC", f"-Wl,-soname,{LIBRARY}", "-o", str(folder / LIBRARY), str(source)]
    subprocess.run(command, check=True)  # noqa: S603 # all parts are our own
    ctypes.CDLL(str(folder / LIBRARY), ctypes.RTLD_GLOBAL)  # by its name, what is linked with it finds it loaded
    knobs.nvidia.libcuda_path = str(folder)
    try:
        yield
    finally:
        knobs.nvidia.libcuda_path = None
        nvidia.libcuda_dirs.cache_clear()
        nvidia.library_dirs.cache_clear()
