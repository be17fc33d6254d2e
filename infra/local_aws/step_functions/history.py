"""The history of an execution: its events, up to the limit of the service."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager

MOST_EVENTS: Final = 25_000
FULL: Final = {
    "error": "States.Runtime",
    "cause": f"The execution reached the maximum number of history events ({MOST_EVENTS}).",
}
_LAST: Final = frozenset(
    {
        HistoryEventType.ExecutionSucceeded,
        HistoryEventType.ExecutionFailed,
        HistoryEventType.ExecutionAborted,
        HistoryEventType.ExecutionTimedOut,
    }
)


class History(EventManager):
    """What moto's interpreter tells of, until an execution's last event; ``on_full`` is told when no more fits."""

    def __init__(self) -> None:
        super().__init__()
        self.on_full: Callable[[], None] = lambda: None
        self._guard = threading.Lock()
        self._ended = False
        self.full = False

    def add_event(
        self,
        context: Any,
        event_type: Any,
        event_details: Any = None,
        timestamp: Any = None,
        update_source_event_id: bool = True,  # as moto calls it
    ) -> int:
        """Write an event down; after the last one, and beside the limit, nothing is."""
        with self._guard:
            last = event_type in _LAST
            fits = last or len(self._history_event_list) < MOST_EVENTS - 1
            if not self._ended and fits:
                self._ended = last
                if last and self.full:
                    details: Any = {"executionFailedEventDetails": FULL}
                    event_type, event_details = HistoryEventType.ExecutionFailed, details
                return int(super().add_event(context, event_type, event_details, timestamp, update_source_event_id))
            tell = not self._ended and not self.full
            self.full = self.full or tell
        if tell:
            self.on_full()
        return int(context.last_published_event_id)

    def events(self) -> list[Any]:
        """Return what is written down; moto copies every event of a history for each page of it."""
        with self._guard:
            return list(self._history_event_list)
