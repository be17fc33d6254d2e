"""Transform jobs that fail: which outputs are there all the same, what is said, and that nothing is left running."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.sagemaker_bench import Bench, until
from tests.support.transform_bench import TransformBench, answers, rows

from local_aws.sagemaker.invocation import Question, post

GOOD = rows(3)
CLIENT = "ClientError: See job logs for more information"
ALGORITHM = "AlgorithmError: See job logs for more information"
INTERNAL = "InternalServerError: We encountered an internal error. Please try again."


@pytest.fixture(scope="module")
def batch(bench: Bench) -> TransformBench:
    return TransformBench(bench)


@pytest.fixture(autouse=True)
def no_faults(batch: TransformBench) -> Iterator[None]:
    yield
    batch.aws.faults.clear()


def failed(batch: TransformBench, source: str, reason: str, **changes: Any) -> str:
    """Run a job that fails for a reason and return its name."""
    described = batch.run(source, **changes)
    assert (described["TransformJobStatus"], described.get("FailureReason")) == ("Failed", reason)
    assert described["TransformEndTime"]
    name: str = described["TransformJobName"]
    return name


def retries(count: int) -> dict[str, Any]:
    return {"InvocationsMaxRetries": count, "InvocationsTimeoutInSeconds": 30}


@pytest.mark.parametrize(
    ("status", "reason", "line", "asked"),
    [(400, CLIENT, "ClientError: 400", 1), (503, ALGORITHM, "Bad HTTP status received from algorithm: 503", 3)],
)
def test_an_answer_that_is_an_error_fails_its_file_and_no_other(
    batch: TransformBench, status: int, reason: str, line: str, asked: int
) -> None:
    bad = json.dumps({"status": status, "message": "first\nsecond"}).encode()
    source = batch.put({"a": GOOD, "b": bad, "c": GOOD})
    job = failed(batch, source, reason, ModelClientConfig=retries(2))
    assert batch.outputs(job) == {"a.out": answers(GOOD), "c.out": answers(GOOD)}
    place = source.removeprefix("s3://") + "b: "
    said = [text.partition("[sagemaker logs]: ")[2] for text in batch.logged(job)["data-log"]]
    assert said[1:] == [place + text for text in (line, "", "Message:", "first", "second")]
    assert len(batch.asked(job)) == asked + 2


def test_no_part_of_a_file_is_there_when_its_last_request_fails(batch: TransformBench) -> None:
    body = rows(5) + b'{"status": 400}\n' + rows(50)
    job = failed(batch, batch.put({"a": body}), CLIENT, BatchStrategy="SingleRecord")
    assert batch.outputs(job) == {}
    assert 6 <= len(batch.asked(job)) <= 10  # what was ahead already, and nothing after


def test_a_retry_that_succeeds_is_no_failure(batch: TransformBench) -> None:
    batch.aws.faults.add(kind="model_error", key="a.jsonl", count=2, original_status=500)
    described = batch.run(batch.put({"a.jsonl": GOOD, "b.jsonl": GOOD}), ModelClientConfig=retries(2))
    assert described["TransformJobStatus"] == "Completed"
    batch.aws.faults.add(kind="model_error", key="a.jsonl", count=2, original_status=500)
    job = failed(batch, batch.put({"a.jsonl": GOOD, "b.jsonl": GOOD}), ALGORITHM, ModelClientConfig=retries(1))
    assert batch.outputs(job) == {"b.jsonl.out": answers(GOOD)}


def test_an_answer_that_takes_too_long_is_a_failure(batch: TransformBench, monkeypatch: pytest.MonkeyPatch) -> None:
    def post_patiently(pool: Any, question: Question, *, limit_s: float) -> Any:
        """Hold the file that is to fail to the limit, and not the other, which a busy machine may answer late."""
        assert limit_s == 1
        return post(pool, question, limit_s=limit_s if b"until_file" in question.body else 60)

    monkeypatch.setattr("local_aws.sagemaker.transform.calls.post", post_patiently)
    source = batch.put({"a": b'{"until_file": "/absent/file"}\n', "b": GOOD})
    client = {"InvocationsTimeoutInSeconds": 1, "InvocationsMaxRetries": 0}
    job = failed(batch, source, ALGORITHM, ModelClientConfig=client)
    assert batch.outputs(job) == {"b.out": answers(GOOD)}
    assert "did not respond to /invocations request within 1 seconds" in batch.logged(job)["data-log"][1]


def test_files_that_can_not_be_read_as_they_are_said_to_be_fail_alone(batch: TransformBench) -> None:
    files = {"big": rows(1, text="x" * 2**20), "fits": rows(1, text="x" * (2**20 - 30)), "ok": GOOD}
    source = batch.put({f"{name}.gz": gzip.compress(body) for name, body in files.items()})
    torn = gzip.compress(rows(5000))[:-200]
    prefix = source.removeprefix("s3://data/")
    for name, body in (("plain.gz", GOOD), ("torn.gz", torn)):
        batch.bench.s3.put_object(Bucket="data", Key=prefix + name, Body=body)
    job = failed(batch, source, CLIENT, MaxPayloadInMB=1, TransformInput={"CompressionType": "Gzip"})
    assert set(batch.outputs(job)) == {"fits.gz.out", "ok.gz.out"}
    blamed = dict(line.split(": ")[1:3] for line in batch.logged(job)["data-log"][1:])
    assert {name.rpartition("/")[2]: reason for name, reason in blamed.items()} == {
        "big.gz": "Too much data for max payload size",
        "plain.gz": "Unable to decompress the object",
        "torn.gz": "Unable to decompress the object",
    }


@pytest.mark.parametrize(
    ("body", "processing", "reason", "said"),
    [
        (b'{"silent": true}\n{}\n', {"JoinSource": "Input"}, ALGORITHM, "1 answers to 2 records"),
        (b'{"id": 1}\n{"text": 2}\n', {"InputFilter": "$.id"}, CLIENT, "'$.id' finds nothing in a record"),
        (b'{"id": 1\n', {"InputFilter": "$.id"}, CLIENT, "a record can not be read"),
        (b"{}\n", {"OutputFilter": "$.vector"}, ALGORITHM, "'$.vector' finds nothing in a record"),
    ],
)
def test_records_that_can_not_be_processed_fail_their_file(
    batch: TransformBench, body: bytes, processing: dict[str, str], reason: str, said: str
) -> None:
    job = failed(batch, batch.put({"a": body}), reason, DataProcessing=processing)
    assert batch.outputs(job) == {}
    assert said in batch.logged(job)["data-log"][1]


def test_a_file_that_the_manifest_names_and_that_is_not_there_fails(batch: TransformBench) -> None:
    manifest = [{"prefix": batch.put({"a": GOOD})}, "a", "ghost"]
    uri = batch.put({"m": json.dumps(manifest).encode()}) + "m"
    source = {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": uri}}
    job = failed(batch, "", CLIENT, TransformInput={"DataSource": source})
    assert batch.outputs(job) == {"a.out": answers(GOOD)}
    assert "ghost: Unable to read the object: " in batch.logged(job)["data-log"][1]


def test_an_output_that_can_not_be_written_fails_its_file(batch: TransformBench) -> None:
    job = failed(batch, batch.put({"a": GOOD}), CLIENT, TransformOutput={"S3OutputPath": "s3://nobucket/x"})
    assert "a: Unable to write x/a.out: The specified bucket does not exist" in batch.logged(job)["data-log"][1]


def test_a_container_that_dies_of_a_file_is_started_again_for_the_others(batch: TransformBench) -> None:
    source = batch.put({"a": GOOD, "b": b'{"die": true}\n', "c": GOOD})
    job = failed(batch, source, ALGORITHM, ModelClientConfig=retries(1))
    assert batch.outputs(job) == {"a.out": answers(GOOD), "c.out": answers(GOOD)}
    assert batch.logged(job)["data-log"][1].endswith("b: Unable to get response from algorithm")
    assert batch.logged(job)[""].count("tiny container listens") == 3
    assert batch.processes() == []


def test_the_fault_container_death_is_for_the_files_that_it_names(batch: TransformBench) -> None:
    batch.aws.faults.add(kind="container_death", key="poison")
    source = batch.put({"a": GOOD, "poisoned": GOOD, "z": GOOD})
    job = failed(batch, source, ALGORITHM, ModelClientConfig=retries(0))
    assert batch.outputs(job) == {"a.out": answers(GOOD), "z.out": answers(GOOD)}
    batch.aws.faults.clear()
    again = batch.run(source)["TransformJobName"]
    assert set(batch.outputs(again)) == {"a.out", "poisoned.out", "z.out"}


def test_a_lost_instance_ends_the_job_and_the_finished_files_stay(batch: TransformBench) -> None:
    batch.aws.faults.add(kind="instance_lost", key="/03", count=1)
    source = batch.put({f"{n:02}": GOOD for n in range(6)})
    job = failed(batch, source, INTERNAL)
    assert batch.outputs(job) == {f"{n:02}.out": answers(GOOD) for n in range(3)}
    assert batch.processes() == []
    assert batch.run(source)["TransformJobStatus"] == "Completed"


def test_missing_capacity_fails_the_job_of_that_machine_before_it_starts(batch: TransformBench) -> None:
    batch.aws.faults.add(kind="capacity_missing", operation="CreateTransformJob", instance_types=["ml.g5.xlarge"])
    source = batch.put({"a": GOOD})
    reason = (
        "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance "
        "type."
    )
    job = failed(batch, source, reason)
    assert "TransformStartTime" not in batch.sagemaker.describe_transform_job(TransformJobName=job)
    other = {"InstanceType": "ml.g6.xlarge", "InstanceCount": 1}
    assert batch.run(source, TransformResources=other)["TransformJobStatus"] == "Completed"


def test_the_service_s_own_faults_meet_the_operations_on_jobs(batch: TransformBench) -> None:
    source = batch.put({"a": GOOD})
    batch.aws.faults.add(kind="throttle", operation="CreateTransformJob", count=1)
    with pytest.raises(ClientError, match=r"\(ThrottlingException\).*Rate exceeded"):
        batch.create(source)
    job = batch.create(source)
    batch.aws.faults.add(kind="error", operation="DescribeTransformJob", job=job, count=1, status=500)
    with pytest.raises(ClientError, match="InternalFailure"):
        batch.sagemaker.describe_transform_job(TransformJobName=job)
    assert batch.wait(job)["TransformJobStatus"] == "Completed"


@pytest.mark.parametrize("start", ["exit", "bad archive"])
def test_a_container_that_does_not_start_fails_the_job(batch: TransformBench, start: str) -> None:
    source = batch.put({"a": GOOD})
    if start == "exit":
        model = batch.create_model(TINY_START="exit")
        reason = (
            "AlgorithmError: The primary container did not pass the ping health check. See job logs for more "
            "information"
        )
    else:
        batch.bench.s3.put_object(Bucket="models", Key="bad.tar.gz", Body=b"no archive")
        model = batch.create_model("s3://models/bad.tar.gz")
        reason = (
            "ClientError: Failed to download model data: s3://models/bad.tar.gz is no tar.gz that can be unpacked: "
            "not a gzip file"
        )
    job = failed(batch, source, reason, ModelName=model)
    assert batch.outputs(job) == {}
    if start == "exit":
        assert "this container does not like its environment" in batch.logged(job)[""]


def test_a_job_can_be_stopped_while_its_container_starts(batch: TransformBench) -> None:
    job = batch.create(batch.put({"a": GOOD}), ModelName=batch.create_model(TINY_START="never"))
    until(batch.processes)
    batch.sagemaker.stop_transform_job(TransformJobName=job)
    assert batch.wait(job)["TransformJobStatus"] == "Stopped"
    assert batch.processes() == []
