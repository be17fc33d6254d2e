import dataclasses
import json
import re

import pytest
from tests.support.asking import ask
from tests.support.wire import check_described

from jina_v3.config import Config
from jina_v3.contract import Limits, Task
from jina_v3.errors import RequestError
from jina_v3.serving.codecs import read_parts, read_request

CONFIG = Config(limits=Limits(max_texts=5), default_dimensions=2)
HEADER = "text/csv; header=present"


def answer(body, content_type="text/csv", accept=None, **given):
    return ask(body, content_type, accept, CONFIG, **given)


def texts(body, content_type="text/csv"):
    request = read_request(body, content_type, CONFIG)
    return [(record.line, record.id, *record.texts) for record in request.records]


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (b"", []),
        (b"\n \r\n\t\n", []),
        (b"a,x\nb,y\n", [(1, "a", "x"), (2, "b", "y")]),
        (b"\xef\xbb\xbfx\r\n\r\n  \r\ny", [(1, None, "x"), (4, None, "y")]),
        (b'"a","x, y"\r\n"b","he said ""no"""\r\n', [(1, "a", "x, y"), (2, "b", 'he said "no"')]),
        (b'a,"x\n\ny"\nb,z', [(1, "a", "x\n\ny"), (4, "b", "z")]),
        (b'"x\r\ny"\nz', [(1, None, "x\r\ny"), (3, None, "z")]),
        (",é\n,\u2028\n".encode(), [(1, None, "é"), (2, None, "\u2028")]),
        (b"a," + b"x" * 200_000, [(1, "a", "x" * 200_000)]),
    ],
)
def test_rows(body, rows):
    assert texts(body) == rows
    assert texts(body.decode("utf-8-sig")) == rows  # as AWS's toolkit passes it


def test_names_in_the_first_row():
    (item,) = answer(b"city,text,id,tokens,usage\nUlm,x,7,8,9\n", HEADER, "application/jsonlines")
    assert (item["city"], item["id"], item["tokens"], item["usage"]) == ("Ulm", "7", 3, "9")
    good, bad = answer(b"text,id,usage\nx,7,9\n,8,9\n", HEADER)["data"]  # as JSON it is ours
    assert good["usage"] == {"id": "7", "total_tokens": 3}
    assert "usage" not in bad
    assert texts(b"\ntext\nx\n\ny\n", HEADER) == [(3, None, "x"), (5, None, "y")]
    assert answer(b"text\n", HEADER)["data"] == answer(b"", HEADER)["data"] == []


def test_the_answer_is_jina_sagemakers():
    body = answer(b"a,x\nb,\n,y z\n", attributes="task=separation")
    assert list(body) == ["data", "parameters"]
    good, bad, given = body["data"]
    assert (good["id"], good["usage"], len(good["embedding"])) == ("a", {"id": "a", "total_tokens": 3}, 2)
    assert (bad["id"], bad["error"]["code"], bad["error"]["line"]) == ("b", "empty_text", 2)
    assert re.fullmatch("[0-9a-f]{32}", given["id"])
    assert body["parameters"] == {
        "task": Task.SEPARATION,
        "dimensions": 2,
        "late_chunking": False,
        "normalized": True,
        "truncate": False,
        "embedding_type": "float",
    }


def test_as_json_lines_and_as_parquet():
    lines = answer(b"a,x\nb,\n", accept="application/jsonlines")
    assert [sorted(line) for line in lines] == [["embedding", "id", "tokens"], ["error", "id"]]
    table = answer(b"a,x\nb,\n", accept="application/x-parquet").to_pylist()
    assert [(row["id"], row["tokens"], row["error"] is None) for row in table] == [("a", 3, True), ("b", None, False)]
    assert table[0]["embedding"] == pytest.approx(lines[0]["embedding"], rel=1e-7)


def test_a_bad_row_is_an_error_of_its_own():
    body = b'a,x\nb\nc,d,e\nf,"g"h\ni,\xff\nj,\n\xff,k\nl,m\nn,"open\n'
    config = dataclasses.replace(CONFIG, batch=True)
    items = ask(body, "text/csv", None, config)["data"]
    found = [(item["error"]["line"], item["error"]["code"]) if "error" in item else None for item in items]
    bad = [(2, "not_csv"), (3, "not_csv"), (4, "not_csv"), (5, "not_utf8"), (6, "empty_text"), (7, "not_utf8")]
    assert found == [None, *bad, None, (9, "not_csv")]
    assert (items[4]["id"], items[5]["id"]) == ("i", "j")
    assert re.fullmatch("[0-9a-f]{32}", items[6]["id"])  # it has none that JSON could say
    for item in items:
        if "error" in item:
            check_described(item["error"], "line")
            assert "open" not in json.dumps(item["error"]).replace("an open quotation", "")


def test_the_first_row_that_can_be_decides():
    items = answer(b"a,b,c\nx\ny,z\n")["data"]
    assert ["error" in item for item in items] == [True, False, True]
    assert items[2]["error"]["allowed"] == "1 column, as the first row has"


@pytest.mark.parametrize(
    ("body", "content_type", "code", "field"),
    [
        (b"\xff\xfea", "text/csv", "not_utf8", "body"),
        (b"id,content\na,b\n", HEADER, "missing_field", "text"),
        (b"text,text\na,b\n", HEADER, "invalid_value", "text"),
        (b'"text"x\na\n', HEADER, "not_csv", "body"),
        (b"\xff,text\n", HEADER, "not_utf8", "body"),
        (b"x\n" * 6, "text/csv", "too_many_texts", "body"),
        (b"x", "text/csv; header=maybe", "unsupported_media_type", "Content-Type"),
        (b"x", "text/csv; charset=latin-1", "unsupported_media_type", "Content-Type"),
    ],
)
def test_what_fails_as_a_whole(body, content_type, code, field):
    with pytest.raises(RequestError) as caught:
        answer(body, content_type)
    assert (caught.value.code.wire_name, caught.value.field) == (code, field)
    assert caught.value.allowed
    assert caught.value.value is not None


def test_lines_are_counted_from_the_first_that_a_block_has():
    request = read_request(b"a\n\nb", "text/csv", CONFIG, first_line=10)
    assert [record.line for record in request.records] == [10, 12]


def test_parts_know_the_names_and_the_width_of_the_first_row():
    named = read_parts(b"city,text\nUlm,x\n\nBonn,y\nJena,z", HEADER, CONFIG, rows_per_part=2)
    assert [[(record.line, record.metadata["city"]) for record in part.records] for part in named] == [
        [(2, "Ulm"), (4, "Bonn")],
        [(5, "Jena")],
    ]
    plain = read_parts(b"a,x\nb\nc,y", "text/csv", CONFIG, rows_per_part=1)
    assert [part.records[0].error is None for part in plain] == [True, False, True]
    assert [len(part.records) for part in read_parts(b"", "text/csv", CONFIG)] == [0]
    assert read_parts(b"{}", "application/jsonlines", CONFIG) is None
