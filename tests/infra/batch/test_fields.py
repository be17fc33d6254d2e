"""Datasets whose texts and ids have names of their own, from the first look to the vectors."""

import csv
import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.fake_encoder import FakeEncoder

from jina_v3.config import Config
from jina_v3.contract import ANSWER_FIELDS, PARAMETERS
from jina_v3.serving.codecs import read_request, write_response
from jina_v3.serving.exchange import Prediction
from jina_v3_batch import fields as batch_fields
from jina_v3_batch.errors import PreflightError
from jina_v3_batch.fields import RecordFields
from jina_v3_batch.lines import split_lines
from jina_v3_batch.pairing import pair
from jina_v3_batch.records_in import Form
from jina_v3_batch.request import read_request as read_run


def put_lines(batch, name, *records):
    batch.put(name, b"".join(json.dumps(record).encode() + b"\n" for record in records))


def refusal(batch, **request):
    """The reason for which a run is refused before it has made any job."""
    report = batch.run(**request)
    assert (batch.end, batch.service.requests) == ("Refused", [])
    return report["error"]["message"]


def answers(batch, name="run-1"):
    keys = batch.keys(f"batch/vectors/{name}/")
    return [json.loads(line) for key in keys for line in batch.read(key).splitlines()]


def parquet(**columns):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


DOCUMENTS = [{"doc_id": f"d{number}", "body": "some words", "year": 2000 + number} for number in range(4)]
CSV = b'doc_id,"the year",body\r\nd1,2001,some words\r\nd2,2002,"words, and ""more"""\r\nd3,2003,\r\n'


def test_the_same_names_are_reserved_as_in_the_container():
    assert (batch_fields.PARAMETERS, batch_fields.ANSWER_FIELDS) == (PARAMETERS, ANSWER_FIELDS)


def test_json_lines(batch):
    put_lines(batch, "a.jsonl", *DOCUMENTS, {"doc_id": "bad", "body": " ", "text": "mine"})
    report = batch.run(text_field="body", id_field="doc_id")
    assert report["records"] == {"all": 5, "embedded": 4, "bad": 1}
    assert [(one["id"], one.get("year")) for one in answers(batch)[:4]] == [(f"d{n}", 2000 + n) for n in range(4)]
    (bad,) = report["bad"]["empty_text"]["first"]
    assert (bad["id"], bad["line"]) == ("bad", 5)
    assert "Fields     text from body, id from doc_id" in batch.text()
    environment = batch.service.requests[0]["Environment"]
    assert (environment["JINA_V3_TEXT_FIELD"], environment["JINA_V3_ID_FIELD"]) == ("body", "doc_id")


def test_parquet(batch):
    batch.put("a.parquet", parquet(doc_id=["a", "b"], body=["x", None], text=[1, 2]))
    report = batch.run(text_field="body", id_field="doc_id")
    assert report["records"] == {"all": 2, "embedded": 1, "bad": 1}
    assert report["bad"]["empty_text"]["first"][0]["id"] == "b"
    table = pq.read_table(io.BytesIO(batch.read("batch/vectors/run-1/a.parquet.out")))
    assert table.column_names[:3] == ["doc_id", "body", "text"]


@pytest.mark.parametrize("packed", [False, True])
def test_csv_with_the_names_of_its_columns(batch, packed):
    end, pack = (".gz", gzip.compress) if packed else ("", bytes)
    batch.put(f"a.csv{end}", pack(CSV))
    batch.put(f"b.csv{end}", pack(b"\xef\xbb\xbf" + CSV.replace(b"d1", b"e1")))
    report = batch.run(text_field="body", id_field="doc_id")
    assert report["records"] == {"all": 6, "embedded": 4, "bad": 2}
    first, second, bad, other, *_ = answers(batch)
    assert (first["id"], first["the year"], second["id"], other["id"]) == ("d1", "2001", "d2", "e1")
    assert "body" not in first
    assert (bad["id"], bad["error"]["code"]) == ("d3", "empty_text")
    assert report["bad"]["empty_text"]["first"][0]["line"] == 4
    assert batch.service.requests[0]["Environment"]["JINA_V3_CSV_COLUMNS"] == '"doc_id","the year","body"'


def test_csv_that_is_cut_has_its_names_in_the_first_shard_only(batch):
    rows = b"".join(b"d%d,2000,%s\n" % (number, b"word" * 2500) for number in range(900))
    batch.put("a.csv", b"doc_id,year,body\n" + rows)
    report = batch.run(text_field="body", id_field="doc_id", embedding_type="binary", dimensions=8)
    assert len(batch.keys("batch/runs/run-1/shards/")) > 1
    assert report["records"] == {"all": 900, "embedded": 900, "bad": 0}
    assert [one["id"] for one in answers(batch)] == [f"d{number}" for number in range(900)]


