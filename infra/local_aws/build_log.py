"""The log of a build, in CloudWatch Logs; its first lines say that nothing is built by Docker here."""

from __future__ import annotations

import contextlib
import time
from typing import Any, Final

_FIRST_LINES: Final = (
    "This is the local AWS: no container engine runs, and no command of the build specification.",
    "The image is its sources, run by this machine's Python; docs/local-aws.md says what that does not prove.",
)


class BuildLog:
    """A stream of a log group; ``place`` names both as CodeBuild describes a build's logs."""

    def __init__(self, logs: Any, place: dict[str, Any]) -> None:
        self._logs = logs
        self._group = {"logGroupName": place["groupName"]}
        self._stream = {**self._group, "logStreamName": place["streamName"]}
        self._written_ms = 0

    def open(self) -> None:
        """Make the stream, and the group where there is none, and say what this log is of."""
        with contextlib.suppress(self._logs.exceptions.ResourceAlreadyExistsException):
            self._logs.create_log_group(**self._group)
        self._logs.create_log_stream(**self._stream)
        for line in _FIRST_LINES:
            self.write(line)

    def write(self, line: str) -> None:
        """Write a line."""
        self._written_ms = max(int(time.time() * 1000), self._written_ms + 1)  # the order is the order of writing
        event = {"timestamp": self._written_ms, "message": f"[local AWS] {line}\n"}
        self._logs.put_log_events(**self._stream, logEvents=[event])
