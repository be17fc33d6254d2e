"""Transform jobs: what lies in S3 afterwards, what the container was asked, and what is told of it meanwhile."""

import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.sagemaker_bench import Bench, until
from tests.support.transform_bench import TransformBench, answers, rows


@pytest.fixture(scope="module")
def batch(bench: Bench) -> TransformBench:
    return TransformBench(bench)


def test_every_file_becomes_an_output_of_its_name(batch: TransformBench) -> None:
    files = {"a.jsonl": rows(3), "deep/b.jsonl": rows(5, start=10), "deep/folder/": b"", "empty.jsonl": b""}
    described = batch.run(batch.put(files))
    assert described["TransformJobStatus"] == "Completed"
    assert "FailureReason" not in described
    assert batch.outputs(described["TransformJobName"]) == {
        "a.jsonl.out": answers(files["a.jsonl"]),
        "deep/b.jsonl.out": answers(files["deep/b.jsonl"]),
        "empty.jsonl.out": b"",
    }
    assert described["CreationTime"] < described["TransformStartTime"] < described["TransformEndTime"]


def test_a_job_is_described_and_listed_as_it_was_created(batch: TransformBench) -> None:
    source = batch.put({"a.jsonl": rows(1)})
    given: dict[str, Any] = {
        "MaxConcurrentTransforms": 2,
        "MaxPayloadInMB": 3,
        "BatchStrategy": "MultiRecord",
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": 9, "InvocationsMaxRetries": 1},
        "Environment": {"JOB": "yes"},
        "TransformResources": {
            "InstanceType": "ml.g5.xlarge",
            "InstanceCount": 2,
            "TransformAmiVersion": "al2-ami-sagemaker-batch-gpu-535",
        },
    }
    with batch.bench.set_to(waiting=1):  # it waits for its machines
        job = batch.create(source, **given, Tags=[{"Key": "run", "Value": "one"}])
        first = batch.sagemaker.describe_transform_job(TransformJobName=job)
    assert first["TransformJobStatus"] == "InProgress"
    assert "TransformEndTime" not in first
    described = batch.wait(job)
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:transform-job/{job}"
    assert {key: described[key] for key in given} == given
    assert described["TransformInput"] == {
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}},
        "ContentType": "application/jsonlines",
        "CompressionType": "None",
        "SplitType": "Line",
    }
    assert described["DataProcessing"] == {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}
    assert (described["TransformJobArn"], described["ModelName"]) == (arn, batch.model)
    (row,) = batch.sagemaker.list_transform_jobs(NameContains=job, StatusEquals="Completed")["TransformJobSummaries"]
    assert (row["TransformJobArn"], row["TransformEndTime"]) == (arn, described["TransformEndTime"])
    assert batch.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "run", "Value": "one"}]
    assert batch.sagemaker.list_transform_jobs(NameContains=job, StatusEquals="Failed")["TransformJobSummaries"] == []


def test_the_container_gets_the_job_s_environment_and_headers_and_the_model_of_its_archive(
    batch: TransformBench,
) -> None:
    model = batch.create_model(KEEP="model", CHANGE="model")
    changes = {"Environment": {"CHANGE": "job"}, "MaxPayloadInMB": 2, "BatchStrategy": "SingleRecord"}
    source = batch.put({"a.jsonl": b'{"say":1}\n'})
    job = batch.run(source, ModelName=model, MaxConcurrentTransforms=3, **changes)["TransformJobName"]
    said = json.loads(batch.outputs(job)["a.jsonl.out"])
    wanted = {
        "KEEP": "model",
        "CHANGE": "job",
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "2",
        "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "3",
    }
    assert {name: said["environment"][name] for name in wanted} == wanted
    assert said["model"] == {"weights": "packed"}
    assert (said["headers"]["Content-Type"], said["headers"]["Accept"]) == ("application/jsonlines",) * 2


