"""What is submitted: files of a sensible size, uploaded once, and refused where it cannot be embedded."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.batch_aws import refusal
from tests.support.batch_deployment import BUCKET

from jina_v3_client.batch import BatchClient, sharding, table_sharding
from jina_v3_client.batch.sharding import LineShards
from jina_v3_client.batch.sizes import VectorSize
from jina_v3_client.batch.table_sharding import write_tables
from jina_v3_client.errors import AccessError, ConfigurationError, InvalidInputError, TooLargeError

DATASETS = "batch/datasets/"

records = st.one_of(
    st.text(),
    st.fixed_dictionaries({"text": st.text()}, optional={"id": st.text() | st.integers(0, 9), "n": st.integers()}),
)


@given(st.lists(records, min_size=1, max_size=30), st.integers(60, 2000), st.integers(7000, 60_000))
def test_shards_hold_every_record_once_in_order_and_within_their_bounds(
    tmp_path_factory, given_records, file_bytes, answer_bytes
):
    folder = tmp_path_factory.mktemp("shards")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharding, "FILE_BYTES", file_bytes)
        patch.setattr(sharding, "ANSWER_BYTES", answer_bytes)
        files = LineShards(folder, VectorSize("base64", 1024)).write(given_records)
    assert sorted(files) == list(files)
    index = 0
    for name, file in files.items():
        lines = file.path.read_bytes().split(b"\n")
        assert lines.pop() == b""
        assert name == f"records-{index:012d}.jsonl"
        assert file.bytes <= file_bytes or len(lines) == 1
        assert len(lines) * 5464 <= answer_bytes
        for line in lines:
            wanted = given_records[index]
            whole = {"text": wanted} if isinstance(wanted, str) else wanted
            assert json.loads(line) == {"id": index, **whole}
            index += 1
    assert index == len(given_records)


@pytest.mark.parametrize("kind", ["pandas", "pyarrow", "polars"])
def test_table_shards_hold_every_row_once_with_one_schema(tmp_path, monkeypatch, kind):
    frame = pd.DataFrame({"text": ["word " * (number % 7 * 40) for number in range(200)], "n": [None] * 199 + [1.0]})
    data = frame if kind == "pandas" else pa.Table.from_pandas(frame, preserve_index=False)
    if kind == "polars":
        data = pytest.importorskip("polars").from_arrow(data)
    monkeypatch.setattr(table_sharding, "FILE_BYTES", 20_000)
    files = write_tables(data, tmp_path, VectorSize("float", 64))
    tables = [pq.read_table(tmp_path / name) for name in sorted(files)]
    assert len(tables) > 5
    assert all(table.schema.equals(tables[0].schema) for table in tables)
    whole = pa.concat_tables(tables)
    assert whole["id"].to_pylist() == list(range(200))
    assert whole["text"].to_pylist() == frame["text"].tolist()


def test_the_same_data_is_uploaded_once(client, batch):
    uploads = []
    batch.s3.meta.events.register("before-call.s3.PutObject", lambda **_: uploads.append(1), unique_id="count")
    try:
        client.submit(["a", "b"])
        first = batch.keys(DATASETS)
        client.submit(text for text in ["a", "b"])
        assert batch.keys(DATASETS) == first
        assert len(uploads) == len(first) == 1
        client.submit(["a", "c"])
        assert len(batch.keys(DATASETS)) == 2
    finally:
        batch.s3.meta.events.unregister("before-call.s3.PutObject", unique_id="count")


def test_an_upload_that_broke_off_is_completed(client, batch, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"text": name}))
    client.submit(tmp_path)
    first, second = batch.keys(DATASETS)
    batch.s3.delete_object(Bucket=BUCKET, Key=second)
    client.submit(tmp_path)
    assert batch.keys(DATASETS) == [first, second]


def test_what_is_not_given_is_left_to_the_deployment(client, access):
    client.submit(f"s3://{BUCKET}/batch/datasets/docs", name="bare")
    client.submit(f"s3://{BUCKET}/docs/", name="full", task=None, dimensions=64, embedding_type="int8", max_usd=5,
                  instances=2, dry_run=True, output=f"s3://{BUCKET}/out/", format="csv")  # fmt: skip
    bare, full = (json.loads(access.states.executions[name]["input"]) for name in ("bare", "full"))
    assert bare == {"dataset": f"s3://{BUCKET}/batch/datasets/docs/"}
    assert full == {
        "dataset": f"s3://{BUCKET}/docs/", "task": None, "dimensions": 64, "embedding_type": "int8", "max_usd": 5,
        "instances": 2, "dry_run": True, "output": f"s3://{BUCKET}/out/", "format": "csv",
    }  # fmt: skip


def test_the_same_under_the_same_name_is_the_same_run(client, access):
    client.submit(["a"], name="docs-1").wait()
    assert client.submit(["a"], name="docs-1").wait().outcome == "complete"
    assert len(access.states.executions) == 1
    with pytest.raises(ConfigurationError, match="'docs-1' is there already, of another dataset"):
        client.submit(["b"], name="docs-1")


def test_names_tell_the_dataset_and_differ(client):
    first, second = (client.submit(f"s3://{BUCKET}/some/docs v2/") for _ in range(2))
    assert first.name.startswith("docs-v2-2")
    assert first.name != second.name


@pytest.mark.parametrize(
    ("data", "told", "index"),
    [
        ([], "there are no texts", None),
        (["a", 5], "record 1 is a int", 1),
        ([{"id": 1}], "record 0 has no text", 0),
        (["a", "b", "\ud800"], "record 2 has half of a surrogate pair", 2),
        ([{"text": "a", "when": np.float32(1)}], "record 0 cannot be JSON", 0),
        ([{"text": ["a", "b"]}], "late_chunking", 0),
        ([{"text": "a", "n": float("nan")}], "cannot be JSON", 0),
        (b"bytes", "data is a bytes", None),
        (7, "data is a int", None),
        ("no/such/file.jsonl", "one text is a list of one", None),
        (pd.DataFrame({"body": ["a"]}), "no column 'text'; it has body", None),
        (pd.DataFrame({"text": [1, 2]}), "a column 'text' of int64", None),
        (pd.DataFrame({"text": pd.Series([], dtype=str)}), "there are no texts", None),
        (pd.DataFrame([["a", "b"]], columns=["text", "text"]), "columns of the same name", None),
        (pd.DataFrame({"text": ["a", "b"], "x": [1, "b"]}), "no column of Parquet", None),
    ],
)
def test_data_that_cannot_be_embedded_is_refused_before_anything_is_sent(client, batch, access, data, told, index):
    with pytest.raises(InvalidInputError, match=told) as caught:
        client.submit(data)
    assert caught.value.index == index
    assert batch.keys("") == []
    assert access.states.executions == {}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"task": "retrieval.queries"}, "did you mean 'retrieval.query'"),
        ({"dimensions": 0}, "dimensions is 0"),
        ({"embedding_type": "bfloat16"}, "embedding_type is 'bfloat16'"),
        ({"name": "docs 1"}, "a run's name has up to 63"),
        ({"max_usd": float("nan")}, "max_usd is nan"),
        ({"max_usd": 0}, "max_usd is 0"),
        ({"instances": 0}, "instances is 0"),
        ({"format": "xml"}, "must be one of auto, jsonl, csv, parquet"),
    ],
)
def test_parameters_that_cannot_be_are_refused(client, options, told):
    with pytest.raises((InvalidInputError, ConfigurationError), match=told):
        client.submit(["a"], **options)


def test_files_of_another_kind_are_left_out_and_said_to_be(client, batch, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}')
    (tmp_path / "README.md").touch()
    (tmp_path / ".hidden.jsonl").touch()
    with pytest.warns(UserWarning, match=r"left out, as no data by its name: README\.md \(1 in all\)"):
        client.submit(tmp_path)
    assert [key.rpartition("/")[2] for key in batch.keys(DATASETS)] == ["a.jsonl"]
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(InvalidInputError, match=r"has no data: files are \.jsonl"):
        client.submit(tmp_path)


def test_what_records_must_say_themselves_cannot_be_set_for_a_file(client, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}')
    with pytest.raises(ConfigurationError, match="truncate cannot be set for a file; let its records say so"):
        client.submit(tmp_path, truncate=True)


def test_a_denial_names_the_action_that_is_missing(client, access, batch):
    access.states.refusals.append(refusal("AccessDeniedException", "StartExecution", "no", 403))
    with pytest.raises(AccessError, match=r"allow the IAM action states:StartExecution.*request r-1"):
        client.submit(["a"])

    def deny(**_):
        raise refusal("AccessDenied", "ListObjectsV2", "", 403)

    batch.s3.meta.events.register_first("before-call.s3.ListObjectsV2", deny, unique_id="deny")
    try:
        with pytest.raises(AccessError, match="s3:ListBucket"):
            client.submit(["a"])
    finally:
        batch.s3.meta.events.unregister("before-call.s3.ListObjectsV2", unique_id="deny")


def test_a_client_without_a_state_machine_and_a_model_is_none():
    with pytest.raises(ConfigurationError, match="must be an ARN"):
        BatchClient(state_machine="deployment-batch", bucket=BUCKET)
    with pytest.raises(ConfigurationError, match="without the bucket"):
        BatchClient(state_machine="arn:aws:states:us-east-1:123456789012:stateMachine:x")


def test_a_record_too_large_for_a_transform_job_alone_is_refused(jobs):
    with pytest.raises(TooLargeError, match="record 1 has"):
        jobs.submit(["a", "x" * 7_000_000])
