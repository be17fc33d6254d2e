"""A distributed Map: each item is an execution of its own, with its own name, history and limits.

moto runs the items inside their parent's execution, tolerates every failure and writes no results.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from moto.stepfunctions.parser.asl.component.program.program import Program

from local_aws.step_functions.executions import COMPACT, Execution, Machine

_MOST_AT_ONCE: Final = 40  # threads' sake; AWS goes up to 10,000
_POLL_S: Final = 0.05
_COUNTED: Final = {
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "ABORTED": "aborted",
    "TIMED_OUT": "timedOut",
}


@dataclass(slots=True, kw_only=True)
class MapRun:
    """The run of a distributed Map, from ``run`` to its end."""

    arn: str
    parent: Execution
    machine: Machine
    max_concurrency: int
    tolerated_count: int
    tolerated_percentage: float
    start: Callable[[Execution], None]
    children: list[Execution] = field(default_factory=list)
    total: int = 0
    written: int = 0
    status: str = "RUNNING"
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    stopped: datetime | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _next: int = 0
    _ending: bool = False

    def run(self, inputs: list[Any], wanted: Callable[[], bool]) -> None:
        """Execute each item, as many at once as are allowed, while the run is ``wanted``."""
        self.total = len(inputs)
        most = min(self.max_concurrency or _MOST_AT_ONCE, _MOST_AT_ONCE, len(inputs))
        threads = [threading.Thread(target=self._work, args=(inputs,), daemon=True) for _ in range(most)]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(_POLL_S)
                if self.too_many or not wanted():
                    self.abort()
        self.status = "ABORTED" if not wanted() else "FAILED" if self.too_many else "SUCCEEDED"
        self.stopped = datetime.now(UTC)

    def abort(self) -> None:
        """End every item that runs, and start no more."""
        with self._lock:
            self._ending = True
            running = list(self.children)
        for child in running:
            child.stop()

    def _work(self, inputs: list[Any]) -> None:
        while (child := self._take(inputs)) is not None:
            self.start(child)
            child.run()

    def _take(self, inputs: list[Any]) -> Execution | None:
        with self._lock:
            if self._ending or self._next >= len(inputs):
                return None
            given = json.dumps(inputs[self._next], separators=COMPACT)
            self._next += 1
            name = str(uuid.uuid4())
            child = Execution(
                machine=self.machine,
                arn=f"{self.machine.arn.replace(':stateMachine:', ':execution:', 1)}:{name}",
                name=name,
                input=given,
                on_change=lambda _: None,
                map_run_arn=self.arn,
            )
            self.children.append(child)
            return child

    @property
    def too_many(self) -> bool:
        """Whether more items have failed than may."""
        failed = sum(child.status in {"FAILED", "TIMED_OUT"} for child in list(self.children))
        limits = []
        if self.tolerated_count:
            limits.append(failed > self.tolerated_count)
        if self.tolerated_percentage:
            limits.append(failed * 100 > self.tolerated_percentage * self.total)
        return any(limits) if limits else failed > 0

    def results(self) -> list[Any]:
        """Return the output of each item in order, and the whole record of one that has none."""
        return [
            json.loads(child.output) if child.output is not None else record_of(child) for child in list(self.children)
        ]

    def describe(self) -> dict[str, Any]:
        """Return it as DescribeMapRun does."""
        counts = dict.fromkeys([*_COUNTED.values(), "pending", "resultsWritten"], 0)
        with self._lock:
            children = list(self.children)
        for child in children:
            counts[_COUNTED[child.status]] += 1
        counts |= {"total": self.total, "pending": self.total - len(children), "resultsWritten": self.written}
        known = {
            "mapRunArn": self.arn,
            "executionArn": self.parent.arn,
            "status": self.status,
            "startDate": self.started,
            "stopDate": self.stopped,
            "maxConcurrency": self.max_concurrency,
            "toleratedFailurePercentage": self.tolerated_percentage,
            "toleratedFailureCount": self.tolerated_count,
            "itemCounts": counts,
            "executionCounts": counts,
            "redriveCount": 0,
        }
        return {name: value for name, value in known.items() if value is not None}

    def item(self) -> dict[str, Any]:
        """Return it as ListMapRuns does."""
        names = ("executionArn", "mapRunArn", "startDate", "stopDate")
        described = self.describe()
        return {"stateMachineArn": self.machine.arn} | {name: described[name] for name in names if name in described}

    def files(self) -> dict[str, list[dict[str, Any]]]:
        """Return the records that a ResultWriter writes, by what became of the items."""
        found: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
        for child in list(self.children):
            kind = {"SUCCEEDED": "SUCCEEDED", "FAILED": "FAILED", "TIMED_OUT": "FAILED"}.get(child.status, "PENDING")
            found[kind].append(record_of(child))
        self.written = sum(map(len, found.values()))
        return found


def machine_of_items(parent: Execution, program: Program, label: str) -> Machine:
    """Return the state machine that the items of a Map are executions of."""
    machine = parent.machine
    return Machine(
        arn=f"{machine.arn}/{label}",
        name=f"{machine.name}/{label}",
        region=machine.region,
        role_arn=machine.role_arn,
        program=program,
    )


def record_of(child: Execution) -> dict[str, Any]:
    """Return an item's execution as it is in the files of a ResultWriter."""
    described = child.describe()
    names = ("executionArn", "input", "inputDetails", "name", "output", "outputDetails", "redriveCount", "startDate")
    record = {name: described[name] for name in (*names, "stateMachineArn", "status", "stopDate") if name in described}
    for name in ("error", "cause"):
        if name in described:
            record[name] = described[name]
    written = {name[0].upper() + name[1:]: value for name, value in record.items()}
    for name in ("InputDetails", "OutputDetails"):
        if name in written:
            written[name] = {"Included": True}
    for name in ("StartDate", "StopDate"):
        if name in written:
            written[name] = written[name].isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return written
