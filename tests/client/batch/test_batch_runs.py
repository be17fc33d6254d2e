"""Whole runs: what is submitted comes back, in order, by the real steps over the real serving code."""

import gzip
import json
import pickle
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.batch_aws import MACHINE
from tests.support.batch_deployment import BUCKET
from tests.support.batch_service import FileFaultError
from tests.support.fake_encoder import FakeEncoder

from jina_v3.contract import EncodeJob, Task
from jina_v3_client.batch import BatchClient
from jina_v3_client.errors import BatchError, ResponseError

DIMENSIONS = 8
TEXTS = [f"text {number} of many" for number in range(25)]
WITH_BAD = ["first text", "", "third text", "word " * 60, "last text"]


def vector(text, dimensions=DIMENSIONS, normalized=True):
    job = EncodeJob((text,), task=Task.RETRIEVAL_PASSAGE, dimensions=dimensions, normalized=normalized)
    return FakeEncoder.vector(text, job)


def submit(client, data, **options):
    run = client.submit(data, task="retrieval.passage", **{"dimensions": DIMENSIONS, **options})
    assert run.wait().outcome == "complete"
    return run.result()


def assert_vectors(records, texts):
    expected = np.array([vector(text) for text in texts])
    np.testing.assert_allclose(np.array([record.vector for record in records]), expected, rtol=1e-6)


def test_the_vectors_of_an_iterable_come_back_in_its_order_having_travelled_as_base64(client, batch):
    records = list(submit(client, (text for text in TEXTS), embedding_type="float", name="texts"))
    (key,) = batch.keys("batch/vectors/texts/")
    assert isinstance(json.loads(batch.read(key).splitlines()[0])["embedding"], str)
    assert [record.id for record in records] == [record.index for record in records] == list(range(25))
    assert_vectors(records, TEXTS)
    assert {record.vector.dtype for record in records} == {np.dtype("float32")}
    assert {record.tokens for record in records} == {6}


@pytest.mark.parametrize(
    ("form", "kind", "columns"), [("int8", "int8", 8), ("binary", "int8", 1), ("ubinary", "uint8", 1)]
)
def test_small_forms_come_back_as_what_they_are(client, form, kind, columns):
    records = list(submit(client, TEXTS, embedding_type=form))
    found = np.array([record.vector for record in records])
    expected = np.array([vector(text) for text in TEXTS])
    assert (found.dtype, found.shape) == (np.dtype(kind), (25, columns))
    if form == "int8":
        scales = np.array([[record.scale] for record in records])
        np.testing.assert_allclose(found * scales, expected, atol=np.abs(expected).max() / 100)
    else:
        packed = np.packbits(expected > 0, axis=1).astype(int) - (128 if form == "binary" else 0)
        np.testing.assert_array_equal(found, packed)


def test_records_keep_their_ids_and_their_own_fields(client):
    given = [
        {"id": "a", "text": "first", "city": "Ulm", "deep": {"x": [1, None]}},
        {"text": "second"},
        {"id": 7, "text": "third", "embedding_type": "int8"},
        {"id": "d", "text": ["chunk one", "chunk two"], "late_chunking": True},
    ]
    first, second, third, document = submit(client, given)
    assert (first.id, first.metadata) == ("a", {"city": "Ulm", "deep": {"x": [1, None]}})
    assert (second.id, second.metadata) == (1, {})
    assert (third.id, third.vector.dtype, third.scale is None) == (7, np.dtype("int8"), False)
    assert document.vector.shape == (2, DIMENSIONS)


def test_bad_records_are_listed_with_their_place_and_reason(client):
    result = submit(client, WITH_BAD)
    assert [record.index for record in result] == [0, 2, 4]
    bad = list(result.bad)
    assert [(one.index, one.id, one.line, one.code) for one in bad] == [
        (1, 1, 2, "empty_text"),
        (3, 3, 4, "text_too_long"),
    ]
    assert "62 tokens" in bad[1].message
    assert [record.index for record in result.records()] == [0, 1, 2, 3, 4]


def test_truncated_texts_and_lengths_are_asked_for_record_by_record(client):
    (record,) = submit(client, ["word " * 60], truncate=True, normalized=False)
    assert record.truncated
    assert record.tokens == 50
    np.testing.assert_allclose(record.vector, vector("word " * 60, normalized=False), rtol=1e-6)


