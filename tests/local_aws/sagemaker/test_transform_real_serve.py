"""The project's own server in transform jobs: what it says about itself is taken, and every record has its answer."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.sagemaker_bench import ROLE, Bench
from tests.support.transform_bench import TransformBench

from jina_v3_infra.artifact import find_source_root, write_artifact

URI = "123456789012.dkr.ecr.us-east-1.amazonaws.com/jina-v3:batch"
TEXTS = ["the sun rises", "die Sonne geht auf", "太陽が昇る", "", "el sol"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def batch(bench: Bench, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> TransformBench:
    batch = TransformBench(bench)
    bench.aws.images.register(URI, find_source_root())
    archive = write_artifact(tiny_model, tmp_path_factory.mktemp("artifact") / "model.tar.gz")
    bench.s3.upload_file(str(archive), "models", "jina.tar.gz")
    container = {
        "Image": URI,
        "ModelDataUrl": "s3://models/jina.tar.gz",
        "Environment": {"JINA_V3_DEVICE": "cpu", "OMP_NUM_THREADS": "1"},
    }
    bench.sagemaker.create_model(ModelName="jina", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    return batch


def run(batch: TransformBench, source: str, **changes: Any) -> tuple[str, dict[str, bytes]]:
    """Run a job and return its name and its outputs."""
    environment = {"JINA_V3_DEFAULT_TASK": "text-matching", "JINA_V3_DEFAULT_DIMENSIONS": "32"}
    job = batch.create(source, ModelName="jina", Environment=environment, **changes)
    described = batch.wait(job, limit_s=120)
    assert described["TransformJobStatus"] == "Completed", (described, batch.logged(job))
    return job, batch.outputs(job)


def test_every_line_has_its_vector_or_its_error_and_the_server_s_own_parameters_hold(batch: TransformBench) -> None:
    lines = [json.dumps({"id": f"{n}-{i}", "text": text}) for n in range(40) for i, text in enumerate(TEXTS)]
    source = batch.put({"a.jsonl": "\n".join([*lines, "not json", ""]).encode(), "b.jsonl": b"\n\n"})
    job, outputs = run(batch, source)
    assert outputs["b.jsonl.out"] == b""
    answers = [json.loads(line) for line in outputs["a.jsonl.out"].decode().splitlines()]
    assert len(answers) == len(lines) + 1
    for line, answer in zip(lines, answers, strict=False):
        asked = json.loads(line)
        assert answer["id"] == asked["id"]
        assert len(answer["embedding"]) == 32 if asked["text"] else answer["error"]["code"] == "empty_text"
    assert "error" in answers[-1]
    said = batch.logged(job)["data-log"][0]
    assert said.endswith("MaxConcurrentTransforms=8, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD")


def test_a_table_becomes_a_table_and_csv_becomes_lines(batch: TransformBench) -> None:
    table = io.BytesIO()
    pq.write_table(pa.table({"id": ["a", "b"], "text": TEXTS[:2]}), table)
    parquet: dict[str, Any] = {
        "TransformInput": {"ContentType": "application/x-parquet", "SplitType": "None"},
        "TransformOutput": {"Accept": "application/x-parquet", "AssembleWith": "None"},
    }
    (body,) = run(batch, batch.put({"t.parquet": table.getvalue()}), **parquet)[1].values()
    answered = pq.read_table(io.BytesIO(body))
    assert answered["id"].to_pylist() == ["a", "b"]
    assert [len(vector) for vector in answered["embedding"].to_pylist()] == [32, 32]
    rows = batch.put({"t.csv": b'"1","one, two"\n"2","three"\n'})
    (body,) = run(batch, rows, TransformInput={"ContentType": "text/csv"})[1].values()
    assert [json.loads(line)["id"] for line in body.splitlines()] == ["1", "2"]
