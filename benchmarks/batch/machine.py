"""Amazon States Language, as far as our definition goes: runs it, counts what AWS counts, and keeps a clock of its own.

Nothing waits: tasks say how long they take, and what runs side by side is scheduled by that. Limits are AWS's, and
reaching one ends the execution as it would there.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.batch.choices import holds
from benchmarks.batch.counts import (
    ITERATION_EVENTS,
    MAP_EVENTS,
    MAP_RUN_EVENTS,
    STATE_EVENTS,
    SYNC_EVENT,
    TASK_EVENTS,
    Counts,
    Execution,
)
from benchmarks.batch.limits import CHILD_CONCURRENCY, INLINE_CONCURRENCY
from benchmarks.batch.paths import PathError, fill, put, read
from benchmarks.batch.tasks import Task, TaskError


class Machine:
    """Runs a definition. ``read_items`` gives a distributed Map's items by the bucket and key of its reader."""

    def __init__(
        self, definition: Mapping[str, Any], task: Task, read_items: Callable[[str, str], list[Any]], seed: int = 0
    ) -> None:
        self._definition, self._task, self._read_items = definition, task, read_items
        self._chance = random.Random(seed)
        self.counts = Counts()

    def run(self, name: str, data: Any, started: str = "2026-01-01T00:00:00Z") -> tuple[Any, float]:
        """Run an execution to its end; return its output and how long it took.

        **Raises**: ``TaskError`` where it fails, ``LimitReachedError`` where AWS would end it.
        **Units**: seconds.
        """
        execution = Execution(name, data, started)
        output = self._execute(self._definition, data, execution)
        return output, execution.seconds

    def _execute(self, definition: Mapping[str, Any], data: Any, execution: Execution) -> Any:
        self.counts.executions += 1
        data = self._walk(definition, data, execution, {})
        self.counts.most_events = max(self.counts.most_events, execution.events)
        return data

    def _walk(self, definition: Mapping[str, Any], data: Any, execution: Execution, item: Mapping[str, Any]) -> Any:
        name: str | None = definition["StartAt"]
        while name is not None:
            state = definition["States"][name]
            execution.count(STATE_EVENTS)
            self.counts.transitions += 1
            context = {"Execution": execution.described, "State": {"Name": name, "RetryCount": 0}, **item}
            data, name = self._step(state, data, execution, context)
            self.counts.weigh(data, state)
        return data

    def _step(
        self, state: Mapping[str, Any], data: Any, execution: Execution, context: dict[str, Any]
    ) -> tuple[Any, str | None]:
        following = None if state.get("End") else state.get("Next")
        kind = state["Type"]
        if kind == "Choice":
            return data, next((rule["Next"] for rule in state["Choices"] if holds(rule, data)), state.get("Default"))
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
            return read(
                state.get("OutputPath", "$"), put(state.get("ResultPath", "$"), data, result), context
            ), following
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

    def _retry(self, state: Mapping[str, Any], data: Any, execution: Execution, context: dict[str, Any]) -> Any:
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

    def _perform(self, state: Mapping[str, Any], data: Any, execution: Execution, context: Mapping[str, Any]) -> Any:
        if state["Type"] == "Map":
            return self._map(state, data, execution, context)
        resource: str = state["Resource"]
        execution.count(TASK_EVENTS + (SYNC_EVENT if resource.endswith(".sync") else 0))
        parameters = fill(state["Parameters"], data, context) if "Parameters" in state else data
        self.counts.weigh(parameters, state)
        if "TimeoutSecondsPath" in state:
            _positive(state["TimeoutSecondsPath"], data, context)
        self.counts.tasks[resource] = self.counts.tasks.get(resource, 0) + 1
        try:
            done = self._task(resource, parameters)
        except TaskError as error:
            execution.seconds += error.seconds
            raise
        execution.seconds += done.seconds
        self.counts.weigh(done.result, state)
        return done.result

    def _map(self, state: Mapping[str, Any], data: Any, execution: Execution, context: Mapping[str, Any]) -> Any:
        processor = state["ItemProcessor"]
        distributed = processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
        items = self._items(state, data, context)
        asked = _positive(state["MaxConcurrencyPath"], data, context) if "MaxConcurrencyPath" in state else None
        wide = (asked or state.get("MaxConcurrency")) or (CHILD_CONCURRENCY if distributed else INLINE_CONCURRENCY)
        workers = [execution.seconds] * max(1, min(wide, len(items)))
        execution.count(MAP_RUN_EVENTS if distributed else MAP_EVENTS)
        results = []
        for index, item in enumerate(items):
            selector = {"Map": {"Item": {"Index": index, "Value": item}}}
            given = fill(state["ItemSelector"], data, {**context, **selector}) if "ItemSelector" in state else item
            child = Execution(f"{execution.name}:{index}", given, execution.started, workers[0])
            results.append(self._iterate(state, given, child, execution, distributed=distributed, item=selector))
            heapq.heapreplace(workers, child.seconds)
        execution.seconds = max(workers)
        if "ResultWriter" in state:
            fill(state["ResultWriter"]["Parameters"], data, context)
            return {"ResultWriterDetails": {}}
        return results

    def _iterate(
        self,
        state: Mapping[str, Any],
        given: Any,
        child: Execution,
        parent: Execution,
        *,
        distributed: bool,
        item: Mapping[str, Any],
    ) -> Any:
        self.counts.weigh(given, state)
        processor = state["ItemProcessor"]
        if not distributed:
            child.events = 0
            child.name = parent.name
            result = self._walk(processor, given, child, item)
            parent.count(ITERATION_EVENTS + child.events)
            return result
        try:
            return self._execute(processor, given, child)
        except TaskError as error:
            if state.get("ToleratedFailurePercentage", 0) < 100:
                raise TaskError("States.ExceedToleratedFailureThreshold", str(error)) from error
            return None

    def _items(self, state: Mapping[str, Any], data: Any, context: Mapping[str, Any]) -> list[Any]:
        if "ItemReader" in state:
            place = fill(state["ItemReader"]["Parameters"], data, context)
            return self._read_items(place["Bucket"], place["Key"])
        items: list[Any] = read(state.get("ItemsPath", "$"), data, context)
        return items


def _named(name: str, patterns: list[str]) -> bool:
    any_failure = "States.TaskFailed" in patterns and not name.startswith("States.")
    return name in patterns or "States.ALL" in patterns or any_failure


def _text(state: Mapping[str, Any], member: str, data: Any, context: Mapping[str, Any]) -> str:
    if f"{member}Path" in state:
        return str(read(state[f"{member}Path"], data, context))
    return str(state.get(member, "States.TaskFailed"))


def _positive(path: str, data: Any, context: Mapping[str, Any]) -> Any:
    number = read(path, data, context)
    if number <= 0:
        raise PathError(f"{path} is {number}, where Step Functions takes a number above 0")
    return number
