"""What Step Functions counts of an execution, and where it ends one that has too much of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.batch.limits import HISTORY_EVENTS, PAYLOAD_BYTES, LimitReachedError

STATE_EVENTS: Final = 2
"""Entered and left."""

TASK_EVENTS: Final = 3
"""Scheduled, started, and succeeded or failed."""

SYNC_EVENT: Final = 1
"""Submitted."""

MAP_RUN_EVENTS: Final = 2
MAP_EVENTS: Final = 2
ITERATION_EVENTS: Final = 2


@dataclass(slots=True)
class Counts:
    """What was counted over an execution and all its children."""

    most_events: int = 0
    most_payload: int = 0
    executions: int = 0
    transitions: int = 0
    tasks: dict[str, int] = field(default_factory=dict)

    def weigh(self, data: Any, state: Mapping[str, Any]) -> None:
        """Count a payload.

        **Raises**: ``LimitReachedError``.
        """
        size = len(json.dumps(data, ensure_ascii=False).encode())
        self.most_payload = max(self.most_payload, size)
        if size > PAYLOAD_BYTES:
            raise LimitReachedError(
                f"{size:,} bytes in or out of a {state['Type']} state, where {PAYLOAD_BYTES:,} may be"
            )


@dataclass(slots=True)
class Execution:
    """One execution, or an iteration of an inline Map within it. **Units**: ``seconds`` since the run began."""

    name: str
    given: Any
    started: str
    seconds: float = 0.0
    events: int = 2  # it started, and it ended

    @property
    def described(self) -> dict[str, Any]:
        """What the context object says of it."""
        return {"Name": self.name, "StartTime": self.started, "Input": self.given}

    def count(self, events: int) -> None:
        """Count events of its history.

        **Raises**: ``LimitReachedError``.
        """
        self.events += events
        if self.events > HISTORY_EVENTS:
            raise LimitReachedError(f"{self.name}: more than {HISTORY_EVENTS:,} events in an execution's history")
