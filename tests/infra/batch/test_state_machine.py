"""The definition itself: nothing unreachable, nothing without its retries, its catch and its time limit."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from tests.support.batch_deployment import DEFINITION

TEXT = DEFINITION.read_text()
MACHINE = json.loads(TEXT)
PLACEHOLDERS = {"Function": "arn:aws:lambda:us-east-1:123456789012:function:f", "Topic": "arn:t", "Bucket": "b"}


def machines(machine: dict[str, Any] = MACHINE, name: str = "top") -> Iterator[tuple[str, dict[str, Any]]]:
    yield name, machine
    for inner, state in machine["States"].items():
        if "ItemProcessor" in state:
            yield from machines(state["ItemProcessor"], inner)


STATES = [
    pytest.param(state, id=f"{machine}-{name}") for machine, one in machines() for name, state in one["States"].items()
]


def following(state: dict[str, Any]) -> set[str]:
    found = {state[name] for name in ("Next", "Default") if name in state}
    found |= {choice["Next"] for choice in state.get("Choices", ())}
    return found | {catch["Next"] for catch in state.get("Catch", ())}


@pytest.mark.parametrize(("name", "machine"), list(machines()))
def test_every_state_is_reached_and_every_way_leads_somewhere(name, machine):
    reached, waiting = set(), {machine["StartAt"]}
    while waiting:
        reached |= waiting
        waiting = set().union(*(following(machine["States"][one]) for one in waiting)) - reached
    assert reached == set(machine["States"])


@pytest.mark.parametrize("state", STATES)
def test_work_is_retried_with_backoff_and_its_errors_are_caught(state):
    if state["Type"] not in ("Task", "Map"):
        return
    for rule in state["Retry"]:
        if rule["MaxAttempts"]:
            assert rule["BackoffRate"] > 1
            assert rule["JitterStrategy"] == "FULL"
            assert rule["MaxDelaySeconds"] >= rule["IntervalSeconds"]
        assert "States.ALL" not in rule["ErrorEquals"] or (
            rule["ErrorEquals"] == ["States.ALL"] and rule is state["Retry"][-1]
        )
    assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"]
    if state["Type"] == "Task":
        assert state.get("TimeoutSeconds", 0) > 0 or state["TimeoutSecondsPath"]


@pytest.mark.parametrize("state", STATES)
def test_a_function_is_called_with_its_step_and_run_and_given_longer_than_it_may_take(state):
    if not state.get("Resource", "").endswith("lambda:invoke"):
        return
    assert state["TimeoutSeconds"] > 900
    assert state["Parameters"]["FunctionName"] == "${Function}"
    assert {"step", "run.$"} <= set(state["Parameters"]["Payload"])
    refused = state["Retry"][0]
    assert "PreflightError" in refused["ErrorEquals"]
    assert refused["MaxAttempts"] == 0


def test_what_the_stack_puts_in_is_known():
    assert set(re.findall(r"\$\{(\w+)\}", TEXT)) == set(PLACEHOLDERS)


def test_throttling_of_sagemaker_is_retried_under_another_name():
    embed = MACHINE["States"]["Embed"]["ItemProcessor"]["States"]
    for name in ("TransformRecords", "TransformFiles"):
        (rule,) = embed[name]["Retry"]
        assert {"SageMaker.AmazonSageMakerException", "SageMaker.ResourceLimitExceededException"} <= set(
            rule["ErrorEquals"]
        )
        assert "$$.State.RetryCount" in embed[name]["Parameters"]["TransformJobName.$"]
    first, second = (set(embed[name]["Parameters"]) for name in ("TransformRecords", "TransformFiles"))
    assert first - second == {"BatchStrategy.$"}


@pytest.mark.filterwarnings("ignore")
def test_an_interpreter_of_the_language_takes_it():
    text = TEXT
    for name, value in PLACEHOLDERS.items():
        text = text.replace(f"${{{name}}}", value)
    with mock_aws():
        program, _ = AmazonStateLanguageParser.parse(text)
    assert program is not None
