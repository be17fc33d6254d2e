"""Transform jobs that do nothing: they end when a test says so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from local_aws.errors import ServiceError
from local_aws.server import LocalAws
from local_aws.services import Service, add_service


class FakeTransformJobs:
    def __init__(self, aws: LocalAws) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.ends: dict[str, tuple[str, str | None]] = {}
        self.refusals: list[ServiceError] = []
        self.stopped: list[str] = []
        operations = {
            "CreateTransformJob": self.create,
            "DescribeTransformJob": self.describe,
            "StopTransformJob": self.stop,
        }
        add_service(aws, Service(name="sagemaker", signing_name="sagemaker", operations=operations))

    def create(self, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if self.refusals:
            raise self.refusals.pop(0)
        name = parameters["TransformJobName"]
        arn = f"arn:aws:sagemaker:{region}:123456789012:transform-job/{name}"
        self.jobs[name] = {
            **parameters,
            "TransformJobArn": arn,
            "TransformJobStatus": "InProgress",
            "CreationTime": datetime(2026, 1, 2, tzinfo=UTC),
        }
        return {"TransformJobArn": arn}

    def describe(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        job = self.jobs[parameters["TransformJobName"]]
        if job["TransformJobStatus"] == "InProgress" and job["TransformJobName"] in self.ends:
            status, reason = self.ends[job["TransformJobName"]]
            job |= {"TransformJobStatus": status} | ({"FailureReason": reason} if reason else {})
        return job

    def stop(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self.stopped.append(parameters["TransformJobName"])
        return {}