def test_what_the_request_leaves_out_the_container_says(batch: TransformBench) -> None:
    parameters = {"MaxConcurrentTransforms": 4, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 7}
    model = batch.create_model(TINY_PARAMETERS=json.dumps(parameters))
    source = batch.put({"a.jsonl": rows(3)})
    asked = batch.run(source, ModelName=model)["TransformJobName"]
    given = batch.run(source, ModelName=model, BatchStrategy="MultiRecord", MaxConcurrentTransforms=0)
    plain = batch.run(source)["TransformJobName"]
    for job, values, requests in (
        (asked, "MaxConcurrentTransforms=4, MaxPayloadInMB=7, BatchStrategy=SINGLE_RECORD", 3),
        (given["TransformJobName"], "MaxConcurrentTransforms=4, MaxPayloadInMB=7, BatchStrategy=MULTI_RECORD", 1),
        (plain, "MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD", 1),
    ):
        assert batch.logged(job)["data-log"][0].endswith(f":[sagemaker logs]: {values}")
        assert len(batch.asked(job)) == requests
        assert batch.outputs(job) == {"a.jsonl.out": answers(rows(3))}


def test_requests_have_as_many_whole_records_as_the_payload_allows(batch: TransformBench) -> None:
    body = rows(40, text="x" * 100_000)  # 4 MB
    job = batch.run(batch.put({"a.jsonl": body}), MaxPayloadInMB=1, MaxConcurrentTransforms=4)["TransformJobName"]
    asked = batch.asked(job)
    assert sorted(one["lines"] for one in asked) == [10, 10, 10, 10]
    assert sum(one["bytes"] for one in asked) == len(body)
    assert all(one["bytes"] <= 2**20 for one in asked)
    assert batch.outputs(job) == {"a.jsonl.out": answers(body)}


def test_a_manifest_names_the_files_and_they_may_be_gzipped(batch: TransformBench) -> None:
    files = {"x/a.gz": gzip.compress(rows(4)), "b.gz": gzip.compress(rows(2)), "not-this.gz": b"no gzip"}
    prefix = batch.put(files)
    manifest = json.dumps([{"prefix": prefix}, "x/a.gz", "b.gz"]).encode()
    source = {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": batch.put({"manifest": manifest}) + "manifest"}}
    described = batch.run("", TransformInput={"DataSource": source, "CompressionType": "Gzip"})
    assert described["TransformJobStatus"] == "Completed"
    job = described["TransformJobName"]
    assert batch.outputs(job) == {"x/a.gz.out": answers(rows(4)), "b.gz.out": answers(rows(2))}


def test_without_splitting_a_file_is_one_request_and_its_output_the_answer_as_it_is(batch: TransformBench) -> None:
    files = {"a.bin": b"\x00one\n\ntwo", "b.bin": b"three"}
    changes: dict[str, Any] = {
        "TransformInput": {"ContentType": "application/x-parquet", "SplitType": "None"},
        "TransformOutput": {"Accept": "application/x-parquet", "AssembleWith": "None"},
    }
    job = batch.run(batch.put(files), **changes)["TransformJobName"]
    assert [(one["bytes"], one["Content-Type"]) for one in batch.asked(job)] == [
        (9, "application/x-parquet"),
        (5, "application/x-parquet"),
    ]
    assert batch.outputs(job) == {f"{name}.out": answers(body) for name, body in files.items()}


@pytest.mark.parametrize("instances", [1, 3])
def test_instances_have_their_shares_and_all_outputs_are_there(batch: TransformBench, instances: int) -> None:
    files = {f"{n:02}.jsonl": rows(n, start=n) for n in range(10)}
    resources = {"InstanceType": "ml.g5.xlarge", "InstanceCount": instances}
    job = batch.run(batch.put(files), TransformResources=resources, MaxConcurrentTransforms=2)["TransformJobName"]
    assert batch.outputs(job) == {f"{name}.out": answers(body) for name, body in files.items()}


def test_answers_are_in_order_however_long_each_takes(batch: TransformBench) -> None:
    body = b"".join(json.dumps({"id": n, "sleep_s": 0.05 * (n % 3 == 0)}).encode() + b"\n" for n in range(12))
    job = batch.run(batch.put({"a": body}), BatchStrategy="SingleRecord", MaxConcurrentTransforms=6)["TransformJobName"]
    assert batch.outputs(job) == {"a.out": answers(body)}


def test_input_is_joined_to_its_answers_and_filtered_before_and_after(batch: TransformBench) -> None:
    body = b'{"id": 1, "text": "a", "rest": [1, 2]}\n\n{"id": 2, "text": "\xc3\xa4", "rest": []}\n'
    processing = {"InputFilter": "$['id','text']", "JoinSource": "Input", "OutputFilter": "$['id','SageMakerOutput']"}
    job = batch.run(batch.put({"a": body}), DataProcessing=processing)["TransformJobName"]
    asked = [b'{"id":1,"text":"a"}', '{"id":2,"text":"ä"}'.encode()]
    joined = [json.loads(line) for line in batch.outputs(job)["a.out"].splitlines()]
    assert joined == [
        {"id": number, "SageMakerOutput": json.loads(answers(line))} for number, line in enumerate(asked, 1)
    ]


def test_a_file_of_json_is_a_record_where_it_is_not_split(batch: TransformBench) -> None:
    changes: dict[str, Any] = {
        "TransformInput": {"ContentType": "application/json", "SplitType": "None"},
        "TransformOutput": {"Accept": "application/json", "AssembleWith": "None"},
        "DataProcessing": {"InputFilter": "$.ask", "JoinSource": "Input"},
    }
    job = batch.run(batch.put({"a": b'{\n "ask": [1],\n "id": 5\n}'}), **changes)["TransformJobName"]
    assert json.loads(batch.outputs(job)["a.out"]) == {
        "ask": [1],
        "id": 5,
        "SageMakerOutput": json.loads(answers(b"[1]")),
    }


def test_rows_of_csv_are_joined_by_their_cells(batch: TransformBench) -> None:
    kinds = {"TransformInput": {"ContentType": "text/csv"}, "TransformOutput": {"Accept": "text/csv"}}
    processing = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-2,-1]"}
    source = batch.put({"a.csv": b'one,"x,y",z\ntwo,b,c\n'})
    job = batch.run(source, DataProcessing=processing, **kinds)["TransformJobName"]
    assert batch.outputs(job) == {"a.csv.out": b"one,7,2\ntwo,3,1\n"}


