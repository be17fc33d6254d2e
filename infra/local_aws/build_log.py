"""The log of a build, in CloudWatch Logs."""

from __future__ import annotations

import contextlib
import time
from typing import Any


class BuildLog:
    """A stream of a log group; ``place`` names both as CodeBuild describes a build's logs."""

    def __init__(self, logs: Any, place: dict[str, Any]) -> None:
        self._logs = logs
        self._group = {"logGroupName": place["groupName"]}
        self._stream = {**self._group, "logStreamName": place["streamName"]}
        self._written_ms = 0

    def open(self) -> None:
        """Make the stream, and the group where there is none."""
        with contextlib.suppress(self._logs.exceptions.ResourceAlreadyExistsException):
            self._logs.create_log_group(**self._group)
        self._logs.create_log_stream(**self._stream)
        self.write("[Container] Waiting for agent ping")

    def write(self, line: str) -> None:
        """Write a line."""
        self._written_ms = max(int(time.time() * 1000), self._written_ms + 1)  # the order is the order of writing
        event = {"timestamp": self._written_ms, "message": line + "\n"}
        self._logs.put_log_events(**self._stream, logEvents=[event])
