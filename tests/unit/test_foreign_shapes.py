import dataclasses
import json

import numpy as np
import pytest
from tests.support.asking import ask
from tests.support.fake_encoder import FakeEncoder
from tests.support.wire import from_base64

from jina_v3.config import Config
from jina_v3.contract import EncodeJob, Limits, Task
from jina_v3.errors import RequestError
from jina_v3.serving.codecs import read_request

CONFIG = Config(limits=Limits(max_texts=5))

JOBS = [
    # Hugging Face
    ({"inputs": "a"}, EncodeJob(("a",))),
    ({"inputs": ["a", {"text": "b"}], "parameters": None}, EncodeJob(("a", "b"))),
    ({"inputs": ["a"], "parameters": {"task": "separation", "dimensions": 2}}, EncodeJob(("a",), Task.SEPARATION, 2)),
    ({"inputs": "a", "normalize": False, "truncate": True}, EncodeJob(("a",), normalized=False, truncate=True)),
    ({"inputs": "a", "prompt_name": "retrieval.query"}, EncodeJob(("a",), Task.RETRIEVAL_QUERY)),
    ({"inputs": "a", "prompt_name": None, "dimensions": None, "truncation_direction": "Right"}, EncodeJob(("a",))),
    ({"inputs": "a", "parameters": {"truncation_direction": "right", "normalize": True}}, EncodeJob(("a",))),
    ({"inputs": "a", "dimensions": 3, "parameters": {"dimensions": 3}}, EncodeJob(("a",), dimensions=3)),
    # Cohere
    ({"texts": ["a"]}, EncodeJob(("a",), Task.TEXT_MATCHING)),
    ({"texts": ["a"], "input_type": None}, EncodeJob(("a",), Task.TEXT_MATCHING)),
    ({"texts": ["a"], "task": None}, EncodeJob(("a",))),
    ({"texts": ["a"], "input_type": "search_query", "model": "embed-v4.0"}, EncodeJob(("a",), Task.RETRIEVAL_QUERY)),
    ({"texts": ["a"], "input_type": "search_document"}, EncodeJob(("a",), Task.RETRIEVAL_PASSAGE)),
    ({"texts": ["a"], "input_type": "classification"}, EncodeJob(("a",), Task.CLASSIFICATION)),
    ({"texts": ["a"], "input_type": "clustering", "task": "separation"}, EncodeJob(("a",), Task.SEPARATION)),
    ({"texts": ["a"], "truncate": "END", "output_dimension": 9}, EncodeJob(("a",), Task.TEXT_MATCHING, 9, truncate=1)),
    ({"texts": ["a"], "truncate": "NONE"}, EncodeJob(("a",), Task.TEXT_MATCHING)),
    # LangChain
    ({"text_inputs": ["a"]}, EncodeJob(("a",))),
    ({"text_inputs": ["a"], "task": "separation", "dimensions": 7}, EncodeJob(("a",), Task.SEPARATION, 7)),
    ({"inputs": ["a"], "task": "separation"}, EncodeJob(("a",), Task.SEPARATION)),
    ({"inputs": ["a"], "model_kwargs": {"dimensions": 7}, "truncate": True}, EncodeJob(("a",), None, 7, truncate=True)),
    ({"inputs": ["a", "b"], "task": None, "late_chunking": True}, EncodeJob(("a", "b"), late_chunking=True)),
]


@pytest.mark.parametrize(("value", "job"), JOBS)
def test_what_a_request_asks_for(value, job):
    assert list(read_request(json.dumps(value), None, CONFIG).jobs) == [job]


def vectors(*texts, task=None, dimensions=2):
    job = EncodeJob(texts, task, dimensions)
    return [[float(str(number)) for number in FakeEncoder.vector(text, job)] for text in texts]


def test_hugging_faces_answer_is_a_list_of_vectors():
    assert ask({"inputs": ["a", "b c"], "dimensions": 2}) == vectors("a", "b c")
    assert ask({"inputs": "a", "dimensions": 2}) == vectors("a")
    (packed,) = ask({"inputs": "a", "dimensions": 2, "embedding_type": "base64"})
    assert from_base64(packed).tolist() == np.array(vectors("a"), np.float32)[0].tolist()
    (both,) = ask({"inputs": "a", "dimensions": 8, "parameters": {"embedding_type": ["float", "ubinary"]}})
    assert (set(both), len(both["ubinary"])) == ({"float", "ubinary"}, 1)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"text_inputs": ["a", "b"], "dimensions": 2}, "embedding"),
        ({"text_inputs": ["a", "b"], "model_kwargs": {"dimensions": 2}}, "embedding"),
        ({"inputs": ["a", "b"], "model_kwargs": {"dimensions": 2}}, "vectors"),
        ({"inputs": ["a", "b"], "task": None, "dimensions": 2}, "vectors"),
    ],
)
def test_langchains_answers_are_what_its_handlers_read(value, name):
    assert ask(value) == {name: vectors("a", "b")}
    scaled = ask({**value, "embedding_type": "int8"})
    assert (list(scaled), len(scaled["scale"])) == ([name, "scale"], 2)


def test_coheres_answer():
    body = ask({"texts": ["a", "b c"], "input_type": "search_query", "output_dimension": 2})
    assert list(body) == ["id", "embeddings", "response_type", "meta"]
    assert body["embeddings"] == vectors("a", "b c", task=Task.RETRIEVAL_QUERY)
    assert (body["response_type"], body["meta"]) == ("embeddings_floats", {"billed_units": {"input_tokens": 7}})


