"""Reading a definition: moto's parser, and what it does not look at: that every transition has its target."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from moto.stepfunctions.parser.asl.component.program.program import Program
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser

from local_aws.errors import ServiceError


def read_definition(text: str) -> Program:
    """Return the program of a definition.

    **Raises**: ``ServiceError``.
    """
    try:
        definition = json.loads(text)
    except ValueError as error:
        raise _invalid(f"INVALID_JSON_DESCRIPTION: {error}") from None
    if not isinstance(definition, dict):
        raise _invalid("SCHEMA_VALIDATION_FAILED: a definition is a JSON object")
    if wrong := list(_problems(definition, "/States")):
        raise _invalid("; ".join(wrong))
    try:
        program = AmazonStateLanguageParser.parse(json.dumps(_as_moto_reads(definition)))[0]
    except Exception as error:  # noqa: BLE001  # the parser has no error of its own for what a state lacks
        raise _invalid(f"SCHEMA_VALIDATION_FAILED: {error}") from None
    if not isinstance(program, Program):
        raise _invalid("SCHEMA_VALIDATION_FAILED: a definition has StartAt and States")
    return program


def _as_moto_reads(value: Any) -> Any:
    """Write whole percentages with a point, without which moto's grammar does not take them."""
    if isinstance(value, list):
        return [_as_moto_reads(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: float(item) if name == "ToleratedFailurePercentage" and isinstance(item, int) else _as_moto_reads(item)
        for name, item in value.items()
    }


def _invalid(reason: str) -> ServiceError:
    return ServiceError("InvalidDefinition", f"Invalid State Machine Definition: '{reason}'")


def _problems(block: Mapping[str, Any], place: str) -> Iterator[str]:
    states = block.get("States")
    if not isinstance(states, dict) or not states:
        yield f"SCHEMA_VALIDATION_FAILED: there are no states at {place}"
        return
    reached = {block.get("StartAt")}
    if block.get("StartAt") not in states:
        yield f"MISSING_TRANSITION_TARGET: StartAt is {block.get('StartAt')!r}, which is not at {place}"
    for name, state in states.items():
        if not isinstance(state, dict):
            yield f"SCHEMA_VALIDATION_FAILED: {place}/{name} is no object"
            continue
        targets = list(_targets(state))
        reached.update(targets)
        yield from (
            f"MISSING_TRANSITION_TARGET: {target!r} of {place}/{name} is not at {place}"
            for target in targets
            if target not in states
        )
        if state.get("Type") not in {"Choice", "Succeed", "Fail"} and ("Next" in state) == (state.get("End") is True):
            yield f"SCHEMA_VALIDATION_FAILED: {place}/{name} needs either Next or End"
        for part in _blocks(state):
            yield from _problems(part, f"{place}/{name}/States")
    yield from (f"UNREACHABLE_STATE: nothing leads to {place}/{name}" for name in states if name not in reached)


def _targets(state: Mapping[str, Any]) -> Iterator[str]:
    for holder in (state, *state.get("Choices", ()), *state.get("Catch", ())):
        if "Next" in holder:
            yield holder["Next"]
    if "Default" in state:
        yield state["Default"]


def _blocks(state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in ("ItemProcessor", "Iterator"):
        if name in state:
            yield state[name]
    yield from state.get("Branches", ())
