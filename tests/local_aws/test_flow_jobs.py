"""Step Functions and SageMaker's transform jobs: started, waited for, failed, refused, stopped."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.fake_transform_jobs import FakeTransformJobs
from tests.support.flows import Flows

from local_aws.errors import ServiceError
from local_aws.server import LocalAws
from local_aws.settings import Settings

PARAMETERS = {
    "TransformJobName.$": "States.Format('{}-{}', $.name, $$.State.RetryCount)",
    "ModelName": "some-model",
    "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri.$": "$.manifest"}}},
    "TransformOutput": {"S3OutputPath": "s3://data/out"},
    "TransformResources": {"InstanceType": "ml.g5.xlarge", "InstanceCount.$": "$.instances"},
}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with LocalAws(Settings(state_folder=tmp_path_factory.mktemp("state")), ["local_aws.step_functions"]) as local:
        yield local


@pytest.fixture(scope="module")
def jobs(aws: LocalAws) -> FakeTransformJobs:
    return FakeTransformJobs(aws)


@pytest.fixture
def flows(aws: LocalAws) -> Flows:
    return Flows(aws)


def transform(**more: Any) -> dict[str, Any]:
    resource = "arn:aws:states:::sagemaker:createTransformJob.sync"
    return {"Type": "Task", "Resource": resource, "Parameters": PARAMETERS, "End": True, **more}


def given(name: str) -> dict[str, Any]:
    return {"name": name, "manifest": "s3://data/manifest.json", "instances": 2}


def test_a_job_that_completes_gives_its_description(flows: Flows, jobs: FakeTransformJobs) -> None:
    machine = flows.make({"Transform": transform()})
    execution = flows.start(machine, given("done"))
    while "done-0" not in jobs.jobs:
        time.sleep(0.01)
    assert flows.api.describe_execution(executionArn=execution)["status"] == "RUNNING"
    jobs.ends["done-0"] = ("Completed", None)
    output = json.loads(flows.finish(execution)["output"])
    assert output["TransformJobStatus"] == "Completed"
    assert output["TransformResources"] == {"InstanceType": "ml.g5.xlarge", "InstanceCount": 2}
    assert output["CreationTime"] == 1767312000000
    kinds = flows.kinds(execution)
    assert kinds[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]


def test_a_job_that_fails_is_a_failed_task_with_its_description(flows: Flows, jobs: FakeTransformJobs) -> None:
    jobs.ends["bad-0"] = ("Failed", "AlgorithmError: no such thing")
    caught = [{"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.failure", "Next": "Tell"}]
    output = flows.output({"Transform": transform(Catch=caught), "Tell": {"Type": "Succeed"}}, given("bad"))
    assert output["failure"]["Error"] == "States.TaskFailed"
    assert json.loads(output["failure"]["Cause"])["FailureReason"] == "AlgorithmError: no such thing"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ResourceLimitExceeded", "SageMaker.ResourceLimitExceededException"),
        ("ResourceInUse", "SageMaker.ResourceInUseException"),
        ("ThrottlingException", "SageMaker.AmazonSageMakerException"),
        ("ValidationException", "SageMaker.AmazonSageMakerException"),
    ],
)
def test_a_refused_job_is_named_as_the_service_is(flows: Flows, jobs: FakeTransformJobs, code: str, error: str) -> None:
    jobs.refusals.append(ServiceError(code, "not now"))
    found = flows.run({"Transform": transform()}, given("refused"))
    assert (found["status"], found["error"]) == ("FAILED", error)
    assert found["cause"].startswith(
        f"not now (Service: AmazonSageMaker; Status Code: 400; Error Code: {code}; Request ID: "
    )


def test_a_retry_starts_a_job_of_another_name(flows: Flows, jobs: FakeTransformJobs) -> None:
    jobs.ends |= {"again-0": ("Failed", "ClientError"), "again-1": ("Completed", None)}
    retry = [{"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    output = flows.output({"Transform": transform(Retry=retry)}, given("again"))
    assert output["TransformJobName"] == "again-1"


def test_a_stop_of_the_execution_stops_the_job(flows: Flows, jobs: FakeTransformJobs) -> None:
    execution = flows.start(flows.make({"Transform": transform()}), given("long"))
    while "long-0" not in jobs.jobs:
        time.sleep(0.01)
    flows.api.stop_execution(executionArn=execution)
    deadline = time.monotonic() + 60
    while "long-0" not in jobs.stopped:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert flows.kinds(execution)[-1] == "ExecutionAborted"


def test_a_task_that_times_out_stops_its_job(flows: Flows, jobs: FakeTransformJobs) -> None:
    found = flows.run({"Transform": transform(TimeoutSeconds=1)}, given("late"))
    assert (found["status"], found["error"]) == ("FAILED", "States.Timeout")
    deadline = time.monotonic() + 60
    while "late-0" not in jobs.stopped:
        assert time.monotonic() < deadline
        time.sleep(0.02)
