"""What an alarm says of itself: what happened, the limit, and the page of the runbook that goes on from there."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

RUNBOOK: Final = "docs/runbook.md"


class Page(StrEnum):
    """The sections of the runbook, by their anchors."""

    FAILURES = "failures"
    SLOW_ANSWERS = "slow-answers"
    GPU_BUSY = "gpu-busy"
    GPU_MEMORY = "gpu-memory"
    MACHINE_MEMORY = "machine-memory"
    DISK = "disk"
    QUEUE_WAIT = "queue-wait"
    PING_FAILS = "ping-fails"
    NO_MACHINE = "no-machine"
    BACKLOG_WITHOUT_MACHINE = "backlog-without-machine"
    BACKLOG_AGE = "backlog-age"
    FAILED_CALLS = "failed-asynchronous-calls"
    UNDELIVERED_NOTICES = "undelivered-notices"
    FIRST_MACHINE = "first-machine"
    FIRST_COPY = "first-copy"
    FAILED_RUN = "failed-run"
    RUN_NOT_STARTED = "run-not-started"


def describe_alarm(subject: str, happened: str, limit: str, page: Page) -> str:
    """Return an alarm's description."""
    return f"{subject}: {happened}. Limit: {limit}. What to do: {RUNBOOK}#{page}"
