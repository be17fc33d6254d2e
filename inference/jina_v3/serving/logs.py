"""Logs as JSON lines on standard output, where SageMaker picks them up. Never a text, nor any part of one."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from typing import Any

import orjson

_SHOWN_CHARACTERS = 300


class JsonLines(logging.Formatter):
    """One JSON object a record: time, level, event, and the fields passed as ``extra={"fields": {…}}``."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and isinstance(record.exc_info[1], Exception):
            line.update(describe_exception(record.exc_info[1]))
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def describe_exception(error: BaseException) -> dict[str, Any]:
    """Return what a log may say of an exception: its type, its message cut short, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "exception": type(error).__name__,
        "message": str(error)[:_SHOWN_CHARACTERS].encode("utf-8", "backslashreplace").decode(),
        "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


def set_up_logs() -> None:
    """Send all logs of the process to standard output, as JSON lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
