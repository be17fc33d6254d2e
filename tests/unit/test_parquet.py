import datetime
import io
import json
import struct
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.asking import answer, ask, parquet, read_back
from tests.support.fake_encoder import FakeEncoder
from tests.support.wire import check_described, from_base64

from jina_v3.config import Config
from jina_v3.contract import EncodeJob, Limits, Task
from jina_v3.errors import RequestError
from jina_v3.serving import codecs
from jina_v3.serving.formats.parquet_footer import read_footer

PARQUET = "application/x-parquet"
CONFIG = Config(limits=Limits(max_texts=50))
TABLE = pa.table(
    {
        "id": pa.array([1, 2, 3, 4], pa.int16()),
        "text": ["a b", "", None, "c"],
        "task": ["separation", None, None, "nope"],
        "dimensions": [4, None, 2, 2],
        "when": pa.array([1, None, 3, 4], pa.timestamp("ns")),
        "tags": [["x"], None, [], ["y", None]],
        "price": pa.array([1, 2, 3, 4], pa.decimal128(5, 2)),
        "raw": [b"\xff", b"", None, b"a"],
        "tokens": [9, 9, 9, 9],
    }
)


def test_all_columns_come_back_with_what_became_of_each_row():
    out = ask(parquet(TABLE), PARQUET, None, CONFIG)
    kept = [name for name in TABLE.column_names if name != "tokens"]
    assert out.column_names == [*kept, "embedding", "tokens", "truncated", "error"]
    assert out.select(kept).equals(TABLE.select(kept))
    assert out.schema.field("embedding").type == pa.list_(pa.float32())
    assert out.schema.field("tokens").type == pa.int32()
    expected = FakeEncoder.vector("a b", EncodeJob(("a b",), Task.SEPARATION, 4))
    assert out["embedding"].to_pylist() == [expected.tolist(), None, None, None]
    assert out["tokens"].to_pylist() == [4, None, None, None]
    errors = out["error"].to_pylist()
    assert [error and error["code"] for error in errors] == [None, "empty_text", "empty_text", "unknown_task"]


def test_as_json_lines_columns_are_metadata():
    lines = ask(parquet(TABLE), PARQUET, "application/jsonlines", CONFIG)
    first, *others = lines
    assert (first["id"], first["when"], first["tags"], first["price"], first["raw"]) == (
        1,
        "1970-01-01 00:00:00.000000001",
        ["x"],
        "1.00",
        "/w==",
    )
    assert "text" not in first
    assert (first["tokens"], len(first["embedding"])) == (4, 4)
    for row, line in enumerate(others, 2):
        check_described(line["error"], "line")
        assert line["error"]["line"] == row


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("float", pa.list_(pa.float32())),
        ("binary", pa.list_(pa.int8())),
        ("ubinary", pa.list_(pa.uint8())),
        ("int8", pa.list_(pa.int8())),
        ("base64", pa.string()),
    ],
)
def test_forms(form, kind):
    body = parquet(pa.table({"text": ["a", None, "b"]}))
    out = ask(body, PARQUET, None, CONFIG, attributes=f"embedding_type={form};dimensions=16")
    assert out.schema.field("embedding").type == kind
    assert ("scale" in out.column_names) == (form == "int8")
    lines = ask(body, PARQUET, "application/jsonlines", CONFIG, attributes=f"embedding_type={form};dimensions=16")
    vectors = [line.get("embedding") for line in lines]
    if form == "float":
        vectors = [vector and np.array(vector, np.float32).tolist() for vector in vectors]
    assert out["embedding"].to_pylist() == vectors


def test_several_forms_are_a_struct():
    request = {"data": ["a"], "parameters": {"embedding_type": ["float", "base64", "ubinary", "binary", "int8"]}}
    out = ask(request, accept=PARQUET)
    assert out.column_names == ["id", "embedding", "scale", "tokens", "truncated"]
    (row,) = out["embedding"].to_pylist()
    assert from_base64(row["base64"]).tolist() == row["float"]
    assert [value + 128 for value in row["binary"]] == row["ubinary"]


def test_json_requests_and_json_lines_as_parquet():
    out = ask({"input": [["a"], ["b", "c"]], "late_chunking": True, "dimensions": 2}, accept=PARQUET)
    assert out.select(["index", "document"]).to_pylist() == [
        {"index": 0, "document": 0},
        {"index": 1, "document": 1},
        {"index": 2, "document": 1},
    ]
    body = (
        b'{"id":1,"text":"a","city":"Ulm"}\n{bad\n{"text":["a","b"],"late_chunking":true}\n'
        b'{"text":"a","embedding_type":"int8"}'
    )
    first, *others = ask(body, "application/jsonlines", PARQUET, attributes="dimensions=2").to_pylist()
    assert (first["id"], first["metadata"], len(first["embedding"]), first["error"]) == ("1", '{"city":"Ulm"}', 2, None)
    assert [row["error"]["code"] for row in others] == ["not_json", "invalid_value", "invalid_value"]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", "é"], pa.large_string()),
        pa.array(["a", "é"]).dictionary_encode(),
        pa.array(["a", "é"], pa.string_view()),
    ],
)
def test_strings_of_every_kind(column):
    table = pa.table({"text": column, "other": column})
    out = ask(parquet(table), PARQUET, None, CONFIG)
    assert out.select(["text", "other"]).equals(table)
    assert out["tokens"].to_pylist() == [3, 3]


