"""A process that outlives a kernel that was killed, and ends what its local AWS has started.

A kernel that ends in order stops its AWS itself. One that is killed, as Jupyter does when it is restarted while it is
busy, cannot: its containers are groups of their own, and would run on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil


@contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """Have everything ended that knows ``folder``, and the folder removed, even if this process is killed."""
    with subprocess.Popen(
        [sys.executable, str(Path(__file__)), str(folder)],
        stdin=subprocess.PIPE,  # its end is the end of this process, however that comes
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ):
        yield


def main(folder: Path) -> None:
    """Wait for the end of the standard input, then end and remove what is left."""
    sys.stdin.read()
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if process.pid != os.getpid() and _knows(process, str(folder)):
                process.kill()
    shutil.rmtree(folder, ignore_errors=True)


def _knows(process: psutil.Process, folder: str) -> bool:
    return process.cwd().startswith(folder) or any(folder in value for value in process.environ().values())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
