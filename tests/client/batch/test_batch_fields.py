"""Data whose texts and ids are in fields of other names, from every place that data comes from."""

import csv
import gzip
import json

import pandas as pd
import pytest
from tests.support.batch_deployment import BUCKET

from jina_v3_client.batch.sharding import encode_record
from jina_v3_client.errors import BatchError, ConfigurationError, InvalidInputError
from jina_v3_client.testing import InMemoryBatchClient

PLACE = f"s3://{BUCKET}/batch/datasets/docs/"
NAMES = {"text_field": "body", "id_field": "doc_id"}
RECORDS = [{"doc_id": "a", "body": "first", "year": 2001, "text": "mine"}, {"doc_id": "b", "body": "", "year": 2002}]
CSV = b'doc_id,year,body\r\n"a","2001","first, of all"\r\nb,2002,\r\nc,2003,third\r\n'


def ends(client, data, **options):
    run = client.submit(data, dimensions=8, **options)
    assert run.wait(progress=False).outcome == "complete"
    return run.result()


def test_records(client):
    for each in (client, InMemoryBatchClient()):
        result = ends(each, [*RECORDS, {"body": "third"}], **NAMES)
        first, third = result
        assert (first.id, first.metadata, third.id) == ("a", {"year": 2001, "text": "mine"}, 2)
        (bad,) = result.bad
        assert (bad.id, bad.index, bad.code) == ("b", 1, "empty_text")
        assert [one.id for one in ends(each, ["one", "two"], **NAMES, name="texts")] == [0, 1]
    with pytest.raises(InvalidInputError, match='record 0 has no text; records are a text, or a dict with "body"'):
        client.submit([{"text": "x"}], **NAMES)


def test_a_data_frame(client):
    frame = pd.DataFrame({"doc_id": ["a", "b"], "body": ["first", "second"], "text": [1, 2]})
    first, second = ends(client, frame, **NAMES)
    assert (first.id, first.metadata, second.id) == ("a", {"text": 1}, "b")
    twofold = ends(client, frame.assign(id=["x", "y"]), **NAMES, name="twofold")
    assert [(one.id, one.metadata["id"]) for one in twofold] == [("a", "x"), ("b", "y")]
    assert list(twofold.to_pandas()["id"]) == ["a", "b"]
    unnamed = ends(client, frame.drop(columns="doc_id"), text_field="body")
    assert [one.id for one in unnamed] == [0, 1]
    with pytest.raises(InvalidInputError, match=r"no column 'text'; it has doc_id, body; say .* by text_field"):
        client.submit(frame.drop(columns="text"))
    with pytest.raises(InvalidInputError, match=r"no column 'key'; .* by id_field"):
        client.submit(frame, text_field="body", id_field="key")


@pytest.mark.parametrize("packed", [False, True])
def test_csv_with_the_names_of_its_columns(client, batch, tmp_path, packed):
    file = tmp_path / ("a.csv.gz" if packed else "a.csv")
    file.write_bytes(gzip.compress(CSV) if packed else CSV)
    batch.put(file.name, file.read_bytes())
    for data in (file, PLACE):
        result = ends(client, data, **NAMES)
        found = [(one.id, one.line, one.metadata) for one in result]
        assert found == [("a", 2, {"year": "2001"}), ("c", 4, {"year": "2003"})]
        assert [(bad.id, bad.line) for bad in result.bad] == [("b", 3)]
        assert [one.line for one in result.records()] == [2, 3, 4]


def test_a_column_text_needs_no_name(client, tmp_path):
    (tmp_path / "a.csv").write_text("id,city,text\n7,Ulm,red\n")
    (record,) = ends(client, tmp_path)
    assert (record.id, record.metadata, record.line) == ("7", {"city": "Ulm"}, 2)


def test_what_lacks_the_text_is_refused_with_what_to_say(client, batch):
    batch.put("a.jsonl", b'{"doc_id": "a", "body": "first"}\n')
    run = client.submit(PLACE)
    with pytest.raises(BatchError, match=r'say "text_field": "body" \(--text-field body\)'):
        run.wait(progress=False)


def test_texts_that_are_mostly_empty_are_embedded_as_they_were_asked_for(client):
    result = ends(client, ["", "", "x"], allow_missing_text=True)
    assert ([one.index for one in result], [one.index for one in result.bad]) == ([2], [0, 1])


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ({"text_field": "task"}, "text_field is 'task'; it must be the name of a field that is none of task"),
        ({"id_field": ""}, "id_field is ''"),
        ({"id_field": "text"}, "text and id are both in 'text'"),
    ],
)
def test_names_that_cannot_be(client, names, told):
    with pytest.raises(ConfigurationError, match=told):
        client.submit(["a"], **names)


def test_jobs_without_a_state_machine(jobs, batch, tmp_path):
    awkward = {"text_field": 'the "body", or so', "id_field": " doc_id"}
    records = [{" doc_id": "a", 'the "body", or so': "first", "id": 9}, {" doc_id": "b", 'the "body", or so': " "}]
    result = ends(jobs, records, **awkward)
    assert [(one.id, one.metadata) for one in result] == [("a", {})]
    assert [(one.id, one.code) for one in result.bad] == [("b", "empty_text")]
    frame = pd.DataFrame({"doc_id": ["a"], "body": ["first"]})
    assert [one.id for one in ends(jobs, frame, **NAMES)] == ["a"]

    batch.put("a.csv", CSV)
    with pytest.raises(ConfigurationError, match=r"CSV need the state machine.* submit csv\.DictReader"):
        jobs.submit(PLACE, **NAMES)
    rows = csv.DictReader(CSV.decode().splitlines())
    assert [one.id for one in ends(jobs, rows, **NAMES)] == ["a", "c"]


@pytest.mark.parametrize("head", ["text", "id,text", '\ufeff"id","text"', "id,city,text"])
def test_jobs_without_a_state_machine_would_embed_the_names_of_columns(jobs, batch, tmp_path, head):
    for name, pack in (("a.csv", bytes), ("a.csv.gz", gzip.compress)):
        (tmp_path / name).write_bytes(pack(f"{head}\r\n1,red,Ulm\r\n".encode()))
        with pytest.raises(InvalidInputError, match=r"begins with the names of its columns .*csv\.DictReader"):
            jobs.submit(tmp_path)
        (tmp_path / name).unlink()
    assert batch.keys("batch/datasets/") == []


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_jobs_without_a_state_machine_would_embed_rows_that_no_comma_separates(jobs, tmp_path, sign):
    (tmp_path / "a.csv").write_text(f'"id"{sign}"text"\n1{sign}red\n')
    with pytest.raises(InvalidInputError, match=r"between its columns.*DictReader\(file, delimiter="):
        jobs.submit(tmp_path)


def test_a_record_keeps_its_own_text():
    line, _ = encode_record(3, {"text": "x"}, {})
    assert json.loads(line) == {"id": 3, "text": "x"}