def test_csv_that_names_a_column_text_needs_no_field(batch):
    batch.put("a.csv", b"id,title,text\n1,Dawn,sunrise\n2,Dusk,sunset\n")
    report = batch.run()
    assert report["notes"] == ['the first row of the files names the columns, and is no record: "id", "title", "text"']
    assert [(one["id"], one["title"]) for one in answers(batch)] == [("1", "Dawn"), ("2", "Dusk")]


@pytest.mark.parametrize("head", ["", "id,text\r\n"])
def test_csv_files_with_marks_of_byte_order_that_were_put_together(batch, head):
    files = [f"{head}{name},some words\r\n".encode("utf-8-sig") for name in "abc"]
    batch.put("a.csv", b"".join(files) + b"\xef\xbb\xbf\r\n")
    assert batch.run()["records"] == {"all": 3, "embedded": 3, "bad": 0}
    assert [one["id"] for one in answers(batch)] == ["a", "b", "c"]


def test_a_field_that_most_records_have_is_not_to_be_another(batch):
    names = {"text_field": "body", "id_field": "number"}
    batch.put("a.csv", b"number,body\nn1,\nn2,\n")
    assert "say" not in refusal(batch, **names)  # an id is no text
    batch.put("a.csv", b"number,body\nn1,some words\nn2,\n")
    (note,) = batch.run("run-2", **names)["notes"]
    assert note.startswith("1 of 2 sampled records have no text")
    assert "say" not in note


def test_parquet_that_the_container_would_refuse_is_refused_before(batch):
    batch.put("a.parquet", parquet(text=[b"a"]))
    assert "the column 'text' of a.parquet holds no strings" in refusal(batch)
    sink = io.BytesIO()
    pq.write_table(pa.table([pa.array(["a"]), pa.array(["b"]), pa.array(["c"])], ["text", "x", "x"]), sink)
    batch.put("a.parquet", sink.getvalue())
    assert "a.parquet has two columns 'x'" in refusal(batch)


def test_a_header_that_was_packed_by_itself_before_the_rows(batch):
    parts = (b"", b"id,text\n", b"a,first\n", b"b,second\n")
    batch.put("a.csv.gz", b"".join(map(gzip.compress, parts)) + bytes(512))
    assert batch.run()["records"] == {"all": 2, "embedded": 2, "bad": 0}
    assert [one["id"] for one in answers(batch)] == ["a", "b"]


def test_a_resumed_run_has_the_fields_of_the_first(batch):
    batch.put("a.csv", CSV)
    batch.run(text_field="body", id_field="doc_id")
    batch.put("b.csv", CSV.replace(b"d1", b"e1"))
    assert batch.run("run-2", resume="run-1")["records"] == {"all": 6, "embedded": 4, "bad": 2}
    batch.put("c.csv", b"body,doc_id\nx,1\n")
    told = batch.run("run-3", resume="run-2")["error"]["message"]
    assert 'the columns are "doc_id", "the year", "body"' in told
    assert 'c.csv begins with a row of 2 columns without "the year"' in told
    told = batch.run("run-4", resume="run-2", text_field="abstract")["error"]["message"]
    assert "text_field is 'abstract', but the run to resume has 'body'" in told


