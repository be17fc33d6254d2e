import dataclasses
import json

import pytest
from tests.support.fake_encoder import FakeEncoder
from tests.support.wire import check_described, from_base64, strict_json

from jina_v3.config import Config
from jina_v3.contract import Limits, Task
from jina_v3.errors import RequestError
from jina_v3.serving.codecs import read_request, write_response
from jina_v3.serving.exchange import Prediction

CONFIG = Config(limits=Limits(max_texts=20))


def answer(body, accept=None, config=CONFIG, content_type="application/jsonlines"):
    request = read_request(body, content_type, config)
    prediction = Prediction(request, tuple(FakeEncoder().encode_jobs(request.jobs)))
    written, media_type = write_response(prediction, accept)
    if media_type == "application/json":
        return strict_json(written)
    assert media_type == content_type
    assert not written or written.endswith(b"\n")
    return [strict_json(line) for line in written.split(b"\n")[:-1]]


def lines(*records):
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def test_one_line_a_record_with_its_metadata_and_its_own_parameters():
    body = lines(
        {"id": "a", "text": "x y", "dimensions": 4, "city": "Köln", "deep": {"n": [1, None]}},
        {"id": 7, "input": "x", "task": "separation", "dimensions": 2, "embedding_type": "base64"},
    )
    first, second = answer(body)
    assert set(first) == {"id", "city", "deep", "embedding", "tokens"}
    assert (first["id"], first["city"], first["deep"]) == ("a", "Köln", {"n": [1, None]})
    assert (len(first["embedding"]), first["tokens"]) == (4, 4)
    assert set(second) == {"id", "embedding", "tokens"}
    assert (second["id"], len(from_base64(second["embedding"]))) == (7, 2)


def test_blank_lines_line_ends_and_a_byte_order_mark():
    body = b'\xef\xbb\xbf{"text":"a"}\r\n\n  \t\r\n{"text":"b"}'
    assert len(answer(body)) == 2
    assert answer(b"") == answer(b"\n \n") == []
    assert len(answer('{"text":"a\u2028b"}\n'.encode())) == 1  # only \n ends a line


def test_a_bad_line_is_an_error_on_its_own_line():
    body = (
        b'{"text":"good"}\n\n{bad\n"text"\n{"text":""}\n\xff\xfe\n{"id":"q","text":5,"k":1}\n'
        b'{"k":2}\n{"text":"a","task":"nope"}\n{"text":"\\ud800"}\n{"text":"a","id":1.5}\n{"text":"last"}'
    )
    out = answer(body)
    assert [("error" in line, "embedding" in line) for line in out] == [
        (False, True),
        *[(True, False)] * 9,
        (False, True),
    ]
    errors = [line["error"] for line in out if "error" in line]
    assert [(error["line"], error["code"], error["field"]) for error in errors] == [
        (3, "not_json", "line"),
        (4, "wrong_type", "line"),
        (5, "empty_text", "text"),
        (6, "not_utf8", "line"),
        (7, "wrong_type", "text"),
        (8, "missing_field", "text"),
        (9, "unknown_task", "task"),
        (10, "invalid_text", "text"),
        (11, "wrong_type", "id"),
    ]
    assert (out[5]["id"], out[5]["k"]) == ("q", 1)
    assert out[6]["k"] == 2
    for error in errors:
        check_described(error, "line")
    assert errors[1]["value"] is None  # a string that may be a text


@pytest.mark.parametrize(
    ("line", "id"),
    [
        (rb'{"id": "a", "text": "half: \ud83d"}', "a"),
        (b'{"id": 7, "text": "caf\xe9"}', 7),
        (rb'{"id": "\ud83d", "text": "half"}', None),
        (b'{"id": "caf\xe9", "text": "x"}', None),
        (rb'{"id": 99999999999999999999999, "text": "half: \ud83d"}', None),
        (rb'["id", "\ud83d"]', None),
        (b'{"id": "a", "text": ', None),
        (b"[" * 100_000 + b"\xe9", None),
    ],
)
def test_a_line_that_is_refused_as_a_whole_tells_its_id_where_it_has_one(line, id):
    (row,) = answer(line)
    assert row["error"]["code"] in ("invalid_text", "not_utf8", "not_json", "wrong_type")
    assert row["id"] == id if id is not None else len(row["id"]) == 32  # one that was given to it


