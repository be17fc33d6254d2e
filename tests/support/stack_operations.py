"""Stack operations by boto3, awaited, for tests."""

from __future__ import annotations

import json
import time
from typing import Any

from local_aws.server import LocalAws

_LIMIT_S = 120.0


class Stacks:
    """The stacks of one region that a test made."""

    def __init__(self, aws: LocalAws, region: str = "us-east-1") -> None:
        self.aws, self.region = aws, region
        self.api: Any = aws.client("cloudformation", region)
        self._ids: list[str] = []

    def client(self, service: str) -> Any:
        return self.aws.client(service, self.region)

    def create(self, name: str, resources: dict[str, Any], *, wait: bool = True, **more: Any) -> str:
        """Create a stack, wait for it, and return its status."""
        made = self.api.create_stack(StackName=name, **_body(resources, more))
        self._ids.append(made["StackId"])
        return self.wait(name) if wait else "CREATE_IN_PROGRESS"

    def update(self, name: str, resources: dict[str, Any], **more: Any) -> str:
        """Update a stack, wait for it, and return its status."""
        self.api.update_stack(StackName=name, **_body(resources, more))
        return self.wait(name)

    def delete(self, name: str) -> str:
        """Delete a stack, wait for it, and return its status."""
        identifier = self.describe(name)["StackId"]
        self.api.delete_stack(StackName=name)
        return self.wait(identifier)

    def delete_all(self) -> None:
        """Delete what is left of the test's stacks."""
        for identifier in self._ids:
            self.wait(identifier)
            self.api.delete_stack(StackName=identifier)
            self.wait(identifier)

    def empty(self, bucket: str) -> None:
        api = self.client("s3")
        for listed in api.list_objects_v2(Bucket=bucket).get("Contents", []):
            api.delete_object(Bucket=bucket, Key=listed["Key"])

    def describe(self, name: str) -> dict[str, Any]:
        described: dict[str, Any] = self.api.describe_stacks(StackName=name)["Stacks"][0]
        return described

    def status(self, name: str) -> str:
        return str(self.describe(name)["StackStatus"])

    def outputs(self, name: str) -> dict[str, str]:
        return {output["OutputKey"]: output["OutputValue"] for output in self.describe(name).get("Outputs", [])}

    def wait(self, name: str) -> str:
        deadline = time.monotonic() + _LIMIT_S
        while (status := self.status(name)).endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            assert time.monotonic() < deadline, f"{name} is {status} after {_LIMIT_S} s"
            time.sleep(0.02)
        return status

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the events, the first one first."""
        pages = self.api.get_paginator("describe_stack_events").paginate(StackName=name)
        return [event for page in pages for event in page["StackEvents"]][::-1]

    def reasons(self, name: str) -> dict[str, str]:
        """Return for each resource that failed the last reason."""
        return {
            event["LogicalResourceId"]: event["ResourceStatusReason"]
            for event in self.events(name)
            if event["ResourceStatus"].endswith("_FAILED") and event["ResourceType"] != "AWS::CloudFormation::Stack"
        }

    def physical(self, name: str) -> dict[str, str]:
        found = self.api.describe_stack_resources(StackName=name)["StackResources"]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}


def _body(resources: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    sections = {
        key: more.pop(key) for key in ("Outputs", "Parameters_", "Conditions", "Mappings", "Rules") if key in more
    }
    if "Parameters_" in sections:
        sections["Parameters"] = sections.pop("Parameters_")
    return {"TemplateBody": json.dumps({"Resources": resources, **sections}), **more}