@pytest.mark.parametrize(("sign", "named"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
def test_columns_that_no_comma_separates_are_refused(batch, sign, named):
    batch.put("a.csv", "id,Text,year\n1,words; and more,2001\n2,a|b,2002\n".replace(",", sign).encode())
    assert f"a.csv seem to have {named} between their columns" in refusal(batch)
    batch.put("a.csv", '"id","body"\n"1","some, words"\n'.replace('","', f'"{sign}"').encode())
    assert named in refusal(batch, text_field="body")
    batch.put("a.csv", b"nr,kommentar\n" + b"1,some words\n" * 10)
    batch.put("a.csv", batch.read("batch/datasets/docs/a.csv").replace(b",", sign.encode()))
    assert named in refusal(batch)


def test_ids_that_cannot_be_are_told_before_they_are_errors(batch):
    put_lines(batch, "a.jsonl", *({"doc_id": wrong, "body": "x"} for wrong in (1.0, True, 2**70, ["a"])))
    told = refusal(batch, text_field="body", id_field="doc_id")
    assert told.startswith("4 of 4 sampled records have something in 'doc_id' that is neither a string")
    put_lines(batch, "b.jsonl", {"doc_id": 2**64 - 1, "body": "x"})
    report = batch.run("run-2", text_field="body", id_field="doc_id")
    assert (report["notes"], report["records"]["bad"]) == ([told.replace("4 of 4", "4 of 5").partition(";")[0]], 4)


def test_fields_that_do_not_come_back_are_told(batch):
    put_lines(batch, "a.jsonl", {"doc_id": "a", "id": 1, "text": "x"}, {"doc_id": "b", "text": "x", "error": "mine"})
    (note,) = batch.run(id_field="doc_id")["notes"]
    assert note == 'records have "id", "error", which an answer has of its own; theirs do not come back'
    assert all(not {"error"} & one.keys() and one["id"] in ("a", "b") for one in answers(batch))


def test_ids_behind_the_texts_are_not_embedded(batch):
    batch.put("a.csv", b"Body,ID\nsome words,1\n")
    assert 'begins with "Body", "ID", and rows without names are id,text: say "text_field": "Body"' in refusal(batch)


def test_texts_with_semicolons_are_texts(batch):
    batch.put("a.csv", b"title; summary\nwords without\n" + b"words; with\n" * 20)
    assert batch.run()["records"] == {"all": 22, "embedded": 22, "bad": 0}


LIKELY = 'say "text_field": "body" (--text-field body)'


def test_records_without_text_are_refused_with_the_field_that_is_likely(batch):
    put_lines(batch, "a.jsonl", *DOCUMENTS)
    told = refusal(batch)
    assert 'an object with "doc_id", "body", "year"' in told
    assert told.endswith(f'4 of 4 have a string in "body": {LIKELY}')


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([{"id": 1, "a": "longer words", "url": "x"}] * 2, '"text_field": "a" (--text-field a)'),
        ([{"id": 1, "it's": "words"}] * 2, """"text_field": "it's" (--text-field 'it'"'"'s')"""),
        ([{"id": "a", "error": "words"}, {"id": "b"}], 'records are objects with "text"'),
        ([{"text": {"body": "words"}}], "an object whose text is no string"),
    ],
)
def test_what_is_proposed(batch, records, words):
    put_lines(batch, "a.jsonl", *records)
    told = refusal(batch)
    assert words in told
    assert ("--text-field" in told) == ("--text-field" in words)


def test_most_records_without_text_are_refused_unless_they_are_to_be_so(batch):
    put_lines(batch, "a.jsonl", {"id": 1, "text": "x"}, *({"id": number, "text": ""} for number in range(2, 5)))
    told = refusal(batch)
    assert told.startswith("3 of 4 sampled records, most of them, have no text: the first of these is an object whose")
    assert '"allow_missing_text": true (--allow-missing-text)' in told
    report = batch.run("run-2", allow_missing_text=True)
    assert report["records"] == {"all": 4, "embedded": 1, "bad": 3}
    assert report["notes"][0].startswith("3 of 4 sampled records have no text, and will be errors of their own")


def test_half_of_the_records_without_text_are_noted(batch):
    put_lines(batch, "a.jsonl", {"id": 1, "text": "x"}, {"id": 2})
    assert batch.run()["notes"][0].startswith("1 of 2 sampled records have no text")