def test_fields_that_the_answer_writes_are_not_mixed_with_the_records_own():
    (line,) = answer(lines({"text": "a", "error": "old", "embedding": [1], "tokens": -1, "truncated": True}))
    assert set(line) == {"id", "embedding", "tokens"}
    assert (len(line["embedding"]), line["tokens"]) == (1024, 3)


def test_metadata_too_deep_to_write_fails_its_line_alone():
    deep = b'{"text":"a","m":' + b"[" * 300 + b"]" * 300 + b"}\n"
    bad, good = answer(deep + b'{"text":"a"}')
    assert (bad["error"]["code"], bad["error"]["field"], bad["error"]["value"]) == ("invalid_value", "m", "a list of 1")
    check_described(bad["error"], "line")
    assert "embedding" in good


def test_the_deepest_metadata_that_is_let_through_can_be_written_in_every_form():
    for levels in range(245, 260):
        body = b'{"text":"a","m":' + b"[" * levels + b"]" * levels + b"}\n"
        as_lines, as_list = answer(body), answer(body, accept="application/json")
        assert ("error" in as_lines[0]) == ("error" in as_list[0])


def test_late_chunking_in_a_record_takes_the_chunks_of_one_document():
    (line, bad) = answer(
        lines(
            {"text": ["a", "b c"], "late_chunking": True, "dimensions": 2, "embedding_type": "int8"},
            {"text": ["a", ""], "late_chunking": True},
        )
    )
    assert set(line) == {"id", "embeddings", "scale", "tokens"}
    assert ([len(vector) for vector in line["embeddings"]], len(line["scale"])) == ([2, 2], 2)
    assert bad["error"]["field"] == "text[1]"
    assert answer(lines({"text": ["a"]}))[0]["error"]["code"] == "wrong_type"


def test_truncation_is_said():
    short, long = answer(lines(*({"text": text, "truncate": True} for text in ("a", "word " * 60))))
    assert ("truncated" in short, long["truncated"], long["tokens"]) == (False, True, 50)


@pytest.mark.parametrize("media_type", ["application/x-ndjson", "application/jsonl", "application/x-jsonlines"])
def test_the_other_names_of_json_lines(media_type):
    assert len(answer(lines({"text": "a"}), content_type=media_type)) == 1


def test_asked_for_json_the_records_come_as_a_list():
    assert [
        record["id"] for record in answer(lines({"text": "a", "id": 1}, {"text": "", "id": 2}), "application/json")
    ] == [1, 2]


def test_the_task_of_a_record_without_one_is_the_configured_one():
    config = Config(default_task=Task.CLASSIFICATION)
    request = read_request(lines({"text": "a"}, {"text": "a", "task": None}), "application/jsonlines", config)
    assert [job.task for job in request.jobs] == [Task.CLASSIFICATION, None]
    assert [job.task for job in read_request(lines({"text": "a"}), "application/jsonlines", CONFIG).jobs] == [None]


CHUNKS = {"text": ["a"] * 11, "late_chunking": True}


@pytest.mark.parametrize(("body", "texts"), [(b"{}\n" * 21, 21), (lines(CHUNKS, CHUNKS), 22)])
def test_more_than_the_limit_is_413(body, texts):
    with pytest.raises(RequestError) as caught:
        answer(body)
    assert caught.value.code.wire_name == "too_many_texts"
    assert (caught.value.field, caught.value.value, caught.value.allowed) == ("body", texts, "at most 20 texts")
    assert len(answer(body, config=dataclasses.replace(CONFIG, batch=True))) == body.count(b"\n")


@pytest.mark.parametrize("batch", [False, True])
def test_a_record_of_more_chunks_than_the_limit_fails_alone(batch):
    config = dataclasses.replace(CONFIG, batch=batch)
    bad, good = answer(lines({"text": ["a"] * 21, "late_chunking": True}, {"text": "a"}), config=config)
    assert (bad["error"]["code"], bad["error"]["field"], bad["error"]["value"]) == ("too_many_texts", "text", 21)
    check_described(bad["error"], "line")
    assert "embedding" in good


def test_lines_are_counted_from_the_first_that_a_block_has():
    request = read_request(b"\n{}", "application/jsonlines", CONFIG, first_line=100)
    assert request.records[0].line == 101