@pytest.mark.parametrize("types", [["float"], ["float", "int8"], ["base64", "binary", "ubinary"]])
def test_coheres_answer_by_form(types):
    body = ask({"texts": ["a", "b"], "embedding_types": types, "dimensions": 16})
    assert body["response_type"] == "embeddings_by_type"
    assert {name: len(of_form) for name, of_form in body["embeddings"].items()} == dict.fromkeys(types, 2)
    assert ("scale" in body) == ("int8" in types)


def test_one_form_in_our_own_words():
    body = ask({"texts": ["a"], "embedding_type": "ubinary", "dimensions": 16})
    assert len(body["embeddings"]["ubinary"][0]) == 2


@pytest.mark.parametrize("field", ["inputs", "texts", "text_inputs"])
def test_as_json_lines(field):
    lines = ask({field: ["a", "word " * 60], "truncate": True, "dimensions": 2}, accept="application/jsonlines")
    assert [(line["index"], line["tokens"], line.get("truncated")) for line in lines] == [(0, 3, None), (1, 50, True)]
    assert all(len(line["embedding"]) == 2 for line in lines)


def test_what_openais_client_reads():
    body = ask({"input": ["a"], "model": "text-embedding-3-small", "encoding_format": "base64", "user": "u"})
    assert (body["object"], body["model"]) == ("list", "text-embedding-3-small")
    assert set(body["usage"]) == {"prompt_tokens", "total_tokens"}
    (item,) = body["data"]
    assert set(item) == {"object", "index", "embedding"}
    assert (item["object"], item["index"], len(from_base64(item["embedding"]))) == ("embedding", 0, 1024)


REFUSALS = [
    ({"inputs": 5}, "wrong_type", "inputs", 5),
    ({"inputs": []}, "empty_input", "inputs", "a list of 0"),
    ({"inputs": ["a"] * 6}, "too_many_texts", "inputs", 6),
    ({"inputs": ["a", ""]}, "empty_text", "inputs[1]", ""),
    ({"inputs": "a", "normalise": True}, "unknown_field", "normalise", "normalise"),
    ({"inputs": "a", "parameters": {"dimension": 2}}, "unknown_field", "parameters.dimension", "dimension"),
    ({"inputs": "a", "parameters": []}, "wrong_type", "parameters", "a list of 0"),
    ({"inputs": "a", "prompt_name": "query"}, "unknown_task", "prompt_name", "query"),
    ({"inputs": "a", "parameters": {"dimensions": 0}}, "invalid_dimensions", "parameters.dimensions", 0),
    ({"inputs": "a", "truncation_direction": "Left"}, "invalid_value", "truncation_direction", "Left"),
    ({"inputs": "a", "dimensions": 2, "parameters": {"dimensions": 3}}, "invalid_value", "dimensions", 2),
    ({"inputs": "a", "dimensions": 2.0, "parameters": {"dimensions": 2}}, "invalid_value", "dimensions", 2.0),
    ({"inputs": "a", "truncate": False, "model_kwargs": {"truncate": 0}}, "invalid_value", "truncate", False),
    ({"inputs": "a", "normalize": True, "normalized": False}, "invalid_value", "normalize", True),
    ({"inputs": "a", "embedding_type": "int8"}, "invalid_value", "embedding_type", "int8"),
    ({"inputs": "a", "task": "query"}, "unknown_task", "task", "query"),
    ({"inputs": "a", "task": None, "parameters": {}}, "unknown_field", "parameters", "parameters"),
    ({"inputs": "a", "model_kwargs": 5}, "wrong_type", "model_kwargs", 5),
    ({"inputs": "a", "model_kwargs": {"temperature": 1}}, "unknown_field", "model_kwargs.temperature", "temperature"),
    ({"text_inputs": "a", "task": None, "model_kwargs": {"task": "separation"}}, "invalid_value", "task", None),
    ({"texts": ["a"], "input_type": "image"}, "invalid_value", "input_type", "image"),
    ({"texts": ["a"], "input_type": 5}, "wrong_type", "input_type", 5),
    (
        {"texts": ["a"], "input_type": "search_query", "task": "separation"},
        "invalid_value",
        "input_type",
        "search_query",
    ),
    ({"texts": ["a"], "input_type": "search_query", "task": None}, "invalid_value", "input_type", "search_query"),
    ({"texts": ["a"], "truncate": "START"}, "invalid_value", "truncate", "START"),
    ({"texts": ["a"], "truncate": 1}, "wrong_type", "truncate", 1),
    ({"texts": ["a"], "embedding_types": "float"}, "wrong_type", "embedding_types", "float"),
    ({"texts": ["a"], "embedding_types": ["uint8"]}, "invalid_value", "embedding_types", "uint8"),
    (
        {"texts": ["a"], "embedding_types": ["float"], "embedding_type": "base64"},
        "invalid_value",
        "embedding_types",
        None,
    ),
    ({"texts": ["a"], "output_dimension": 2000}, "invalid_dimensions", "output_dimension", 2000),
    ({"texts": ["a"], "images": []}, "unknown_field", "images", "images"),
]


@pytest.mark.parametrize(("value", "code", "field", "shown"), REFUSALS)
def test_refusals_name_field_value_and_what_is_allowed(value, code, field, shown):
    with pytest.raises(RequestError) as caught:
        ask(value, config=dataclasses.replace(CONFIG))
    error = caught.value
    assert (error.code.wire_name, error.field) == (code, field)
    assert error.value == shown or (shown is None and error.value == "a list of 1")
    assert error.allowed
    assert field in error.message or code in ("unknown_field", "invalid_value")