@pytest.mark.parametrize(
    ("files", "request_fields", "words"),
    [
        ({"a.jsonl": b'{"key": 1, "body": "x"}\n'}, {"text_field": "body", "id_field": "doc_id"}, '"id_field": "key"'),
        ({"a.parquet": parquet(a=["x"], b=["y"])}, {}, 'no column \'text\'; it has "a", "b"'),
        ({"a.parquet": parquet(a=[1], b=["y"])}, {}, 'say "text_field": "b"'),
        ({"a.parquet": parquet(body=[1])}, {"text_field": "body"}, "the column 'body' of a.parquet holds no strings"),
        ({"a.parquet": parquet(text=["x"], key=[1])}, {"id_field": "id_"}, 'no column \'id_\'; it has "text", "key"'),
        ({"a.csv": CSV}, {}, f"if the first row names the columns, {LIKELY}"),
        ({"a.csv": b"1,x,2\n3,y,4\n"}, {}, 'if the first row names the columns, say which has the texts: "text_field"'),
        ({"a.csv": CSV}, {"text_field": "abstract"}, f'names "doc_id", "the year", "body": {LIKELY}'),
        ({"a.csv": CSV}, {"text_field": "body", "id_field": "key"}, 'say "id_field": "doc_id" (--id-field doc_id)'),
        ({"a.csv": b"body,a\nx,1\n", "b.csv": b"a,body\n1,x\n"}, {"text_field": "body"}, "b.csv has them in another"),
        ({"a.csv": b"1,x\n", "b.csv": b"id,text\n1,x\n"}, {}, 'a.csv begins with a row of 2 columns without "id", "te'),
        ({"a.csv": b"1,what nobody but its reader should see\n"}, {"text_field": "body"}, 'a.csv names "1", "…"; say'),
        ({"a.csv": b"body,a,a\nx,1,2\n"}, {"text_field": "body"}, "two columns 'a'"),
        ({"a.csv": b'body,"a\nb"\nx,1\n'}, {"text_field": "body"}, "is no row of CSV on a line of its own"),
        ({"a.csv": b"body,\xff\nx,1\n"}, {"text_field": "body"}, "cannot be told"),
        ({"a.csv": b"body," + b"a" * 10_240 + b"\nx,1\n"}, {"text_field": "body"}, "10,240 characters"),
        ({"a.csv": b"doc_id,body\n"}, {"text_field": "body"}, "no more than names of columns"),
        ({"a.csv": b"body,b\n,1\n ,2\n"}, {"text_field": "body"}, "a row whose text is blank"),
        ({"a.csv": "body,b\nx,1\n".encode("utf-16")}, {"text_field": "body"}, "UTF-16"),
    ],
)
def test_fields_that_are_not_there_are_refused(batch, files, request_fields, words):
    for name, body in files.items():
        batch.put(name, body)
    assert words in refusal(batch, **request_fields)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.jsonl": b'{"doc_id": 1, "text": "x"}\n'}, 'no sampled record has an "id"'),
        ({"a.csv": b"id,body\n1,x\n"}, f"if these are the names of its columns, {LIKELY}"),
    ],
)
def test_what_may_be_meant_otherwise_is_noted(batch, files, words):
    for name, body in files.items():
        batch.put(name, body)
    (note,) = batch.run()["notes"]
    assert words in note


def test_ids_that_some_records_lack_are_noted(batch):
    put_lines(batch, "a.jsonl", {"key": 1, "text": "x"}, {"text": "y"})
    assert batch.run(id_field="key")["notes"] == ["1 of 2 sampled records have no 'key', and are given an id"]


@pytest.mark.parametrize(
    ("request_fields", "words"),
    [
        ({"text_field": ""}, "text_field is ''; it must be the name of a field"),
        ({"text_field": 5}, "text_field is 5"),
        ({"id_field": "a\nb"}, r"id_field is 'a\nb'"),
        ({"text_field": "x" * 257}, "up to 256 characters"),
        ({"text_field": "task"}, "text_field is 'task', which means something else"),
        ({"id_field": "text"}, "text_field and id_field are both 'text'"),
        ({"allow_missing_text": "yes"}, "true or false"),
        ({"text_fields": "body"}, "did you mean 'text_field'"),
    ],
)
def test_names_that_cannot_be(request_fields, words):
    with pytest.raises(PreflightError) as caught:
        read_run({"dataset": "s3://bucket/docs/", **request_fields})
    assert words in str(caught.value)


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=6).filter(
    lambda name: name not in (*batch_fields.RESERVED, "usage")
)
cells = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=6)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.data())
def test_rows_of_any_names_are_paired_with_their_answers(data):
    columns = tuple(data.draw(st.lists(names, min_size=2, max_size=4, unique=True)))
    fields = RecordFields(columns[0], columns[1], tuple(data.draw(st.permutations(columns))))
    rows = data.draw(st.lists(st.lists(cells, min_size=len(columns), max_size=len(columns)), max_size=5))
    quoting = data.draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
    sink = io.StringIO()
    csv.writer(sink, quoting=quoting, lineterminator="\r\n").writerows([fields.columns, *rows])
    body = sink.getvalue().encode()
    config = Config.from_environment({**fields.environment(), "JINA_V3_DEFAULT_DIMENSIONS": "2"})
    told = config.fields
    assert (told.text, told.id, told.columns) == (fields.text, fields.id, fields.columns)
    request = read_request(body, "text/csv", config)
    output = write_response(
        Prediction(request, tuple(FakeEncoder().encode_jobs(request.jobs))), "application/jsonlines"
    )[0]
    account = pair(
        split_lines([body]), split_lines([output]), "csv", Form("float", 2), lambda _line, _out: None, fields
    )
    filled = [row for row in rows if tuple(row) != fields.columns and (any(map(str.strip, row)) or len(row) > 1)]
    assert account.records == len(filled)
