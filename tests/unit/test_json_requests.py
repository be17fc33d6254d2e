import json
import re

import numpy as np
import pytest
from tests.support.fake_encoder import FakeEncoder
from tests.support.wire import from_base64, from_float

from jina_v3.config import Config
from jina_v3.contract import EncodeJob, Limits, Task
from jina_v3.errors import RequestError
from jina_v3.serving.codecs import read_request, write_response
from jina_v3.serving.exchange import Prediction

CONFIG = Config(limits=Limits(max_texts=5))
LONG = "word " * 60


def jobs(value):
    return read_request(json.dumps(value).encode(), "application/json", CONFIG).jobs


def answer(value, accept=None):
    request = read_request(json.dumps(value).encode(), "application/json", CONFIG)
    prediction = Prediction(request, tuple(FakeEncoder().encode_jobs(request.jobs)))
    body, content_type = write_response(prediction, accept)
    lines = content_type == "application/jsonlines"
    return [json.loads(line) for line in body.splitlines()] if lines else json.loads(body)


def refusal(value):
    with pytest.raises(RequestError) as caught:
        answer(value)
    return caught.value


# what is asked for


@pytest.mark.parametrize(
    ("value", "job"),
    [
        ({"data": [{"text": "a"}, {"text": "b"}]}, EncodeJob(("a", "b"), Task.TEXT_MATCHING)),
        ({"data": {"text": "a"}}, EncodeJob(("a",), Task.TEXT_MATCHING)),
        ({"data": "a"}, EncodeJob(("a",), Task.TEXT_MATCHING)),
        ({"data": ["a", {"text": "b", "id": None}]}, EncodeJob(("a", "b"), Task.TEXT_MATCHING)),
        ({"data": ["a"], "parameters": None}, EncodeJob(("a",), Task.TEXT_MATCHING)),
        ({"data": ["a"], "parameters": {"task": None}}, EncodeJob(("a",))),
        (
            {"data": ["a"], "parameters": {"task": "separation", "dimensions": None, "late_chunking": None}},
            EncodeJob(("a",), Task.SEPARATION),
        ),
        (
            {"data": ["a"], "parameters": {"dimensions": 32, "normalized": False, "truncate": True}},
            EncodeJob(("a",), Task.TEXT_MATCHING, 32, normalized=False, truncate=True),
        ),
        ({"input": "a"}, EncodeJob(("a",))),
        ({"input": ["a", "b"], "model": "x", "user": "y"}, EncodeJob(("a", "b"))),
        ({"input": [{"text": "a"}], "task": "classification"}, EncodeJob(("a",), Task.CLASSIFICATION)),
        ({"input": ["a", "b"], "late_chunking": True}, EncodeJob(("a", "b"), late_chunking=True)),
        ({"input": "a", "task": None, "dimensions": 1}, EncodeJob(("a",), dimensions=1)),
    ],
)
def test_what_a_request_asks_for(value, job):
    assert list(jobs(value)) == [job]


def test_a_list_of_lists_is_several_documents():
    value = {"input": [["a", {"text": "b"}], ["c"]], "late_chunking": True, "task": "retrieval.passage"}
    expected = [EncodeJob(texts, Task.RETRIEVAL_PASSAGE, late_chunking=True) for texts in (("a", "b"), ("c",))]
    assert list(jobs(value)) == expected
    assert [item["document"] for item in answer(value)["data"]] == [0, 0, 1]


# answers


def test_sagemakers_answer():
    body = answer({"data": [{"text": "a b", "id": "x"}, {"text": "c", "id": 0}, "d"], "parameters": {"dimensions": 3}})
    assert list(body) == ["data", "parameters"]
    assert body["parameters"] == {
        "task": "text-matching",
        "dimensions": 3,
        "late_chunking": False,
        "normalized": True,
        "truncate": False,
        "embedding_type": "float",
    }
    first, second, third = body["data"]
    assert list(first) == ["id", "embedding", "usage"]
    assert (first["id"], first["usage"]) == ("x", {"id": "x", "total_tokens": 4})
    assert (second["id"], second["usage"]) == (0, {"id": 0, "total_tokens": 3})
    assert re.fullmatch("[0-9a-f]{32}", third["id"])
    expected = FakeEncoder.vector("a b", EncodeJob(("a b",), Task.TEXT_MATCHING, 3))
    assert from_float(first["embedding"]).tobytes() == expected.tobytes()


def test_the_apis_answer():
    body = answer({"input": ["a b", "c"], "model": "text-embedding-3-small", "dimensions": 8})
    assert list(body) == ["model", "object", "usage", "data"]
    assert body["model"] == "text-embedding-3-small"
    assert body["usage"] == {"total_tokens": 7, "prompt_tokens": 7}
    assert [(item["object"], item["index"], len(item["embedding"])) for item in body["data"]] == [
        ("embedding", 0, 8),
        ("embedding", 1, 8),
    ]
    assert answer({"input": "a"})["model"] == "jina-embeddings-v3"


