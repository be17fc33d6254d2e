"""Records whose text and id are in fields of other names: JSON lines, CSV with and without its header, Parquet."""

import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.asking import answer as written_answer
from tests.support.asking import ask, parquet

from jina_v3.config import Config, ConfigError
from jina_v3.errors import RequestError
from jina_v3.record_fields import RESERVED, RecordFields
from jina_v3.serving.codecs import open_response, read_parts, read_request
from jina_v3.serving.formats.attributes import HEADER

LINES = "application/jsonlines"
PARQUET = "application/x-parquet"
PRESENT = "text/csv; header=present"
BODY = {"JINA_V3_TEXT_FIELD": "body", "JINA_V3_ID_FIELD": "doc_id", "JINA_V3_DEFAULT_DIMENSIONS": "2"}
NAMED = Config.from_environment(BODY)


def lines(*records):
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def test_the_environment_names_the_fields_of_json_lines():
    first, second, third = ask(
        lines(
            {"doc_id": "a", "body": "x y", "city": "Ulm", "text": "mine", "input": 5, "id": "also mine"},
            {"doc_id": 7, "text": "x"},
            {"doc_id": 1.5, "body": "x"},
        ),
        LINES,
        config=NAMED,
    )
    assert sorted(first) == ["city", "embedding", "id", "input", "text", "tokens"]
    assert (first["id"], first["text"], first["input"], first["tokens"]) == ("a", "mine", 5, 4)
    assert (second["id"], second["error"]["code"], second["error"]["field"]) == (7, "missing_field", "body")
    assert second["error"]["message"] == "the record has no 'body'"
    assert (third["error"]["code"], third["error"]["field"]) == ("wrong_type", "doc_id")


def test_the_header_comes_before_the_environment():
    attributes = "text_field=abstract; id_field=key"
    body = lines({"key": "a", "abstract": "x", "body": "mine"}, {"key": "b", "abstract": ""}, {"key": "c"})
    good, empty, none = ask(body, LINES, config=NAMED, attributes=attributes)
    assert (good["id"], good["body"], "abstract" in good) == ("a", "mine", False)
    assert (empty["id"], empty["error"]["code"], empty["error"]["field"]) == ("b", "empty_text", "abstract")
    assert none["error"]["message"] == "the record has no 'abstract'"


def test_a_name_that_was_given_is_the_only_one():
    (error,) = ask(lines({"input": "x"}), LINES, config=Config(), attributes="text_field=text")
    assert error["error"]["code"] == "missing_field"
    (found,) = ask(lines({"input": "x", "text": 5}), LINES, config=Config(), attributes="text_field=input")
    assert (found["tokens"], found["text"]) == (3, 5)


def test_chunks_are_told_by_the_value_and_not_by_the_name():
    config = Config(fields=RecordFields(text="body[0]"), default_dimensions=2)
    record = {"body[0]": "x", "late_chunking": True}
    several = {"body[0]": ["x", "y"], "late_chunking": True}
    one, two, three = ask(lines({"body[0]": "x"}, record, several), LINES, config=config)
    assert ["embedding" in line for line in (one, two, three)] == [True, True, False]
    assert len(three["embeddings"]) == 2


def test_an_unreadable_line_tells_its_id():
    (error,) = ask(b'{"doc_id": "a", "id": "b", "body": "\\ud800"}\n', LINES, config=NAMED)
    assert (error["id"], "error" in error) == ("a", True)


def test_csv_that_names_its_columns():
    body = "city,body,doc_id,text,id\nUlm,x y,7,mine,8\nBonn,,9,,\n"
    good, bad = ask(body, PRESENT, LINES, NAMED)
    assert (good["id"], good["city"], good["text"], good["tokens"]) == ("7", "Ulm", "mine", 4)
    assert (bad["id"], bad["error"]["code"], bad["error"]["field"]) == ("9", "empty_text", "body")
    for header, name in (("city,text\n", "body"), ("city,body\n", "doc_id")):
        with pytest.raises(RequestError, match=f"name the columns, one of them '{name}'") as caught:
            read_request(header, PRESENT, NAMED)
        assert caught.value.code.wire_name == "missing_field"
    assert len(ask("a,x\n", "text/csv", config=NAMED)["data"]) == 1  # rows of id,text have no names


def test_csv_whose_columns_are_known_beforehand():
    config = Config.from_environment({**BODY, "JINA_V3_CSV_COLUMNS": '"city, or town",body,doc_id'})
    header, rows = '"city, or town","body",doc_id\r\n', '"Ulm",x,1\r\n\r\nBonn,"y, z",2\r\nParis,1\r\n'
    for body in (header + rows, rows, rows + header, "\ufeff" + header + rows):
        first, second, third = ask(body.encode(), "text/csv", LINES, config)
        assert (first["id"], first["city, or town"], first["tokens"]) == ("1", "Ulm", 3)
        assert (second["id"], second["city, or town"], second["tokens"]) == ("2", "Bonn", 4)
        assert third["error"]["code"] == "not_csv"
        assert "3 columns" in third["error"]["message"]
        whole = read_request(body.encode(), "text/csv", config).records
        parts = read_parts(body.encode(), "text/csv", config, rows_per_part=1)
        apart = [record for part in parts for record in part.records]
        assert [(one.line, one.id, one.texts) for one in apart] == [(one.line, one.id, one.texts) for one in whole]
    assert ask(header, "text/csv", LINES, config) == []
    assert ask(header, "text/csv", config=config)["data"] == []
    named = ask("city,body,doc_id\nUlm,x,1\n", PRESENT, LINES, config)  # a body's own names come first
    assert named[0]["city"] == "Ulm"


