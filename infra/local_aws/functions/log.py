"""A function's log in CloudWatch Logs, as Lambda writes it: START, what the function wrote, END and REPORT."""

from __future__ import annotations

import contextlib
import time
from typing import Any, Final

from local_aws.functions.deployment import Deployment
from local_aws.functions.worker import Outcome

_MOST_EVENTS: Final = 1000  # of one call; CloudWatch's own limit of a batch is ten times that
_MOST_CHARACTERS: Final = 250_000
_TAIL_BYTES: Final = 4096


def lines_of(deployment: Deployment, request_id: str, outcome: Outcome, started_s: float | None) -> list[str]:
    """Return a call's lines; ``started_s`` is what the start of its process took, ``None`` for one that was there."""
    took_ms = outcome.took_s * 1000
    start = "" if started_s is None else f"\tInit Duration: {started_s * 1000:.2f} ms"
    status = "\tStatus: timeout" if b"Sandbox.Timedout" in outcome.payload and outcome.failed else ""
    return [
        f"START RequestId: {request_id} Version: $LATEST",
        *outcome.written.splitlines(),
        f"END RequestId: {request_id}",
        f"REPORT RequestId: {request_id}\tDuration: {took_ms:.2f} ms\tBilled Duration: {int(took_ms) + 1} ms\t"
        f"Memory Size: {deployment.memory_mb} MB{start}{status}",
    ]


def write(logs: Any, group: str, stream: str, lines: list[str]) -> None:
    """Write the lines; the group and the stream are made where they are not there."""
    exists = logs.exceptions.ResourceAlreadyExistsException
    with contextlib.suppress(exists):
        logs.create_log_group(logGroupName=group)
    with contextlib.suppress(exists):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    now_ms = int(time.time() * 1000)
    events = [{"timestamp": now_ms, "message": line[:_MOST_CHARACTERS] or " "} for line in lines]
    for first in range(0, len(events), _MOST_EVENTS):
        part = events[first : first + _MOST_EVENTS]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=part)


def tail_of(lines: list[str]) -> bytes:
    """Return what ``LogType: Tail`` gives of a call."""
    return "\n".join([*lines, ""]).encode()[-_TAIL_BYTES:]
