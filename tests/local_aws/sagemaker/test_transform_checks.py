"""What CreateTransformJob refuses, and in which words; quotas; the two SDKs."""

import json
import os
import subprocess
import sys
import uuid
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.support.sagemaker_bench import REGION, Bench
from tests.support.transform_bench import TransformBench, answers, rows

NO_SPLIT = {"SplitType": "None"}
JOIN = {"JoinSource": "Input"}


@pytest.fixture(scope="module")
def batch(bench: Bench) -> TransformBench:
    return TransformBench(bench)


@pytest.fixture(scope="module")
def source(batch: TransformBench) -> str:
    return batch.put({"a.jsonl": rows(2)})


def refused(call: Any, *arguments: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(*arguments, **request)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def resources(**changes: Any) -> dict[str, Any]:
    return {"TransformResources": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, **changes}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"MaxPayloadInMB": 101}, "MaxPayloadInMB must be at most 100, not 101."),
        ({"MaxPayloadInMB": 26, "MaxConcurrentTransforms": 4}, "must not exceed 100 MB, but it is 4 * 26 = 104."),
        ({"Environment": {f"A{n}": "x" for n in range(17)}}, "Member must have length less than or equal to 16"),
        (resources(VolumeKmsKeyId="abc"), "VolumeKmsKeyId can not be given: instance type ml.g5.xlarge has local"),
        (resources(InstanceType="ml.g5.huge"), "Member must satisfy enum value set"),
        ({"ModelName": "ghost"}, 'Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/ghost".'),
        ({"DataCaptureConfig": {"DestinationS3Uri": "s3://data/x"}}, "does not model DataCaptureConfig"),
        ({"TransformInput": {"SplitType": "RecordIO"}}, "does not model the SplitType RecordIO; it has None, Line"),
        ({"TransformInput": {"SplitType": "TFRecord"}}, "does not model the SplitType TFRecord; it has None, Line"),
        ({"TransformOutput": {"S3OutputPath": "https://out/x"}}, "takes a S3OutputPath that begins with s3://"),
        ({"DataProcessing": {"InputFilter": "id"}}, "InputFilter is not valid: 'id' does not begin with $"),
        ({"DataProcessing": {"OutputFilter": "$..id"}}, "OutputFilter is not valid: '$..id' has '..id'; allowed are"),
        ({"DataProcessing": {"InputFilter": "$[?(@.a)]"}}, "InputFilter is not valid: '$[?(@.a)]' has '[?(@.a)]'"),
        ({"DataProcessing": {"InputFilter": "$[0:2].a"}}, "several at once in the last step only"),
        ({"DataProcessing": JOIN, "TransformInput": {"ContentType": "application/x-parquet"}},
         "needs a ContentType of application/json, application/jsonlines, text/csv, not application/x-parquet"),
        ({"DataProcessing": JOIN, "TransformOutput": {"Accept": "text/csv"}},
         "JoinSource Input needs an Accept that is the ContentType, application/jsonlines, not text/csv."),
        ({"DataProcessing": JOIN, "TransformInput": NO_SPLIT}, "AssembleWith to be as SplitType is, None, not Line"),
        ({"DataProcessing": JOIN, "TransformInput": NO_SPLIT, "TransformOutput": {"AssembleWith": "None"}},
         "DataProcessing of application/jsonlines needs SplitType and AssembleWith to be Line."),
    ],
)  # fmt: skip
def test_a_job_that_can_not_be_is_refused(
    batch: TransformBench, source: str, changes: dict[str, Any], message: str
) -> None:
    code, said = refused(batch.create, source, **changes)
    assert code == "ValidationException"
    assert message in said


