"""Verification against an oracle that parses everything: no wrong output passes, and no right one is refused."""

import base64
import copy
import json
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.fake_encoder import FakeEncoder

from jina_v3.config import Config
from jina_v3.serving.codecs import read_request, write_response
from jina_v3.serving.exchange import Prediction
from jina_v3_batch.lines import split_lines
from jina_v3_batch.pairing import MismatchError, pair
from jina_v3_batch.records_in import Form, read_json_record
from jina_v3_batch.records_out import read_output

DIMENSIONS = 6
FLOAT = Form("float", DIMENSIONS)


def verify(inputs, outputs, form="jsonl", absent=FLOAT):
    bad = []
    account = pair(
        split_lines([inputs]), split_lines([outputs]), form, absent, lambda line, out: bad.append((line, out.id))
    )
    return account, bad


def serve(body, content_type="application/jsonlines", **environment):
    settings = {"JINA_V3_DEFAULT_DIMENSIONS": str(DIMENSIONS), "SAGEMAKER_BATCH": "true", **environment}
    request = read_request(body, content_type, Config.from_environment(settings))
    prediction = Prediction(request, tuple(FakeEncoder().encode_jobs(request.jobs)))
    return write_response(prediction, "application/jsonlines")[0]


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.one_of(
            st.integers(-(2**70), 2**70), st.text(max_size=5), st.floats(allow_nan=False), st.booleans(), st.none()
        ),
        "text": st.one_of(st.text(max_size=12), st.none(), st.lists(st.text(max_size=4), max_size=3), st.integers()),
        "dimensions": st.sampled_from([1, 6, 8, 9, None, 0, 1024, "6", 6.0, True]),
        "embedding_type": st.sampled_from(
            ["float", "base64", "binary", "ubinary", "int8", ["float", "base64"], ["int8"], [], "x", None]
        ),
        "encoding_format": st.sampled_from(["base64", "float"]),
        "late_chunking": st.sampled_from([True, False, None]),
        "task": st.sampled_from(["separation", "nope", None]),
        "meta": st.sampled_from(
            [
                {"embedding": [1, 2]},
                '"embedding":[1]',
                "a\u2028b",
                {"deep": [{"embedding": None}]},
                "\ud800",
                'x"embedding":"',
            ]
        ),
        "embedding": st.just([1]),
        "error": st.just("mine"),
    },
)
LINES = st.one_of(
    FIELDS.map(lambda fields: json.dumps(fields).encode()),
    st.sampled_from(
        [
            b"",
            b" \r",
            b"not json",
            b'"text"',
            b'{"text":"\xff"}',
            b"[1]",
            b'{"id":"a","text":"b","id":"c"}',
            b'{"id":NaN,"text":"a"}',
            b"\xef\xbb\xbf",
            b'{"id":-0,"text":"a"}',
            b'{"id":1e2,"text":"a"}',
        ]
    ),
)


@given(st.lists(LINES, max_size=12).map(lambda lines: b"\n".join(lines)))
@settings(deadline=None)
def test_what_our_server_answers_is_always_right(body):
    answer = serve(body)
    account, bad = verify(body, answer)
    values = [json.loads(line) for line in answer.splitlines()]
    assert account.records == len(values)
    assert account.embedded == sum("error" not in value for value in values)
    assert account.tokens == sum(value.get("tokens", 0) for value in values)
    assert [name for _, name in bad] == [value["id"] for value in values if "error" in value]
    numbers = [number for number, line in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1) if line.strip()]
    assert [line for line, _ in bad] == [n for n, value in zip(numbers, values, strict=True) if "error" in value]


@given(
    st.lists(
        st.sampled_from(
            [
                b"a,b",
                b'"a","x, ""y"""',
                b",t",
                b"",
                b"c",
                b"a,b,c",
                b'x,"open',
                b"\xff,t",
                b"\r",
                b"1,",
                b"a,b\rc,d",
                "\u00a0".encode(),
                b'a,"x\ry"',
            ]
        ),
        max_size=8,
    ),
    st.booleans(),
)
@settings(deadline=None)
def test_csv_that_our_server_answers_is_right_unless_a_quotation_is_open(rows, windows):
    body = (b"\r\n" if windows else b"\n").join(rows)
    answer = serve(body, "text/csv")
    if any(row.count(b'"') % 2 for row in rows):
        return
    account, _ = verify(body, answer, "csv")
    assert account.records == len(answer.splitlines())