def lines(texts):
    return b"".join(
        json.dumps({"id": f"r{number}", "text": text}).encode() + b"\n" for number, text in enumerate(texts)
    )


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        *(("parquet", form) for form in ("float", "base64", "int8")),
        *(("jsonl", "float"), ("jsonl.gz", "base64"), ("csv", "int8"), ("folder", "base64"), ("place", "float")),
    ],
)
def test_every_kind_of_file_comes_back_in_every_form(client, batch, tmp_path, kind, form):
    path = tmp_path / f"docs.{kind}"
    match kind:
        case "jsonl":
            path.write_bytes(lines(TEXTS))
        case "jsonl.gz":
            path.write_bytes(gzip.compress(lines(TEXTS)))
        case "csv":
            path.write_text("".join(f'r{number},"{text}"\n' for number, text in enumerate(TEXTS)))
        case "parquet":
            pq.write_table(pa.table({"id": [f"r{number}" for number in range(25)], "text": TEXTS}), path)
        case "folder":
            (path / "sub").mkdir(parents=True)
            (path / "a.jsonl").write_bytes(lines(TEXTS[:10]))
            (path / "sub" / "b.jsonl").write_bytes(lines(TEXTS)[len(lines(TEXTS[:10])) :])
            (path / "_SUCCESS").touch()
        case "place":
            batch.put("a.jsonl", lines(TEXTS))
            path = f"s3://{BUCKET}/batch/datasets/docs"
    result = submit(client, path, embedding_type=form)
    ids, vectors = result.to_numpy()
    assert ids == [f"r{number}" for number in range(25)]
    if form == "int8":
        vectors = vectors * np.array([[record.scale] for record in result])
    expected = np.array([vector(text) for text in TEXTS])
    np.testing.assert_allclose(vectors, expected, **({"atol": 0.01} if form == "int8" else {"rtol": 1e-6}))
    assert list(result.bad) == []


@pytest.mark.parametrize("frame", ["pandas", "pyarrow"])
def test_a_data_frame_keeps_its_columns_and_their_types(client, frame):
    when = pd.Timestamp("2026-01-02T03:04:05", tz="UTC")
    data = pd.DataFrame({"text": WITH_BAD, "price": [1.5, 2.5, None, 4.5, 5.5], "when": [when] * 5})
    result = submit(client, data if frame == "pandas" else pa.Table.from_pandas(data, preserve_index=False))
    records = list(result)
    assert_vectors(records, [WITH_BAD[0], WITH_BAD[2], WITH_BAD[4]])
    assert [(record.id, record.index, record.line) for record in records] == [(0, 0, 1), (2, 2, 3), (4, 4, 5)]
    assert records[0].metadata == {"price": 1.5, "when": when}
    assert [(one.index, one.id, one.code) for one in result.bad] == [(1, 1, "empty_text"), (3, 3, "text_too_long")]
    back = result.to_pandas()
    assert list(back.columns) == ["id", "price", "when", "embedding", "tokens"]
    assert back["price"].isna().tolist() == [False, True, False]


def test_a_result_becomes_a_parquet_file_and_a_data_frame(client, tmp_path):
    result = submit(client, [{"id": f"r{number}", "text": text, "n": number} for number, text in enumerate(TEXTS)])
    assert result.to_parquet(tmp_path / "out.parquet") == 25
    table = pq.read_table(tmp_path / "out.parquet")
    np.testing.assert_allclose(np.array(table["embedding"].to_pylist()), [vector(text) for text in TEXTS], rtol=1e-6)
    assert table["id"].to_pylist() == [f"r{number}" for number in range(25)]
    assert json.loads(table["metadata"][3].as_py()) == {"n": 3}
    frame = result.to_pandas()
    assert frame["n"].tolist() == list(range(25))
    assert frame["embedding"][0].shape == (DIMENSIONS,)


def test_another_process_takes_up_a_run_by_its_name(client, access, batch):
    access.states.looks = 2
    name = client.submit(TEXTS, dimensions=DIMENSIONS).name
    del client

    run = BatchClient(state_machine=MACHINE, bucket=BUCKET, access=access).run(name)
    assert run.status().phase == "planning"
    run._sleep = lambda _: None
    run.wait()
    assert [record.id for record in run.result()] == list(range(25))


def test_a_file_that_was_cut_comes_back_in_the_order_of_its_lines(client, batch):
    whole = [{"id": f"r{number}", "text": "a few words", "pad": "p" * 5000} for number in range(1900)]
    whole[900]["pad"] = "x" * 7 * 2**20
    whole[1800]["text"] = ""
    batch.put("big.jsonl", b"".join(json.dumps(one).encode() + b"\n" for one in whole))
    batch.put("c.jsonl", b"")
    result = submit(client, f"s3://{BUCKET}/batch/datasets/docs/", name="cut")
    assert len(batch.keys("batch/vectors/cut/big.jsonl.shards/")) > 4
    lines = [record.line for record in result]
    assert lines == [line for line in range(1, 1901) if line not in (901, 1801)]
    assert [record.id for record in result][1000] == f"r{lines[1000] - 1}"
    assert sorted((one.line, one.code) for one in result.bad) == [(901, "record_too_large"), (1801, "empty_text")]
    assert [one.line for one in result.unsent] == [901]


