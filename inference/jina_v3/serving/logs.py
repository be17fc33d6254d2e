"""Logs as JSON lines on standard output, where SageMaker picks them up. Never a text, nor any part of one."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from typing import Any

import orjson

from jina_v3.errors import JinaV3Error

_SHOWN_CHARACTERS = 2000


class JsonLines(logging.Formatter):
    """One JSON object a record: time, level, event, and the fields passed as ``extra={"fields": {…}}``.

    ``always`` are fields of every line.
    """

    def __init__(self, **always: object) -> None:
        super().__init__()
        self._always = always

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **self._always,
            **getattr(record, "fields", {}),
        }
        if record.exc_info and isinstance(record.exc_info[1], Exception):
            line.update(describe_exception(record.exc_info[1]))
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def describe_exception(error: BaseException) -> dict[str, Any]:
    """Return what a log may say of an exception: its type, and where it was raised.

    Its message may hold a text, or a part of one, and is for ``describe_failed_start`` alone.
    """
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "exception": type(error).__name__,
        "frames": [f"{frame.filename}:{frame.lineno}:{frame.name}" for frame in frames],
    }


def describe_failed_start(error: BaseException) -> dict[str, Any]:
    """Return what a log may say of an exception before there are requests: its message, too.

    Of our own errors the message is enough.
    """
    message = str(error)[:_SHOWN_CHARACTERS].encode("utf-8", "backslashreplace").decode()
    known = isinstance(error, JinaV3Error | ValueError)
    return {"message": message} if known else {**describe_exception(error), "message": message}


def set_up_logs(**always: object) -> None:
    """Send all logs of the process to standard output, as JSON lines; ``always`` are fields of every line."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines(**always))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