def test_the_output_has_the_key_that_is_asked_for(batch: TransformBench) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/abc"
    job = batch.run(batch.put({"a": rows(1)}), TransformOutput={"KmsKeyId": key})["TransformJobName"]
    head = batch.bench.s3.head_object(Bucket="out", Key=f"{job}/a.out")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)


def test_jobs_wait_for_their_turn_in_progress(batch: TransformBench) -> None:
    slow = batch.put({"a": b'{"id": 1, "sleep_s": 0.5}\n'})
    jobs = [batch.create(slow) for _ in range(3)]
    ended = [batch.wait(job) for job in jobs]
    assert {one["TransformJobStatus"] for one in ended} == {"Completed"}
    spans = sorted((one["TransformStartTime"], one["TransformEndTime"]) for one in ended)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


def test_a_stopped_job_keeps_what_is_finished_and_leaves_no_process(batch: TransformBench, tmp_path: Path) -> None:
    end = tmp_path / "end"
    slow = json.dumps({"until_file": str(end), "stubborn": True}).encode()
    source = batch.put({"a": rows(2), "b": slow, "c": rows(1)})
    job = batch.create(source)
    until(lambda: batch.outputs(job))
    waiting = batch.create(source)  # the only process is taken
    batch.sagemaker.stop_transform_job(TransformJobName=waiting)
    batch.sagemaker.stop_transform_job(TransformJobName=job)
    assert batch.sagemaker.describe_transform_job(TransformJobName=job)["TransformJobStatus"] == "Stopping"
    end.touch()
    stopped = batch.wait(job)
    assert stopped["TransformJobStatus"] == batch.wait(waiting)["TransformJobStatus"] == "Stopped"
    assert "FailureReason" not in stopped
    assert batch.outputs(job) == {"a.out": answers(rows(2))}
    assert batch.outputs(waiting) == {}
    assert batch.processes() == []
    with pytest.raises(ClientError, match="is in status Stopped; only one that is InProgress can be stopped"):
        batch.sagemaker.stop_transform_job(TransformJobName=job)


def test_an_archive_is_unpacked_once_for_all_jobs_and_again_when_it_has_changed(batch: TransformBench) -> None:
    data = batch.put_archive("changing.tar.gz", {"weights": "old"})
    model = batch.create_model(data)
    source = batch.put({"a": b'{"say":1}\n'})

    def said() -> Any:
        return json.loads(batch.outputs(batch.run(source, ModelName=model)["TransformJobName"])["a.out"])["model"]

    cache = batch.aws.settings.state_folder / "models"
    assert said() == {"weights": "old"}
    unpacked = set(cache.iterdir())
    assert said() == {"weights": "old"}
    assert set(cache.iterdir()) == unpacked
    batch.put_archive("changing.tar.gz", {"weights": "new"})
    assert said() == {"weights": "new"}
    assert len(set(cache.iterdir()) - unpacked) == 1