def test_a_text_that_is_no_utf8_fails_its_row_alone():
    texts = pa.array([b"a", b"\xff"]).view(pa.string())
    out = ask(parquet(pa.table({"text": texts})), PARQUET, "application/jsonlines", CONFIG)
    assert ["error" in line for line in out] == [False, True]
    assert out[1]["error"]["code"] == "not_utf8"


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_a_text_that_is_no_utf8_is_null_in_the_answer_which_others_can_read(kind):
    texts = pa.array([b"a", b"\xff", b"b"]).view(pa.string()).cast(kind)
    out = ask(parquet(pa.table({"text": texts, "id": [1, 2, 3]})), PARQUET, None, CONFIG)
    assert out.column_names[:2] == ["text", "id"]
    assert out["text"].to_pylist() == ["a", None, "b"]
    assert [error and error["code"] for error in out["error"].to_pylist()] == [None, "not_utf8", None]


def test_values_that_json_has_no_word_for():
    table = pa.table(
        {
            "text": ["a"],
            "far": pa.array([2**62], pa.timestamp("us")),
            "date": [datetime.date(2026, 1, 2)],
            "span": [datetime.timedelta(seconds=3)],
            "nan": [float("nan")],
            "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())),
            "time": [datetime.time(1, 2)],
        }
    )
    (line,) = ask(parquet(table), PARQUET, "application/jsonlines", CONFIG)
    assert (line["date"], line["span"], line["nan"], line["map"]) == ("2026-01-02", "0:00:03", None, [["k", 1]])


def test_no_rows():
    out = ask(parquet(pa.table({"text": pa.array([], pa.string())})), PARQUET, None, CONFIG)
    assert (out.num_rows, out.column_names) == (0, ["text", "embedding", "tokens", "truncated", "error"])


GOOD = parquet(TABLE)
REFUSED = [
    (b"", 400, "not_parquet"),
    (b"PAR1", 400, "not_parquet"),
    (b"PAR1" + b"x" * 50 + b"PAR1", 400, "not_parquet"),
    (b"PARE" + b"x" * 50 + b"PARE", 400, "not_parquet"),
    (GOOD[:-20] + b"PAR1", 400, "not_parquet"),
    (GOOD[:60] + bytes(60) + GOOD[120:], 400, "not_parquet"),
    (parquet(pa.table({"content": ["a"], "n": [1]})), 422, "missing_field"),
    (parquet(pa.table({"text": [1]})), 422, "wrong_type"),
    (parquet(pa.table({"text": [b"a"]})), 422, "wrong_type"),
    (parquet(pa.table([pa.array(["a"])] * 2, names=["text", "text"])), 422, "invalid_value"),
    (parquet(pa.table({"text": ["a"] * 51})), 413, "too_many_texts"),
]


@pytest.mark.parametrize(("body", "status", "code"), REFUSED)
def test_what_fails_as_a_whole(body, status, code):
    with pytest.raises(RequestError) as caught:
        ask(body, PARQUET, None, CONFIG)
    error = caught.value
    assert (error.code.status, error.code.wire_name) == (status, code)
    assert error.allowed
    assert error.field
    assert error.value is not None


def test_the_columns_there_are_are_named():
    with pytest.raises(RequestError, match="there are content, n"):
        ask(parquet(pa.table({"content": ["a"], "n": [1]})), PARQUET, None, CONFIG)


BOMBS = [
    pa.table({"text": pa.array(["x" * 100_000] * 50)}),  # one value, fifty times: small as it lies, large as it is read
    pa.table({"text": ["a"], "zeros": [[0] * 3_000_000]}),
    pa.table({"text": ["a"], "zeros": ["0" * 3_000_000]}),
]


@pytest.mark.parametrize("table", BOMBS)
def test_what_unfolds_to_too_much_is_refused(table):
    body = parquet(table, compression="zstd")
    assert len(body) < 10_000
    config = Config(limits=Limits(max_texts=50, max_body_bytes=200_000))
    with pytest.raises(RequestError) as caught:
        ask(body, PARQUET, None, config)
    assert caught.value.code.wire_name == "body_too_large"
    assert ask(body, PARQUET, None, Config()).num_rows == table.num_rows