def test_a_truncated_text_is_named():
    body = answer({"input": ["a", LONG], "truncate": True})
    assert [item.get("truncated") for item in body["data"]] == [None, True]
    body = answer({"data": [LONG, "a"], "parameters": {"truncate": True}})
    assert [item.get("truncated") for item in body["data"]] == [True, None]


@pytest.mark.parametrize("name", ["embedding_type", "encoding_format"])
def test_base64_and_float_are_the_same_bits(name):
    digits = answer({"input": ["a", "b"], name: "float"})["data"]
    packed = answer({"input": ["a", "b"], name: "base64"})["data"]
    both = answer({"input": ["a", "b"], name: ["float", "base64", "ubinary", "binary", "int8"]})["data"]
    for one, two, three in zip(digits, packed, both, strict=True):
        assert from_float(one["embedding"]).tobytes() == from_base64(two["embedding"]).tobytes()
        assert three["embedding"]["float"] == one["embedding"]
        assert three["embedding"]["base64"] == two["embedding"]
        assert {len(three["embedding"][name]) for name in ("ubinary", "binary")} == {128}
        assert set(three["embedding"]) == {"float", "base64", "ubinary", "binary", "int8"}
        assert isinstance(three["scale"], float)


def test_as_json_lines_each_item_is_a_line():
    value = {"data": ["a", "b"], "parameters": {"dimensions": 2}}
    lines = answer(value, accept="application/jsonlines")
    whole = answer(value)["data"]
    assert [line["embedding"] for line in lines] == [item["embedding"] for item in whole]


def test_a_vector_that_is_not_finite_is_never_written():
    request = read_request(b'{"input":"a"}', None, CONFIG)
    (result,) = FakeEncoder().encode_jobs(request.jobs)
    result[0, 3] = np.nan
    with pytest.raises(RequestError) as caught:
        write_response(Prediction(request, (result,)), None)
    assert caught.value.code.wire_name == "internal"


# refusals

UNKNOWN_FIELD_CASES = [
    ({"input": "a", "dimension": 5}, "dimension", "dimensions"),
    ({"data": ["a"], "parameters": {"Dimensions": 5}}, "parameters.Dimensions", "dimensions"),
    ({"data": ["a"], "params": {}}, "params", "parameters"),
    ({"data": ["a"], "task": "separation"}, "task", "parameters"),
    ({"data": [{"text": "a", "idd": 1}]}, "data[0].idd", "id"),
    ({"data": [{"content": "a"}]}, "data[0].content", "text"),
    ({"input": [{"text": "a"}, {"text": "a", "id": 1}]}, "input[1].id", "text"),
    ({"data": ["a"], "input": ["a"]}, "input", "data"),
    ({"data": ["a"], "": None}, "", "data"),
]


@pytest.mark.parametrize(("value", "field", "known"), UNKNOWN_FIELD_CASES)
def test_unknown_fields_are_named_with_what_is_known(value, field, known):
    error = refusal(value)
    assert (error.code.wire_name, error.field) == ("unknown_field", field)
    assert error.value == re.split(r"\.", field)[-1]
    assert known in error.allowed
    assert known in error.message


