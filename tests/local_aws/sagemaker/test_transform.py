"""Transform jobs: what lies in S3 afterwards, what the container was asked, and what is told of it meanwhile."""

import json
from typing import Any

import pytest
from tests.support.sagemaker_bench import Bench
from tests.support.transform_bench import TransformBench, answers


@pytest.fixture(scope="module")
def batch(bench: Bench) -> TransformBench:
    return TransformBench(bench)


def rows(count: int, start: int = 0, **more: Any) -> bytes:
    return b"".join(json.dumps({"id": start + n, **more}).encode() + b"\n" for n in range(count))


def test_every_file_becomes_an_output_of_its_name(batch: TransformBench) -> None:
    files = {"a.jsonl": rows(3), "deep/b.jsonl": rows(5, start=10), "deep/folder/": b"", "empty.jsonl": b""}
    job = batch.create(batch.put(files))
    described = batch.wait(job)
    assert described["TransformJobStatus"] == "Completed"
    assert "FailureReason" not in described
    assert batch.outputs(job) == {
        "a.jsonl.out": answers(files["a.jsonl"]),
        "deep/b.jsonl.out": answers(files["deep/b.jsonl"]),
        "empty.jsonl.out": b"",
    }
    assert described["CreationTime"] < described["TransformStartTime"] < described["TransformEndTime"]
