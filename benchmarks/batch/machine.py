"""Amazon States Language, as far as our definition goes: runs it, counts what AWS counts, and keeps a clock of its own.

Nothing waits: tasks say how long they take, and what runs side by side is scheduled by that. Limits are AWS's, and
reaching one ends the execution as it would there.
"""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.batch.limits import (
    CHILD_CONCURRENCY,
    HISTORY_EVENTS,
    INLINE_CONCURRENCY,
    PAYLOAD_BYTES,
    LimitReachedError,
)
from benchmarks.batch.paths import fill, put, read

_TASK_EVENTS: Final = 3
"""Scheduled, started, and succeeded or failed."""

_SYNC_EVENT: Final = 1
"""Submitted."""

_MAP_RUN_EVENTS: Final = 2
_MAP_EVENTS: Final = 2
_ITERATION_EVENTS: Final = 2


class TaskError(Exception):
    """A task failed, by the name that Retry and Catch look for, after so many seconds."""

    def __init__(self, name: str, cause: str, seconds: float = 0.0) -> None:
        super().__init__(f"{name}: {cause}")
        self.name, self.cause, self.seconds = name, cause, seconds


@dataclass(frozen=True, slots=True)
class Done:
    """What a task gave, and how long it took. **Units**: seconds."""

    result: Any
    seconds: float


Task = Callable[[str, Any], Done]
"""Does the work of a resource with its parameters. **Raises**: ``TaskError``."""


@dataclass(slots=True)
class Counts:
    """What was counted over an execution and all its children."""

    most_events: int = 0
    most_payload: int = 0
    executions: int = 0
    transitions: int = 0
    tasks: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Execution:
    name: str
    given: Any
    seconds: float = 0.0
    events: int = 2  # it started, and it ended

    @property
    def described(self) -> dict[str, Any]:
        return {"Name": self.name, "StartTime": "2026-01-01T00:00:00Z", "Input": self.given}