def test_input_must_be_there(batch: TransformBench) -> None:
    missing = 'No S3 objects found under S3 URL "{}" given in input data source.'
    for uri in ("s3://data/absent/", "s3://nobucket/x/"):
        assert missing.format(uri) in refused(batch.create, uri)[1]
    manifest = {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": "s3://data/absent.json"}}
    said = refused(batch.create, "", TransformInput={"DataSource": manifest})[1]
    assert missing.format("s3://data/absent.json") in said
    augmented = {"S3DataSource": {"S3DataType": "AugmentedManifestFile", "S3Uri": "s3://data/absent.json"}}
    said = refused(batch.create, "", TransformInput={"DataSource": augmented})[1]
    assert "does not model the S3DataType AugmentedManifestFile; it has S3Prefix, ManifestFile" in said


def test_a_manifest_that_is_none_fails_the_job(batch: TransformBench) -> None:
    for body in (b"[]", b"{}", b'[{"prefix": 1}]', b'["a", "b"]', b'[{"prefix": "s3://data/"}, 5]', b"no json"):
        uri = batch.put({"m": body}) + "m"
        source = {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": uri}}
        described = batch.run("", TransformInput={"DataSource": source})
        assert described["FailureReason"].startswith(f"ClientError: The manifest {uri} is not valid: it must be a JSON")


def test_a_model_whose_data_is_not_packed_is_refused(batch: TransformBench, source: str) -> None:
    said = refused(batch.create, source, ModelName=batch.bench.create_model())[1]
    assert "uncompressed model data in its ModelDataSource, which is not supported for transform jobs" in said
    assert "ModelDataUrl" in said


def test_a_name_is_used_once_and_what_is_not_there_can_not_be_found(batch: TransformBench, source: str) -> None:
    job = batch.run(source)["TransformJobName"]
    code, said = refused(batch.create, source, TransformJobName=job)
    assert (code, "a job with this name already exists" in said) == ("ResourceInUse", True)
    for operation in (batch.sagemaker.describe_transform_job, batch.sagemaker.stop_transform_job):
        code, said = refused(operation, TransformJobName="ghost")
        assert (code, said) == ("ValidationException", "Could not find requested job with name: ghost")


def test_jobs_are_held_to_the_quota_that_service_quotas_tells(batch: TransformBench) -> None:
    quotas = batch.bench.connect("service-quotas")
    pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    values = {quota["QuotaName"]: quota["Value"] for page in pages for quota in page["Quotas"]}
    assert values["ml.g5.xlarge for transform job usage"] == 4
    assert "ml.g7e.2xlarge for transform job usage" not in values  # no machine for transform jobs
    source = batch.put({"a": rows(1)})
    with batch.bench.set_to(waiting=1):  # the first one waits for its machines, which count already
        first = batch.create(source, **resources(InstanceCount=3))
        code, said = refused(batch.create, source, **resources(InstanceCount=2))
    assert code == "ResourceLimitExceeded"
    assert (
        "The account-level service limit 'ml.g5.xlarge for transform job usage' is 4 Instances, with current "
        "utilization of 3 Instances and a request delta of 2 Instances." in said
    )
    batch.wait(first)
    assert batch.run(source, **resources(InstanceCount=4))["TransformJobStatus"] == "Completed"


def test_boto3_s_waiter_waits_for_a_job(batch: TransformBench, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in batch.aws.environment(REGION).items():
        monkeypatch.setenv(name, value)
    job = batch.create(source)
    waiter = boto3.session.Session().client("sagemaker").get_waiter("transform_job_completed_or_stopped")
    waiter.wait(TransformJobName=job, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    assert batch.outputs(job) == {"a.jsonl.out": answers(rows(2))}


_SDK = """
import json, sys
from sagemaker.core.resources import TransformJob
from sagemaker.core.shapes import (
    TransformDataSource, TransformInput, TransformOutput, TransformResources, TransformS3DataSource
)

name, model, source, output = sys.argv[1:]
place = TransformS3DataSource(s3_data_type="S3Prefix", s3_uri=source)
job = TransformJob.create(
    transform_job_name=name,
    model_name=model,
    transform_input=TransformInput(
        data_source=TransformDataSource(s3_data_source=place), content_type="application/jsonlines", split_type="Line"
    ),
    transform_output=TransformOutput(s3_output_path=output, accept="application/jsonlines", assemble_with="Line"),
    transform_resources=TransformResources(instance_type="ml.g5.xlarge", instance_count=1),
    max_payload_in_mb=6,
    batch_strategy="MultiRecord",
)
job.wait(poll=1, timeout=120)
said = {"status": job.transform_job_status, "jobs": [one.transform_job_name for one in TransformJob.get_all()]}
print("said " + json.dumps(said))
"""


def test_the_transform_job_of_the_sdk_is_created_and_waited_for(batch: TransformBench, source: str) -> None:
    name = f"sdk-{uuid.uuid4().hex[:8]}"
    # a process of its own: its import takes seconds, warns, and reads the environment once
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **batch.aws.environment(REGION)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _SDK, name, batch.model, source, f"s3://out/{name}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout.rpartition("said ")[2].splitlines()[0])
    assert said["status"] == "Completed"
    assert name in said["jobs"]
    assert batch.outputs(name) == {"a.jsonl.out": answers(rows(2))}
