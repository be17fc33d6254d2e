"""A walk through a state machine in this process: no waiting, every path strict, every payload within the limit.

It knows as much of the Amazon States Language as ours use. What Step Functions fails with ``States.Runtime``, such as a
path that leads nowhere, ends the walk with an assertion.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MAX_PAYLOAD = 256 * 1024


class StateError(Exception):
    """An error that a state machine can catch."""

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(f"{name}: {cause}")
        self.name, self.cause = name, cause


@dataclass
class Walk:
    """``call(resource, parameters)`` does the work of a Task; ``read(bucket, key)`` gives the items of a Map."""

    definition: dict[str, Any]
    call: Callable[[str, dict[str, Any]], Any]
    read: Callable[[str, str], Any]
    visited: list[str] = field(default_factory=list)
    waited_s: int = 0

    def run(self, name: str, value: Any, started: str = "2026-01-01T00:00:00Z") -> Any:
        context = {"Execution": {"Name": name, "Input": value, "StartTime": started}}
        return self._machine(self.definition, value, context)

    def _machine(self, machine: dict[str, Any], value: Any, context: dict[str, Any]) -> Any:
        name = machine["StartAt"]
        while True:
            state = machine["States"][name]
            self.visited.append(name)
            _check_size(value)
            if state["Type"] == "Succeed":
                return _path(state.get("OutputPath", "$"), value, context)
            if state["Type"] == "Fail":
                cause = state.get("Cause") or _path(state["CausePath"], value, context)
                raise StateError(state["Error"], cause)
            value, name = self._step(state, value, context)
            _check_size(value)
            if name is None:
                return value

    def _step(self, state: dict[str, Any], value: Any, context: dict[str, Any]) -> tuple[Any, str | None]:
        if state["Type"] == "Choice":
            rules = (rule["Next"] for rule in state["Choices"] if _holds(rule, value, context))
            return value, next(rules, state["Default"])
        if state["Type"] == "Wait":
            self.waited_s += _path(state["SecondsPath"], value, context)
            return value, state["Next"]
        if state["Type"] == "Pass":
            return _fill(state["Parameters"], value, context), state.get("Next")
        work = self._task if state["Type"] == "Task" else self._map
        try:
            result = self._retrying(state, lambda retry: work(state, value, _retry(context, retry)))
        except StateError as error:
            for catch in state.get("Catch", ()):
                if set(catch["ErrorEquals"]) & {error.name, "States.ALL"}:
                    shown = {"Error": error.name, "Cause": error.cause}
                    return _put(value, catch.get("ResultPath", "$"), shown), catch["Next"]
            raise
        if "ResultSelector" in state:
            result = _fill(state["ResultSelector"], result, context)
        return _put(value, state.get("ResultPath", "$"), result), state.get("Next")

    @staticmethod
    def _retrying(state: dict[str, Any], work: Callable[[int], Any]) -> Any:
        done: dict[int, int] = {}
        while True:
            try:
                return work(sum(done.values()))
            except StateError as error:
                for number, rule in enumerate(state.get("Retry", ())):
                    if set(rule["ErrorEquals"]) & {error.name, "States.ALL"}:
                        done[number] = done.get(number, 0) + 1
                        if done[number] > rule["MaxAttempts"]:
                            raise
                        break
                else:
                    raise

    def _task(self, state: dict[str, Any], value: Any, context: dict[str, Any]) -> Any:
        if "TimeoutSecondsPath" in state:
            assert _path(state["TimeoutSecondsPath"], value, context) > 0
        return self.call(state["Resource"], _fill(state["Parameters"], value, context))

    def _map(self, state: dict[str, Any], value: Any, context: dict[str, Any]) -> Any:
        if "ItemReader" in state:
            place = _fill(state["ItemReader"]["Parameters"], value, context)
            items = self.read(place["Bucket"], place["Key"])
            _fill(state["ResultWriter"]["Parameters"], value, context)
        else:
            items = _path(state["ItemsPath"], value, context)
        if "MaxConcurrencyPath" in state:
            assert _path(state["MaxConcurrencyPath"], value, context) > 0
        results, failed = [], 0
        for item in items:
            inside = {**context, "Map": {"Item": {"Value": item}}}
            chosen = _fill(state["ItemSelector"], value, inside) if "ItemSelector" in state else item
            try:
                results.append(self._machine(state["ItemProcessor"], copy.deepcopy(chosen), context))
            except StateError as error:
                failed += 1
                if state.get("ToleratedFailurePercentage", 0) < 100:
                    raise StateError("States.ExceedToleratedFailureThreshold", str(error)) from error
        return {"ResultWriterDetails": {"failed": failed}} if "ResultWriter" in state else results


def _retry(context: dict[str, Any], count: int) -> dict[str, Any]:
    return {**context, "State": {"RetryCount": count}}


def _check_size(value: Any) -> None:
    assert len(json.dumps(value)) <= MAX_PAYLOAD, "a state's payload is larger than Step Functions takes"


def _path(path: str, value: Any, context: dict[str, Any]) -> Any:
    found = context if path.startswith("$$") else value
    for part in path.lstrip("$").split(".")[1:]:
        assert isinstance(found, dict), f"{path} leads nowhere in {found!r:.300}"
        assert part in found, f"{path} leads nowhere in {found!r:.300}"
        found = found[part]
    return found


def _fill(template: Any, value: Any, context: dict[str, Any]) -> Any:
    if not isinstance(template, dict):
        return template
    filled = {}
    for name, inner in template.items():
        if name.endswith(".$"):
            filled[name[:-2]] = _expression(inner, value, context)
        else:
            filled[name] = _fill(inner, value, context)
    return filled


def _expression(text: str, value: Any, context: dict[str, Any]) -> Any:
    if text.startswith("$"):
        return copy.deepcopy(_path(text, value, context))
    function = re.fullmatch(r"States\.(\w+)\((.*)\)", text)
    assert function, text
    if function[1] == "JsonToString":
        return json.dumps(_expression(function[2], value, context))
    assert function[1] == "Format"
    form = re.fullmatch(r"'([^']*)'((?:, .*)?)", function[2])
    assert form, text
    arguments = [_expression(one, value, context) for one in re.split(r", (?![^(]*\))", form[2])[1:]]
    assert form[1].count("{}") == len(arguments)
    return form[1].format(*arguments)


def _put(value: Any, path: str | None, result: Any) -> Any:
    if path is None:
        return value
    if path == "$":
        return result
    assert isinstance(value, dict)
    return {**value, path.removeprefix("$."): result}


def _holds(rule: dict[str, Any], value: Any, context: dict[str, Any]) -> bool:
    if "Or" in rule:
        return any(_holds(one, value, context) for one in rule["Or"])
    found = _path(rule["Variable"], value, context)
    (operator,) = set(rule) - {"Variable", "Next"}
    assert operator in ("StringEquals", "BooleanEquals")
    return type(found) is type(rule[operator]) and found == rule[operator]