class Machine:
    """Runs a definition. ``read_items`` gives a distributed Map's items by the bucket and key of its reader."""

    def __init__(
        self, definition: Mapping[str, Any], task: Task, read_items: Callable[[str, str], list[Any]], seed: int = 0
    ) -> None:
        self._definition, self._task, self._read_items = definition, task, read_items
        self._chance = random.Random(seed)
        self.counts = Counts()

    def run(self, name: str, data: Any) -> tuple[Any, float]:
        """Run an execution to its end; return its output and how long it took.

        **Raises**: ``TaskError`` where it fails, ``LimitReachedError`` where AWS would end it.
        **Units**: seconds.
        """
        execution = _Execution(name, data)
        output = self._execute(self._definition, data, execution)
        return output, execution.seconds

    def _execute(self, definition: Mapping[str, Any], data: Any, execution: _Execution) -> Any:
        self.counts.executions += 1
        data = self._walk(definition, data, execution, {})
        self.counts.most_events = max(self.counts.most_events, execution.events)
        return data

    def _walk(self, definition: Mapping[str, Any], data: Any, execution: _Execution, item: Mapping[str, Any]) -> Any:
        name: str | None = definition["StartAt"]
        while name is not None:
            state = definition["States"][name]
            self._count(execution, 2)
            self.counts.transitions += 1
            context = {"Execution": execution.described, "State": {"Name": name, "RetryCount": 0}, **item}
            data, name = self._step(state, data, execution, context)
            self._weigh(data, state)
        return data

    def _step(
        self, state: Mapping[str, Any], data: Any, execution: _Execution, context: dict[str, Any]
    ) -> tuple[Any, str | None]:
        following = None if state.get("End") else state.get("Next")
        kind = state["Type"]
        if kind == "Choice":
            return data, next((rule["Next"] for rule in state["Choices"] if _holds(rule, data)), state.get("Default"))
        if kind == "Wait":
            execution.seconds += (
                read(state["SecondsPath"], data, context) if "SecondsPath" in state else state["Seconds"]
            )
            return data, following
        if kind == "Succeed":
            return data, None
        if kind == "Fail":
            raise TaskError(_text(state, "Error", data, context), _text(state, "Cause", data, context))
        if kind == "Pass":
            result = state.get("Result", fill(state["Parameters"], data, context) if "Parameters" in state else data)
            return put(state.get("ResultPath", "$"), data, result), following
        try:
            result = self._retry(state, data, execution, context)
        except TaskError as error:
            for catcher in state.get("Catch", ()):
                if _named(error.name, catcher["ErrorEquals"]):
                    told = {"Error": error.name, "Cause": error.cause}
                    return put(catcher.get("ResultPath", "$"), data, told), catcher["Next"]
            raise
        if "ResultSelector" in state:
            result = fill(state["ResultSelector"], result, context)
        return put(state.get("ResultPath", "$"), data, result), following

    def _retry(self, state: Mapping[str, Any], data: Any, execution: _Execution, context: dict[str, Any]) -> Any:
        tries: dict[int, int] = {}
        while True:
            try:
                return self._perform(state, data, execution, context)
            except TaskError as error:
                rules = enumerate(state.get("Retry", ()))
                found = next(((at, rule) for at, rule in rules if _named(error.name, rule["ErrorEquals"])), None)
                if found is None or tries.get(found[0], 0) >= found[1].get("MaxAttempts", 3):
                    raise
                at, rule = found
                wait_s = rule.get("IntervalSeconds", 1) * rule.get("BackoffRate", 2.0) ** tries.get(at, 0)
                wait_s = min(wait_s, rule.get("MaxDelaySeconds", wait_s))
                full = rule.get("JitterStrategy") == "FULL"
                execution.seconds += self._chance.uniform(0, wait_s) if full else wait_s
                tries[at] = tries.get(at, 0) + 1
                context["State"]["RetryCount"] += 1

    def _perform(self, state: Mapping[str, Any], data: Any, execution: _Execution, context: Mapping[str, Any]) -> Any:
        if state["Type"] == "Map":
            return self._map(state, data, execution, context)
        resource: str = state["Resource"]
        self._count(execution, _TASK_EVENTS + (_SYNC_EVENT if resource.endswith(".sync") else 0))
        parameters = fill(state["Parameters"], data, context) if "Parameters" in state else data
        self._weigh(parameters, state)
        self.counts.tasks[resource] = self.counts.tasks.get(resource, 0) + 1
        try:
            done = self._task(resource, parameters)
        except TaskError as error:
            execution.seconds += error.seconds
            raise
        execution.seconds += done.seconds
        self._weigh(done.result, state)
        return done.result

    def _map(self, state: Mapping[str, Any], data: Any, execution: _Execution, context: Mapping[str, Any]) -> Any:
        processor = state["ItemProcessor"]
        distributed = processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
        items = self._items(state, data, context)
        asked = read(state["MaxConcurrencyPath"], data, context) if "MaxConcurrencyPath" in state else None
        wide = (asked or state.get("MaxConcurrency")) or (CHILD_CONCURRENCY if distributed else INLINE_CONCURRENCY)
        workers = [execution.seconds] * max(1, min(wide, len(items)))
        self._count(execution, _MAP_RUN_EVENTS if distributed else _MAP_EVENTS)
        results = []
        for index, item in enumerate(items):
            selector = {"Map": {"Item": {"Index": index, "Value": item}}}
            given = fill(state["ItemSelector"], data, {**context, **selector}) if "ItemSelector" in state else item
            child = _Execution(f"{execution.name}:{index}", given, workers[0])
            results.append(self._iterate(state, given, child, execution, distributed=distributed, item=selector))
            heapq.heapreplace(workers, child.seconds)
        execution.seconds = max(workers)
        return {"ResultWriterDetails": {}} if "ResultWriter" in state else results

    def _iterate(
        self,
        state: Mapping[str, Any],
        given: Any,
        child: _Execution,
        parent: _Execution,
        *,
        distributed: bool,
        item: Mapping[str, Any],
    ) -> Any:
        self._weigh(given, state)
        processor = state["ItemProcessor"]
        if not distributed:
            child.events = 0
            child.name = parent.name
            result = self._walk(processor, given, child, item)
            self._count(parent, _ITERATION_EVENTS + child.events)
            return result
        try:
            return self._execute(processor, given, child)
        except TaskError:
            if state.get("ToleratedFailurePercentage", 0) < 100:
                raise
            return None

    def _items(self, state: Mapping[str, Any], data: Any, context: Mapping[str, Any]) -> list[Any]:
        if "ItemReader" in state:
            place = fill(state["ItemReader"]["Parameters"], data, context)
            return self._read_items(place["Bucket"], place["Key"])
        items: list[Any] = read(state.get("ItemsPath", "$"), data, context)
        return items

    def _count(self, execution: _Execution, events: int) -> None:
        execution.events += events
        if execution.events > HISTORY_EVENTS:
            raise LimitReachedError(f"{execution.name}: more than {HISTORY_EVENTS:,} events in an execution's history")

    def _weigh(self, data: Any, state: Mapping[str, Any]) -> None:
        size = len(json.dumps(data, ensure_ascii=False).encode())
        self.counts.most_payload = max(self.counts.most_payload, size)
        if size > PAYLOAD_BYTES:
            raise LimitReachedError(
                f"{size:,} bytes in or out of a {state['Type']} state, where {PAYLOAD_BYTES:,} may be"
            )


def _named(name: str, patterns: list[str]) -> bool:
    any_failure = "States.TaskFailed" in patterns and not name.startswith("States.")
    return name in patterns or "States.ALL" in patterns or any_failure


def _holds(rule: Mapping[str, Any], data: Any) -> bool:
    if "And" in rule:
        return all(_holds(one, data) for one in rule["And"])
    if "Or" in rule:
        return any(_holds(one, data) for one in rule["Or"])
    if "Not" in rule:
        return not _holds(rule["Not"], data)
    (test,) = rule.keys() - {"Variable", "Next", "Comment"}
    expected = rule[test]
    try:
        value = read(rule["Variable"], data, {})
    except Exception:
        if test == "IsPresent":
            return not expected
        raise
    tests: dict[str, Callable[[], bool]] = {
        "IsPresent": lambda: bool(expected),
        "IsNull": lambda: (value is None) == expected,
        "BooleanEquals": lambda: value is expected,
        "StringEquals": lambda: value == expected,
        "NumericEquals": lambda: value == expected,
        "NumericGreaterThan": lambda: value > expected,
        "NumericGreaterThanEquals": lambda: value >= expected,
        "NumericLessThan": lambda: value < expected,
    }
    return tests[test]()


def _text(state: Mapping[str, Any], member: str, data: Any, context: Mapping[str, Any]) -> str:
    if f"{member}Path" in state:
        return str(read(state[f"{member}Path"], data, context))
    return str(state.get(member, "States.TaskFailed"))