GOOD = b"".join(json.dumps({"id": f"r{number}", "text": "a b"}).encode() + b"\n" for number in range(8))
MIXED = GOOD + b'{"id":"e1","text":""}\n{"id":"e2","text":5}\n'


def damage(lines, rng):
    """Return outputs that cannot belong to the inputs, and what was done."""
    lines = list(lines)
    kind = rng.choice(["drop", "double", "swap", "short", "long", "cut", "no id", "text id", "nothing", "null", "word"])
    at = rng.randrange(len(lines))
    value = json.loads(lines[at])
    if kind == "drop":
        del lines[at]
    elif kind == "double":
        lines.insert(at, lines[at])
    elif kind == "swap":
        other = (at + 1 + rng.randrange(len(lines) - 1)) % len(lines)
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == "cut":
        lines[at] = lines[at][: rng.randrange(1, len(lines[at]) - 1)]
    else:
        vector = value.get("embedding")
        if kind == "no id":
            del value["id"]
        elif kind == "text id":
            value["id"] = "another"
        elif vector is None:
            value.pop("error")
        elif kind == "short":
            vector.pop()
        elif kind == "long":
            vector.append(0.5)
        elif kind == "nothing":
            del value["embedding"]
        else:
            vector[rng.randrange(len(vector))] = None if kind == "null" else "0.1"
        lines[at] = json.dumps(value, separators=(",", ":")).encode()
    return lines, kind


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=300)
def test_every_damage_is_found(seed):
    lines, kind = damage(serve(MIXED).splitlines(), random.Random(seed))
    with pytest.raises(MismatchError):
        verify(MIXED, b"\n".join(lines) + b"\n")
    assert kind


def test_blank_lines_of_the_output_and_an_end_without_a_line_feed_change_nothing():
    answer = serve(MIXED)
    account, _ = verify(MIXED.rstrip(b"\n"), b"\n" + answer.replace(b"\n", b"\n\n").rstrip(b"\n"))
    assert (account.records, account.embedded, dict(account.errors)) == (10, 8, {"empty_text": 1, "wrong_type": 1})


@pytest.mark.parametrize("types", ["float", "base64", "binary", "ubinary", "int8"])
@pytest.mark.parametrize("dimensions", [1, 7, 8, 64, 1024])
def test_each_form_has_its_length_and_no_other(types, dimensions):
    asked = read_json_record(b'{"text":"a"}', Form(types, dimensions))
    answer = serve(
        b'{"id":"i","text":"a"}',
        JINA_V3_DEFAULT_DIMENSIONS=str(dimensions),
        JINA_V3_DEFAULT_EMBEDDING_TYPE=types,
    )
    assert read_output(answer, asked).fault == ""
    value = json.loads(answer)
    for wrong in _others(value["embedding"]):
        line = json.dumps({**value, "embedding": wrong}).encode()
        assert read_output(line, asked).fault, wrong


def _others(vector):
    if isinstance(vector, str):
        raw = base64.b64decode(vector)
        return [
            base64.b64encode(raw + struct.pack("<f", 1)).decode(),
            vector[:-4] + "!!!!",
            "",
            [1.0],
            None,
            vector[:-1],
        ]
    longer, shorter = [*vector, 1], vector[1:]
    return [longer, shorter, [*shorter, None], [*shorter, [1]], [*shorter, "1"], {}, "x", None, [*shorter, True]]


NUMBERS = st.lists(
    st.sampled_from(["1", "-0.5", "1e-7", "", "null", "NaN", " 2", "[1]", '"3"', "Infinity"]), min_size=1, max_size=4
)


@given(NUMBERS)
def test_the_short_way_and_the_whole_parse_agree_on_lists(numbers):
    line = b'{"id":"a","embedding":[' + ",".join(numbers).encode() + b'],"tokens":3}'
    fault = read_output(line, read_json_record(b'{"id":"a","text":"b"}', Form("float", len(numbers)))).fault
    try:
        vector = json.loads(line)["embedding"]
        right = all(type(one) in (int, float) and abs(one) < float("inf") for one in vector) and len(vector) == len(
            numbers
        )
    except ValueError:
        right = False
    assert (fault == "") == right


def test_an_error_of_a_record_with_an_id_must_have_that_id_or_a_generated_one():
    body = b'{"id":"a","text":""}\n'
    value = json.loads(serve(body))
    for name, right in (("a", True), ("0123456789abcdef" * 2, True), ("b", False), (None, False)):
        other = copy.deepcopy(value) | {"id": name}
        if right:
            verify(body, json.dumps(other).encode())
        else:
            with pytest.raises(MismatchError):
                verify(body, json.dumps(other).encode())