@pytest.mark.parametrize("rows", [1, 3, 4, 100])
def test_parts_are_the_whole(rows):
    body = parquet(TABLE, row_group_size=3)
    parts = codecs.read_parts(body, PARQUET, Config(limits=Limits(max_texts=1)), rows_per_part=rows)
    whole = codecs.read_request(body, PARQUET, CONFIG)
    for accept in (None, "application/jsonlines", "application/json"):
        listed = list(codecs.read_parts(body, PARQUET, CONFIG, rows_per_part=rows))
        assert sum(len(part.records) for part in listed) == 4
        writer = codecs.open_response(whole, accept)
        one = read_back(answer(writer, [whole]), writer.media_type)
        writer = codecs.open_response(whole, accept)
        assert read_back(answer(writer, listed), writer.media_type) == one
    assert next(iter(parts)).records[0].texts == ("a b",)


def test_a_part_that_is_damaged_is_told_on_the_way():
    body = parquet(pa.table({"text": [f"text {row}" for row in range(40)]}), row_group_size=20, use_dictionary=False)
    start = pq.read_metadata(io.BytesIO(body)).row_group(1).column(0).data_page_offset
    parts = codecs.read_parts(body[:start] + bytes(40) + body[start + 40 :], PARQUET, CONFIG, rows_per_part=20)
    assert len(next(parts).records) == 20
    with pytest.raises(RequestError) as caught:
        next(parts)
    assert caught.value.code.wire_name == "not_parquet"


def test_pyarrow_is_imported_when_it_is_needed_and_may_be_absent():
    program = (
        "import sys, jina_v3.serving.handler as h, jina_v3.serving.codecs as c\n"
        "assert not {'pyarrow', 'torch'} & set(sys.modules)\n"
        "sys.modules['pyarrow'] = None\n"
        "print(h.input_fn(b'PAR1', 'application/x-parquet').code.wire_name)\n"
        "print(h.open_response(h.input_fn(b'a', 'text/plain'), 'application/x-parquet').code.wire_name)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["unsupported_media_type", "not_acceptable"]


def test_a_footer_that_contradicts_itself_does_not_end_the_process():
    body = parquet(pa.table({"text": ["a"]}))
    histograms = b"\x19\x06\x19\x26"  # of the size statistics: none of repetition, two of definition
    assert body.count(histograms) == 1
    with pytest.raises(RequestError) as caught:
        ask(body.replace(histograms, b"\x19\x26\x19\x26"), PARQUET)
    assert caught.value.code.wire_name == "not_parquet"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"write_page_index": True},
        {"write_statistics": False},
        {"data_page_version": "2.0", "use_dictionary": False},
    ],
)
def test_the_footer_is_read_as_pyarrow_reads_it(options):
    table = TABLE.replace_schema_metadata({"about": "x" * 1000}).append_column("flag", pa.array([True] * 4))
    body = parquet(table, row_group_size=3, **options)
    metadata = pq.ParquetFile(pa.BufferReader(body)).metadata
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    chunks = [[group.column(column) for column in range(group.num_columns)] for group in groups]
    assert read_footer(body) == [[(chunk.num_values, chunk.total_uncompressed_size) for chunk in row] for row in chunks]


def test_a_footer_that_is_none_is_an_error():
    body = parquet(TABLE)
    (size,) = struct.unpack("<I", body[-8:-4])
    for cut in (0, 1, size // 2, size - 1):
        footer = body[-8 - size : -8][:cut]
        with pytest.raises(ValueError, match="footer"):
            read_footer(footer + struct.pack("<I", len(footer)) + b"PAR1")
    nested = b"\x1c" * 100_000
    with pytest.raises(ValueError, match="deep"):
        read_footer(nested + struct.pack("<I", len(nested)) + b"PAR1")


def test_the_footer_has_an_account_of_all_rows_over_all_parts():
    texts = ["a b"] * 60 + ["", None] * 70
    table = pa.table({"id": pa.array(range(200), pa.int32()), "text": texts})
    request = codecs.read_request(parquet(table), PARQUET, Config(limits=Limits(max_texts=1000)))
    writer = codecs.open_response(request, None)
    written = answer(writer, request.in_parts(45))
    footer = pq.ParquetFile(io.BytesIO(written)).metadata
    assert footer.num_row_groups > 1
    summary = json.loads(footer.metadata[b"jina_v3.summary"])
    first = summary.pop("first_errors")
    assert summary == {"rows": 200, "embedded": 60, "tokens": 60 * 4, "errors": {"empty_text": 140}}
    assert [(one["row"], str(one["id"]), one["code"]) for one in first] == [
        (number + 1, str(number), "empty_text") for number in range(60, 160)
    ]
    assert all(one["message"] for one in first)


def test_the_account_of_a_file_without_rows():
    request = codecs.read_request(parquet(pa.table({"text": pa.array([], pa.string())})), PARQUET, CONFIG)
    written = answer(codecs.open_response(request, None), [request])
    summary = json.loads(pq.ParquetFile(io.BytesIO(written)).metadata.metadata[b"jina_v3.summary"])
    assert summary == {"rows": 0, "embedded": 0, "tokens": 0, "errors": {}, "first_errors": []}
