"""Waiting inside an execution: for as long as the settings make of it, and no longer than the execution runs."""

from __future__ import annotations

import time
from typing import Any, Final

_SLICE_S: Final = 0.05
_LEAST_S: Final = 0.02
_SCALE: Final = {"waiting": 1.0}


def scale(waiting: float) -> None:
    """Say what becomes of a second."""
    _SCALE["waiting"] = waiting


def pause(env: Any, seconds: float) -> bool:
    """Wait, and tell whether the execution still runs."""
    deadline = time.monotonic() + max(_LEAST_S, seconds * _SCALE["waiting"])
    while env.is_running() and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(_SLICE_S, left))
    return bool(env.is_running())
