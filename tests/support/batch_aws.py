"""Step Functions and SageMaker as the batch client sees them, over a ``Batch``: runs end when a test lets them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from tests.support.batch_deployment import BUCKET, Batch

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:deployment-batch"
_START = datetime(2026, 1, 2, tzinfo=UTC)


def refusal(code: str, operation: str, message: str = "", status: int = 400) -> ClientError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError({**answer, "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "r-1"}}, operation)


class ExecutionAlreadyExists(ClientError):  # noqa: N818  # botocore's own name
    pass


class ResourceInUse(ClientError):  # noqa: N818  # botocore's own name
    pass


class FakeStates:
    """``looks`` is how many times a run is seen running before it is done; ``None`` leaves it running."""

    class exceptions:  # noqa: N801  # as boto3 clients have it
        ExecutionAlreadyExists = ExecutionAlreadyExists

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.looks: int | None = 0
        self.executions: dict[str, dict[str, Any]] = {}
        self.refusals: list[Exception] = []
        self.items = {"total": 4, "succeeded": 1, "running": 2, "failed": 0}

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> dict[str, Any]:
        self._refuse()
        assert stateMachineArn == MACHINE
        if name in self.executions:
            raise ExecutionAlreadyExists(
                {"Error": {"Code": "ExecutionAlreadyExists", "Message": name}}, "StartExecution"
            )
        arn = f"{MACHINE.replace(':stateMachine:', ':execution:')}:{name}"
        started = _START + timedelta(minutes=len(self.executions))
        self.executions[name] = {
            "name": name,
            "executionArn": arn,
            "status": "RUNNING",
            "startDate": started,
            "input": input,
        }
        return {"executionArn": arn, "startDate": started}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:
        self._refuse()
        found = self.executions.get(executionArn.rpartition(":")[2])
        if found is None:
            raise refusal("ExecutionDoesNotExist", "DescribeExecution", executionArn)
        if found["status"] == "RUNNING" and self.looks is not None:
            if self.looks <= 0:
                self._run(found)
            else:
                self.looks -= 1
        return dict(found)

    def list_executions(self, *, stateMachineArn: str, maxResults: int) -> dict[str, Any]:
        self._refuse()
        assert stateMachineArn == MACHINE
        return {"executions": list(reversed(self.executions.values()))[:maxResults]}

    def stop_execution(self, *, executionArn: str, **_: str) -> None:
        found = self.executions[executionArn.rpartition(":")[2]]
        found |= {"status": "ABORTED", "stopDate": _START, "error": "Stopped", "cause": "by the client"}

    def list_map_runs(self, **_: str) -> dict[str, Any]:
        return {"mapRuns": [{"mapRunArn": "arn:map", "startDate": _START}]}

    def describe_map_run(self, **_: str) -> dict[str, Any]:
        return {"itemCounts": self.items}

    def _run(self, execution: dict[str, Any]) -> None:
        report = self.batch.run(execution["name"], **json.loads(execution["input"]))
        ok = isinstance(self.batch.end, dict)
        execution |= {"status": "SUCCEEDED" if ok else "FAILED", "stopDate": _START}
        if not ok:
            execution |= {"error": str(self.batch.end), "cause": str(report["error"])}

    def _refuse(self) -> None:
        if self.refusals:
            raise self.refusals.pop(0)


class FakeSageMaker:
    """Transform jobs over a prefix, done by the same service as the state machine's."""

    class exceptions:  # noqa: N801  # as boto3 clients have it
        ResourceInUse = ResourceInUse

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.jobs: dict[str, dict[str, Any]] = {}

    def create_transform_job(self, **request: Any) -> None:
        name = request["TransformJobName"]
        if name in self.jobs:
            raise ResourceInUse({"Error": {"Code": "ResourceInUse", "Message": name}}, "CreateTransformJob")
        source = request["TransformInput"]["DataSource"]["S3DataSource"]
        assert source["S3DataType"] == "S3Prefix"
        bucket, _, prefix = source["S3Uri"].removeprefix("s3://").partition("/")
        assert bucket == BUCKET
        names = [key.removeprefix(prefix) for key in self.batch.keys(prefix)]
        self.batch.put("manifest.json", json.dumps([{"prefix": source["S3Uri"]}, *names]).encode(), "fake/")
        manifest = {"S3DataType": "ManifestFile", "S3Uri": f"s3://{BUCKET}/fake/manifest.json"}
        given = {**request["TransformInput"], "DataSource": {"S3DataSource": manifest}}
        self.batch.service.run({**request, "TransformInput": given})
        described = {key: value for key, value in request.items() if value != {}}
        output = {**request["TransformOutput"], "KmsKeyId": ""}
        end = {"TransformOutput": output, "TransformJobStatus": "Completed", "CreationTime": _START}
        self.jobs[name] = described | end

    def describe_transform_job(self, *, TransformJobName: str) -> dict[str, Any]:
        if TransformJobName not in self.jobs:
            raise refusal("ValidationException", "DescribeTransformJob", "Could not find requested job with name")
        return self.jobs[TransformJobName]

    def list_transform_jobs(self, **_: Any) -> dict[str, Any]:
        return {"TransformJobSummaries": list(self.jobs.values())}

    def stop_transform_job(self, *, TransformJobName: str) -> None:
        self.jobs[TransformJobName]["TransformJobStatus"] = "Stopped"


class BatchAccess:
    """Stands for ``Access``."""

    def __init__(self, s3: Any, batch: Batch) -> None:
        self.states, self.sagemaker = FakeStates(batch), FakeSageMaker(batch)
        self._clients = {"s3": s3, "stepfunctions": self.states, "sagemaker": self.sagemaker}

    def client(self, service: str, region: str | None = None) -> Any:
        assert region in (None, "us-east-1")
        return self._clients[service]
