"""Runs as transform jobs alone: each output is read beside its input, and what such a job cannot do is said."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from tests.support.batch_deployment import BUCKET
from tests.support.fake_encoder import FakeEncoder

from jina_v3.contract import EncodeJob, Task
from jina_v3_client.errors import BatchError, ConfigurationError, EndpointNotFoundError

TEXTS = [f"text {number} of many" for number in range(12)]
FOLDER = f"s3://{BUCKET}/batch/datasets/docs/"


def vectors(texts):
    return [FakeEncoder.vector(text, EncodeJob((text,), task=Task.SEPARATION, dimensions=8)) for text in texts]


def submit(jobs, data, **options):
    run = jobs.submit(data, task="separation", dimensions=8, **options)
    assert run.wait().outcome == "complete"
    return run


@pytest.mark.parametrize("kept_prefix", ["", "docs/", "batch/datasets/docs/", f"{BUCKET}/batch/datasets/docs/"])
def test_outputs_are_found_wherever_the_service_puts_them(jobs, batch, kept_prefix):
    batch.service.kept_prefix = kept_prefix
    for name in ("a", "b"):
        batch.put(f"{name}.jsonl", b"\n".join(json.dumps({"id": f"{name}{n}", "text": n}).encode() for n in TEXTS))
    result = submit(jobs, FOLDER).result()
    records = list(result)
    assert [record.id for record in records] == [f"{name}{text}" for name in "ab" for text in TEXTS]
    np.testing.assert_allclose([record.vector for record in records], vectors(TEXTS * 2), rtol=1e-6)


@pytest.mark.parametrize("form", ["float", "base64", "int8"])
def test_texts_and_tables_come_back_with_their_bad_records(jobs, form):
    texts = ["first text", "", "third text"]
    for data in (texts, pd.DataFrame({"text": texts})):
        result = submit(jobs, data, embedding_type=form).result()
        assert [record.index for record in result] == [0, 2]
        assert [(one.index, one.line, one.code) for one in result.bad] == [(1, 2, "empty_text")]
        ids, found = result.to_numpy()
        assert ids == [0, 2]
        assert found.dtype == (np.int8 if form == "int8" else np.float32)


def test_lines_are_those_of_the_input_blank_ones_counted(jobs, batch):
    text = b'{"id": "a", "text": "one"}\n\n  \nnot json\n{"text": "two", "embedding_type": "int8"}\n'
    batch.put("a.jsonl.gz", gzip.compress(text))
    result = submit(jobs, FOLDER).result()
    assert [(record.line, record.vector.dtype.name) for record in result] == [(1, "float32"), (5, "int8")]
    assert [(one.line, one.code) for one in result.bad] == [(4, "not_json")]


def test_csv_is_read_beside_its_rows(jobs, batch):
    batch.put("a.csv", b'a,one\n"b","two, and three"\nc,\n')
    result = submit(jobs, FOLDER).result()
    assert [(record.id, record.line) for record in result] == [("a", 1), ("b", 2)]
    assert [one.id for one in result.bad] == ["c"]


def swap(body):
    first, second, *rest = body.splitlines(keepends=True)
    return b"".join([second, first, *rest])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda body: body[: body.rindex(b'{"')], "it ends before the record of line 12"),
        (lambda body: body + body.splitlines(keepends=True)[-1], "it has more records than went in"),
        (swap, "line 1 has the id 0, and its output 1"),
    ],
)
def test_an_output_that_is_not_its_inputs_is_an_error(jobs, batch, change, told):
    batch.service.before_file = lambda _job, _key, out: change(out)
    result = submit(jobs, TEXTS).result()
    with pytest.raises(BatchError, match=told):
        list(result)


def test_a_parquet_output_with_rows_missing_is_an_error(jobs, batch, tmp_path):
    outputs = []
    batch.service.before_file = lambda _job, _key, out: outputs.append(out) or outputs[0]
    submit(jobs, pd.DataFrame({"text": TEXTS[:5]}))
    result = submit(jobs, pd.DataFrame({"text": TEXTS})).result()
    with pytest.raises(BatchError, match="it has 5 rows, and 12 went in"):
        list(result)


def test_a_file_without_output_is_an_error(jobs, batch):
    run = submit(jobs, TEXTS)
    (key,) = batch.keys("batch/vectors/")
    batch.s3.delete_object(Bucket=BUCKET, Key=key)
    with pytest.raises(BatchError, match=r"1 of 1 files have no output, such as records-0"):
        run.result()


def test_the_job_is_asked_for_what_the_data_needs(jobs, access, batch):
    batch.put("a.csv.gz", gzip.compress(b"a,one\n"))
    run = jobs.submit(FOLDER, task=None, dimensions=16, embedding_type="base64", instances=4, name="docs-1")
    request = access.sagemaker.jobs["docs-1"]
    assert request["Environment"] == {
        "JINA_V3_DEFAULT_TASK": "none",
        "JINA_V3_DEFAULT_DIMENSIONS": "16",
        "JINA_V3_DEFAULT_EMBEDDING_TYPE": "base64",
    }
    assert request["TransformInput"]["ContentType"] == "text/csv"
    assert request["TransformInput"]["CompressionType"] == "Gzip"
    assert request["TransformResources"] == {"InstanceType": "ml.g6.xlarge", "InstanceCount": 1}
    assert request["TransformOutput"]["S3OutputPath"] == f"s3://{BUCKET}/batch/vectors/docs-1"
    assert jobs.submit(FOLDER, task=None, dimensions=16, embedding_type="base64", name="docs-1").name == run.name
    with pytest.raises(ConfigurationError, match="does something else"):
        jobs.submit(FOLDER, dimensions=32, name="docs-1")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a.jsonl", "b.csv"], "files of several formats"),
        (["a.jsonl", "b.jsonl.gz"], "files of several formats"),
        (["a.jsonl", "_SUCCESS"], "_SUCCESS, which is no data"),
        (["a.jsonl", "notes.txt"], "notes.txt, which is no data"),
        ([], "no files"),
    ],
)
def test_folders_that_one_job_cannot_take_are_refused(jobs, batch, names, told):
    for name in names:
        batch.put(name, b'{"text": "a"}\n')
    with pytest.raises(ConfigurationError, match=told):
        jobs.submit(FOLDER)


@pytest.mark.parametrize("option", [{"dry_run": True}, {"max_usd": 1.0}, {"resume": "docs-1"}])
def test_what_only_the_state_machine_can_do_is_refused(jobs, option):
    with pytest.raises(ConfigurationError, match=f"{next(iter(option))}: a transform job without the state machine"):
        jobs.submit(TEXTS, **option)


def test_a_job_that_fails_says_why(jobs, access):
    run = jobs.submit(TEXTS, name="docs-1")
    access.sagemaker.jobs["docs-1"] |= {"TransformJobStatus": "Failed", "FailureReason": "CapacityError: none there"}
    with pytest.raises(BatchError, match="docs-1 failed: CapacityError: none there"):
        run.wait()
    with pytest.raises(EndpointNotFoundError, match="no transform job 'docs-2'; there are docs-1"):
        jobs.run("docs-2").wait()
    assert [one.state for one in jobs.runs()] == ["failed"]
