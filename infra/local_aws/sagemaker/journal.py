"""A container's log: a file that its process writes to, and CloudWatch Logs, which gets what is new in it."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO, Final

from botocore.exceptions import BotoCoreError, ClientError

_EVERY_S: Final = 1.0
_BATCH: Final = 1000
_MAX_LINE: Final = 32_000  # characters of an event; the service's limit is 256 KB


class Journal:
    """One log file, and the stream of each instance that wrote to it in turn; safe from every thread."""

    def __init__(self, path: Path, logs: Any, group: str) -> None:
        self.path = path
        self._logs = logs
        self._group = group
        self._stream = ""
        self._offset = 0
        self._shipped_at = 0.0
        self._lock = threading.RLock()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def open(self) -> BinaryIO:
        """Return the file, for a process to write to."""
        return self.path.open("ab")

    def begin(self, stream: str) -> None:
        """Go on in a stream of its own, for another instance."""
        with self._lock:
            self.ship(whole=True)
            self._stream = stream

    def ship(self, *, whole: bool = False) -> None:
        """Bring new lines to CloudWatch Logs; ``whole`` is for the last time: it waits for nothing."""
        with self._lock:
            if self._stream and (whole or time.monotonic() - self._shipped_at >= _EVERY_S):
                self._ship(whole=whole)

    def _ship(self, *, whole: bool) -> None:
        self._shipped_at = time.monotonic()
        with self.path.open("rb") as written:
            written.seek(self._offset)
            text = written.read()
        if not whole:
            text = text[: text.rfind(b"\n") + 1]  # not a line that is being written
        self._offset += len(text)
        moment = int(time.time() * 1000)
        lines = [line for line in text.decode(errors="replace").splitlines() if line.strip()]
        events = [{"timestamp": moment, "message": line[:_MAX_LINE]} for line in lines]
        for first in range(0, len(events), _BATCH):
            with contextlib.suppress(BotoCoreError, ClientError):  # the file has it in any case
                self._put(events[first : first + _BATCH])

    def _put(self, events: list[dict[str, Any]]) -> None:
        try:
            self._logs.put_log_events(logGroupName=self._group, logStreamName=self._stream, logEvents=events)
        except self._logs.exceptions.ResourceNotFoundException:  # the first time, or someone has deleted the group
            self._create()
            self._logs.put_log_events(logGroupName=self._group, logStreamName=self._stream, logEvents=events)

    def _create(self) -> None:
        for create, names in (
            (self._logs.create_log_group, {"logGroupName": self._group}),
            (self._logs.create_log_stream, {"logGroupName": self._group, "logStreamName": self._stream}),
        ):
            try:
                create(**names)
            except self._logs.exceptions.ResourceAlreadyExistsException:
                continue
