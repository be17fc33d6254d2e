"""A deployment's bucket in this process, and runs of the state machine over it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from benchmarks.batch.machine import Machine
from benchmarks.batch.tasks import Done, TaskError
from moto import mock_aws
from tests.support.batch_service import TransformService

import jina_v3_batch
from jina_v3_batch.errors import BatchError
from jina_v3_batch.function import take_step
from jina_v3_batch.run import Run
from jina_v3_batch.settings import Settings
from jina_v3_batch.store import Store

BUCKET = "deployment"
DEFINITION = Path(jina_v3_batch.__file__).with_name("state_machine.asl.json")

SETTINGS = Settings(
    name="deployment",
    bucket=BUCKET,
    model="jina-v3-model",
    instance_type="ml.g6.xlarge",
    instances=2,
    jobs=2,
    attempts=3,
    kms_key="arn:aws:kms:us-east-1:123456789012:key/1",
    tokens_per_s=20_000,
    usd_per_hour=1.0,
)


@contextmanager
def standing_bucket() -> Iterator[Any]:
    """Make the bucket in moto's S3, for all tests of a file: to begin it anew takes longer than most of them.

    No longer than that: while it stands, the process has moto's credentials, and each service what was made in it.
    """
    with mock_aws():
        client = boto3.client(
            "s3", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
        )
        client.create_bucket(Bucket=BUCKET)
        yield client


class Batch:
    """Everything around the steps: S3 with moto, the service, and the state machine walked through."""

    def __init__(self, s3: Any, settings: Settings = SETTINGS) -> None:
        self.s3, self.settings = s3, settings
        self.service = TransformService(s3)
        self.remaining_s = lambda: 1e9
        self.notices: list[dict[str, str]] = []
        self.calls: list[dict[str, Any]] = []
        self.fail: dict[str, Exception] = {}
        self.seconds = 0.0

    def put(self, name: str, body: bytes, folder: str = "batch/datasets/docs/") -> None:
        self.s3.put_object(Bucket=BUCKET, Key=folder + name, Body=body)

    def read(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def run(self, name: str = "run-1", **request: Any) -> dict[str, Any]:
        """Run the state machine; its report, whatever the end."""
        definition = DEFINITION.read_text()
        for placeholder, value in {"Function": "arn:function", "Topic": "arn:topic", "Bucket": BUCKET}.items():
            definition = definition.replace(f"${{{placeholder}}}", value)
        machine = Machine(json.loads(definition), lambda *task: Done(self._call(*task), 0.0), self._read)
        request = (
            request if "success_file" in request else {"dataset": f"s3://{BUCKET}/batch/datasets/docs/", **request}
        )
        try:
            self.end, self.seconds = machine.run(name, request, started=f"start of {name}")
        except TaskError as error:
            self.end = error.name
        return json.loads(self.read(f"batch/runs/{name}/report.json"))

    def step(self, step: str, run: str = "run-1", **event: Any) -> dict[str, Any]:
        return take_step(self.settings, Store(self.s3), {"step": step, "run": run, **event}, lambda: self.remaining_s())

    def run_state(self, name: str = "run-1") -> Run:
        return Run(Store(self.s3), self.settings, name)

    def text(self, name: str = "run-1") -> str:
        return self.read(f"batch/runs/{name}/report.txt").decode()

    def _call(self, resource: str, parameters: dict[str, Any]) -> Any:
        if resource.endswith("sns:publish"):
            self.notices.append(parameters)
            return {}
        if resource.endswith("createTransformJob.sync"):
            return self.service.run(parameters)
        assert resource.endswith("lambda:invoke")
        event = json.loads(json.dumps(parameters["Payload"]))
        self.calls.append(event)
        try:
            if event["step"] in self.fail:
                raise self.fail[event["step"]]
            answer = take_step(self.settings, Store(self.s3), event, lambda: self.remaining_s())
        except (BatchError, RuntimeError) as error:
            cause = json.dumps({"errorMessage": str(error), "errorType": type(error).__name__})
            raise TaskError(type(error).__name__, cause) from error
        return {"Payload": json.loads(json.dumps(answer))}

    def _read(self, bucket: str, key: str) -> Any:
        assert bucket == BUCKET
        return json.loads(self.read(key))
