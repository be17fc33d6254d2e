"""The default buses: an event goes to the targets of every rule that matches it, soon and in order."""

from __future__ import annotations

import logging
import queue
import threading
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.errors import LocalAwsError
from local_aws.event_bridge.inputs import input_of
from local_aws.event_bridge.targets import deliver
from local_aws.settings import ACCOUNT

if TYPE_CHECKING:
    from local_aws.server import LocalAws

_LOG: Final = logging.getLogger(__name__)
_STOP_S: Final = 60.0


class Bus:
    """The default bus of every region of one AWS; its thread begins with the first event."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws
        self._queue: queue.SimpleQueue[tuple[Any, dict[str, Any]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def publish(
        self, region: str, source: str, detail_type: str, detail: dict[str, Any], resources: Sequence[str] = ()
    ) -> None:
        """Tell of something that a service has done."""
        from moto.events.models import events_backends

        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": detail_type,
            "source": source,
            "account": ACCOUNT,
            "time": now(),
            "region": region,
            "resources": list(resources),
            "detail": detail,
        }
        for rule in list(events_backends[ACCOUNT][region].event_buses["default"].rules.values()):
            self.offer(rule, event)

    def offer(self, rule: Any, event: dict[str, Any]) -> None:
        """Have a rule of moto's take an event, if it matches; a rule without a pattern is a schedule's."""
        pattern = rule.event_pattern
        if rule.state != "ENABLED" or not pattern.get_pattern() or not pattern.matches_event(event):
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="event bus", daemon=True)
                self._thread.start()
                self._aws.on_stop(self._stop)
        self._queue.put((rule, event))

    def _stop(self) -> None:
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(_STOP_S)

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            rule, event = item
            for target in list(rule.targets):
                try:
                    deliver(self._aws, rule.region_name, target, input_of(rule, target, event))
                except (BotoCoreError, ClientError, LocalAwsError, ValueError) as error:
                    _LOG.warning("rule %s cannot deliver to %s: %s", rule.name, target["Arn"], error)


def now() -> str:
    """Return the time as an event has it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