NESTED = [["a"], "a secret text"]
REFUSALS = [
    # shape
    (None, "unknown_shape", "body", None),
    ([], "unknown_shape", "body", "a list of 0"),
    ("a secret text", "unknown_shape", "body", None),
    (7, "unknown_shape", "body", 7),
    ({}, "unknown_shape", "body", "an object of 0"),
    # texts
    ({"data": None}, "wrong_type", "data", None),
    ({"data": 5}, "wrong_type", "data", 5),
    ({"data": []}, "empty_input", "data", "a list of 0"),
    ({"data": {}}, "missing_field", "data.text", None),
    ({"data": [{}]}, "missing_field", "data[0].text", None),
    ({"data": [{"text": None}]}, "wrong_type", "data[0].text", None),
    ({"data": [{"text": 5}]}, "wrong_type", "data[0].text", 5),
    ({"data": [{"text": ["a"]}]}, "wrong_type", "data[0].text", "a list of 1"),
    ({"data": ["a", None]}, "wrong_type", "data[1]", None),
    ({"data": ["a", True]}, "wrong_type", "data[1]", True),
    ({"data": [""]}, "empty_text", "data[0]", ""),
    ({"data": ["a", {"text": " "}]}, "empty_text", "data[1].text", ""),
    ({"data": ["a"] * 6}, "too_many_texts", "data", 6),
    ({"data": [{"text": "a", "id": 1.5}]}, "wrong_type", "data[0].id", 1.5),
    ({"data": [{"text": "a", "id": True}]}, "wrong_type", "data[0].id", True),
    ({"data": [{"text": "a", "id": 2**70}]}, "wrong_type", "data[0].id", repr(2.0**70)),
    ({"input": ""}, "empty_text", "input", ""),
    ({"input": [1, 2]}, "wrong_type", "input[0]", 1),
    ({"input": [[1, 2]]}, "wrong_type", "input[0]", "a list of 2"),
    ({"input": [["a"]]}, "wrong_type", "input[0]", "a list of 1"),
    ({"input": ["a", ["b"]]}, "wrong_type", "input[1]", "a list of 1"),
    ({"input": NESTED, "late_chunking": True}, "wrong_type", "input[1]", None),
    ({"input": [["a"], []], "late_chunking": True}, "empty_input", "input[1]", "a list of 0"),
    ({"input": [["a"], ["b", ""]], "late_chunking": True}, "empty_text", "input[1][1]", ""),
    ({"input": [["a"] * 3, ["b"] * 3], "late_chunking": True}, "too_many_texts", "input", 6),
    ({"input": ["a", LONG]}, "text_too_long", "input[1]", 62),
    # parameters
    ({"data": ["a"], "parameters": []}, "wrong_type", "parameters", "a list of 0"),
    ({"data": ["a"], "parameters": "dimensions=2"}, "wrong_type", "parameters", "dimensions=2"),
    ({"data": ["a"], "parameters": {"task": "retrieval"}}, "unknown_task", "parameters.task", "retrieval"),
    ({"input": "a", "task": 1}, "wrong_type", "task", 1),
    ({"input": "a", "task": ["separation"]}, "wrong_type", "task", "a list of 1"),
    ({"input": "a", "dimensions": 0}, "invalid_dimensions", "dimensions", 0),
    ({"input": "a", "dimensions": 1025}, "invalid_dimensions", "dimensions", 1025),
    ({"input": "a", "dimensions": -(2**63)}, "invalid_dimensions", "dimensions", str(-(2**63))),
    ({"input": "a", "dimensions": 10**60}, "wrong_type", "dimensions", "1e+60"),
    ({"input": "a", "dimensions": True}, "wrong_type", "dimensions", True),
    ({"input": "a", "dimensions": 256.0}, "wrong_type", "dimensions", 256.0),
    ({"input": "a", "dimensions": "256"}, "wrong_type", "dimensions", "256"),
    ({"input": "a", "late_chunking": 1}, "wrong_type", "late_chunking", 1),
    ({"input": "a", "normalized": "yes"}, "wrong_type", "normalized", "yes"),
    ({"input": "a", "truncate": []}, "wrong_type", "truncate", "a list of 0"),
    ({"input": "a", "embedding_type": "float16"}, "invalid_value", "embedding_type", "float16"),
    ({"input": "a", "embedding_type": []}, "invalid_value", "embedding_type", "a list of 0"),
    ({"input": "a", "embedding_type": ["float", "float"]}, "invalid_value", "embedding_type", "a list of 2"),
    ({"input": "a", "encoding_format": 5}, "wrong_type", "encoding_format", 5),
    (
        {"input": "a", "encoding_format": "base64", "embedding_type": "int8"},
        "invalid_value",
        "encoding_format",
        "base64",
    ),
    ({"input": "a", "model": 5}, "wrong_type", "model", 5),
    ({"input": "a", "user": "u" * 300}, "invalid_value", "user", "u" * 79 + "…"),
]


@pytest.mark.parametrize(("value", "code", "field", "shown"), REFUSALS)
def test_refusals_name_field_value_and_what_is_allowed(value, code, field, shown):
    error = refusal(value)
    assert (error.code.wire_name, error.field, error.value) == (code, field, shown)
    assert error.allowed
    assert "secret" not in error.message
    assert field in error.message or code in ("unknown_shape", "missing_field")
    if code == "wrong_type" and isinstance(shown, str | int | float) and not isinstance(shown, bool):
        assert str(shown) in error.message or shown.startswith("a list of")
    assert "texts[" not in error.message


def test_a_value_that_is_shown_is_shown_as_json():
    assert refusal({"input": "a", "dimensions": 'a"b'}).message.startswith(r'dimensions is a string ("a\"b"); it must')
    assert refusal({"input": "a", "dimensions": True}).message.startswith("dimensions is a boolean (true); it must")


def test_the_nearest_task_is_named():
    assert "'retrieval.query'" in refusal({"input": "a", "task": "retreival.query"}).message