def test_parquet():
    table = pa.table(
        {"doc_id": ["a", "b", "c"], "body": ["x y", None, "z"], "text": ["mine", None, ""], "id": [1, 2, 3]}
    )
    out = ask(parquet(table), PARQUET, config=NAMED)
    assert out.select(table.column_names).equals(table)
    assert [error and error["code"] for error in out["error"].to_pylist()] == [None, "empty_text", None]
    request = read_request(parquet(table), PARQUET, NAMED)
    written = written_answer(open_response(request, None), [request])
    summary = json.loads(pq.ParquetFile(io.BytesIO(written)).metadata.metadata[b"jina_v3.summary"])
    assert [(one["row"], one["id"]) for one in summary["first_errors"]] == [(2, "b")]
    first, bad, _ = ask(parquet(table), PARQUET, LINES, NAMED)
    assert (first["id"], first["text"], "body" in first, "doc_id" in first) == ("a", "mine", False, False)
    assert (bad["id"], bad["error"]["field"]) == ("b", "body")


def test_a_text_of_parquet_that_is_not_utf8_is_null():
    data = pa.array([b"x", b"\xff"]).cast(pa.binary())
    column = pa.StringArray.from_buffers(2, data.buffers()[1], data.buffers()[2])
    out = ask(parquet(pa.table({"body": column, "doc_id": [1, 2]})), PARQUET, config=NAMED)
    assert out["body"].to_pylist() == ["x", None]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"text": ["x"], "doc_id": [1]}, "there is no column 'body'; there are text, doc_id"),
        ({"body": ["x"], "id": [1]}, "there is no column 'doc_id'; there are body, id"),
        ({"body": [1], "doc_id": [1]}, "the column 'body' is of int64"),
    ],
)
def test_columns_that_are_not_there(columns, words):
    with pytest.raises(RequestError, match=words) as caught:
        read_request(parquet(pa.table(columns)), PARQUET, NAMED)
    assert caught.value.code.status == 422


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("text_field=", "text_field is ''"),
        ("text_field=task", "none of task, dimensions"),
        ("id_field=embedding", "id_field is 'embedding'"),
        ("text_field=a;text_field=b", "differ here"),
        ("text_field=id", "text and id are both in 'id'"),
    ],
)
def test_names_in_the_header_that_cannot_be(header, words):
    with pytest.raises(RequestError, match=words) as caught:
        read_request(b"{}", LINES, Config(), attributes=header)
    assert (caught.value.code.status, caught.value.field) == (422, HEADER)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        *(({"JINA_V3_TEXT_FIELD": name}, "JINA_V3_TEXT_FIELD") for name in ("task", "a,b", '""', '"a', '"a\nb"')),
        ({"JINA_V3_ID_FIELD": "text"}, "both in 'text'"),
        ({"JINA_V3_CSV_COLUMNS": "a,text,a"}, "names each column once"),
        ({"JINA_V3_CSV_COLUMNS": "a,b"}, "no column is named 'text'; there are 'a', 'b'"),
        ({"JINA_V3_CSV_COLUMNS": "a,text", "JINA_V3_ID_FIELD": "b"}, "no column is named 'b'"),
    ],
)
def test_names_in_the_environment_that_cannot_be(environment, words):
    with pytest.raises(ConfigError, match=words):
        Config.from_environment(environment)


names = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1, max_size=8).filter(
    lambda name: name not in (*RESERVED, "id", "usage")
)
cells = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=8)


def as_csv(rows):
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return sink.getvalue().encode()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.data())
def test_what_is_the_callers_comes_back_whatever_its_names_are(data):
    columns = data.draw(st.lists(names, min_size=2, max_size=5, unique=True))
    text, record_id = columns[0], columns[1]
    order = data.draw(st.permutations(columns))
    rows = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(order, cells)), min_size=1, max_size=4))
    rows = [{name: "x" if name == text else row[name] for name in order} for row in rows]
    rows = [row for row in rows if list(row.values()) != order]
    config = Config.from_environment(
        {
            "JINA_V3_TEXT_FIELD": as_csv([[text]]).decode(),
            "JINA_V3_ID_FIELD": as_csv([[record_id]]).decode(),
            "JINA_V3_CSV_COLUMNS": as_csv([order]).decode(),
            "JINA_V3_DEFAULT_DIMENSIONS": "2",
        }
    )
    own = [{name: row[name] for name in row if name not in (text, record_id)} for row in rows]
    bodies = [
        (as_csv([order, *(row.values() for row in rows)]), "text/csv"),
        (lines(*rows), LINES),
        (parquet(pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in order})), PARQUET),
    ]
    for body, content_type in bodies:
        answers = ask(body, content_type, LINES, config)
        assert [
            {name: value for name, value in one.items() if name in one.keys() & set(order)} for one in answers
        ] == own
        for row, answer in zip(rows, answers, strict=True):
            assert row[record_id] in ("", answer["id"])
