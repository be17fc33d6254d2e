"""State machines for tests: made from states, started, and waited for."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from local_aws.server import LocalAws

ROLE = "arn:aws:iam::123456789012:role/runs-flows"


class Flows:
    """State machines of one AWS, by boto3."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.api = aws.client("stepfunctions", "us-east-1")
        self.made: list[str] = []

    def make(self, states: dict[str, Any], *, start: str = "", **more: Any) -> str:
        definition = {"StartAt": start or next(iter(states)), "States": states, **more}
        arn = self.api.create_state_machine(
            name=f"flow-{uuid.uuid4().hex[:12]}", definition=json.dumps(definition), roleArn=ROLE
        )["stateMachineArn"]
        self.made.append(arn)
        return str(arn)

    def start(self, machine: str, given: Any = None, **more: Any) -> str:
        started = self.api.start_execution(stateMachineArn=machine, input=json.dumps(given or {}), **more)
        return str(started["executionArn"])

    def finish(self, execution: str, limit_s: float = 120) -> dict[str, Any]:
        deadline = time.monotonic() + limit_s
        while (found := self.api.describe_execution(executionArn=execution))["status"] == "RUNNING":
            assert time.monotonic() < deadline, self.events(execution)
            time.sleep(0.02)
        return dict(found)

    def run(self, states: dict[str, Any], given: Any = None, **more: Any) -> dict[str, Any]:
        return self.finish(self.start(self.make(states, **more), given))

    def output(self, states: dict[str, Any], given: Any = None, **more: Any) -> Any:
        found = self.run(states, given, **more)
        assert found["status"] == "SUCCEEDED", found
        return json.loads(found["output"])

    def events(self, execution: str) -> list[dict[str, Any]]:
        pages = self.api.get_paginator("get_execution_history").paginate(executionArn=execution)
        return [event for page in pages for event in page["events"]]

    def kinds(self, execution: str) -> list[str]:
        return [event["type"] for event in self.events(execution)]


def call(function: str, payload: Any = None, **more: Any) -> dict[str, Any]:
    """A state that calls a function, and ends with what it returns."""
    parameters = {"FunctionName": function, "Payload.$": "$"} if payload is None else payload
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": parameters if payload is None else {"FunctionName": function, "Payload": payload},
        "OutputPath": "$.Payload",
        **({} if "Next" in more else {"End": True}),
        **more,
    }