def test_bad_records_behind_blank_lines_come_once(client, batch):
    batch.put("a.jsonl", b'{"text": "red"}\n\n{"text": ""}\n{"text": ""}\n')
    result = submit(client, f"s3://{BUCKET}/batch/datasets/docs/", name="blank", allow_missing_text=True)
    assert [type(record).__name__ for record in result.records()] == ["BatchRecord", "BadRecord", "BadRecord"]
    assert [one.line for one in result.bad] == [3, 4]
    assert list(result.unsent) == []


def test_a_resumed_run_gives_what_both_have_embedded(client, batch):
    for number in range(3):
        batch.put(f"{number}.jsonl", lines([f"text {number}", ""]))

    def dies(_job, key, _out):
        if key == "1.jsonl":
            raise FileFaultError("AlgorithmError: the container died")

    batch.service.before_file = dies
    run = client.submit(f"s3://{BUCKET}/batch/datasets/docs/", dimensions=DIMENSIONS, task="retrieval.passage")
    with pytest.raises(BatchError, match=r"1 of 3 files are outstanding.*the container died") as caught:
        run.wait()
    assert caught.value.run == run.name
    assert caught.value.report["outstanding"][0]["file"] == "1.jsonl"
    assert f"resume='{run.name}'" in caught.value.advice
    assert pickle.loads(pickle.dumps(caught.value)).report == caught.value.report
    with pytest.raises(BatchError, match="incomplete"):
        run.result()
    assert [record.file for record in run.result(partial=True)] == ["0.jsonl", "2.jsonl"]

    batch.service.before_file = lambda *_: None
    again = client.submit(resume=run.name)
    assert again.wait().outcome == "complete"
    assert_vectors(again.result(), ["text 0", "text 1", "text 2"])
    assert sorted(one.file for one in again.result().bad) == ["0.jsonl", "1.jsonl", "2.jsonl"]


DAMAGES = {
    "line 25: it is not JSON": lambda body: body[:-30],
    "24 vectors.*had 25": lambda body: body[: body.rindex(b'{"')],
    "line 1: its vector is no base64": lambda body: body.replace(b'"embedding":"', b'"embedding":"*', 1),
    "151 tokens.*150": lambda body: body.replace(b'"tokens":6', b'"tokens":7', 1),
    "line 1: it is no object": lambda body: b"[1]\n" + body,
    "line 3: its vector has no values, or some that are no numbers": lambda body: re.sub(
        rb'("id":2,"embedding":)"[^"]*"', rb'\1"AADAfw=="', body
    ),
}


def test_a_damaged_output_is_an_error_and_never_a_shorter_result(client, batch):
    before = submit(client, TEXTS, name="damaged")
    (key,) = batch.keys("batch/vectors/damaged/")
    whole = batch.read(key)
    for told, damage in DAMAGES.items():
        batch.s3.put_object(Bucket=BUCKET, Key=key, Body=damage(whole))
        result = client.run("damaged").result()
        with pytest.raises(BatchError, match=f"records-000000000000.jsonl is damaged: .*{told}"):
            list(result)
    with pytest.raises(ResponseError, match="changed, or gone"):
        list(before)
    batch.s3.delete_object(Bucket=BUCKET, Key=key)
    with pytest.raises(BatchError, match="is gone"):
        client.run("damaged").result()


def test_a_damaged_parquet_output_is_an_error(client, batch):
    submit(client, pa.table({"text": TEXTS}), name="damaged")
    (key,) = batch.keys("batch/vectors/damaged/")
    whole = batch.read(key)
    for damaged in (whole[:-100], whole[:100] + b"\0" * 50 + whole[150:], b""):
        batch.s3.put_object(Bucket=BUCKET, Key=key, Body=damaged)
        with pytest.raises(BatchError, match=r"parquet is damaged: it is no Parquet"):
            list(client.run("damaged").result())


def test_bad_records_of_a_file_that_changed_since_count_no_more(client, batch):
    for name in "abc":
        batch.put(f"{name}.jsonl", lines(["one", "", "three"]))

    def dies(_job, key, _out):
        if key == "c.jsonl":
            raise FileFaultError("AlgorithmError: the container died")

    batch.service.before_file = dies
    run = client.submit(f"s3://{BUCKET}/batch/datasets/docs/", dimensions=DIMENSIONS, task="retrieval.passage")
    with pytest.raises(BatchError, match="incomplete"):
        run.wait()
    batch.service.before_file = lambda *_: None
    batch.put("a.jsonl", lines(["one", "two", ""]))
    again = client.submit(resume=run.name)
    again.wait()
    assert sorted((one.file, one.line) for one in again.result().bad) == [
        ("a.jsonl", 3),
        ("b.jsonl", 2),
        ("c.jsonl", 2),
    ]
    assert_vectors(again.result(), ["one", "two", "one", "three", "one", "three"])
