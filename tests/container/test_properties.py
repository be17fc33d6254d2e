"""Whatever is sent, the handlers answer with a documented status and form, and go on serving."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.wire import (
    DOCUMENTED_STATUSES,
    check_described,
    check_error,
    from_base64,
    from_float,
    strict_json,
)

from jina_v3.config import Config
from jina_v3.contract import TASKS
from jina_v3.encoder import Encoder
from jina_v3.serving import handler
from jina_v3.serving.context import RequestContext

GOOD = b'{"data":[{"text":"the sun rises"}],"parameters":{"dimensions":4}}'
JSON_LINES = "application/jsonlines"

FAST = settings(max_examples=250, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
each_length = pytest.mark.parametrize(
    "length", [FAST, pytest.param(LONG, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)


@pytest.fixture(scope="module")
def encoder(tiny_model: Path) -> Iterator[Encoder]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model on a busy machine spends its time on threads waiting for each other
    yield Encoder.from_folder(tiny_model, device="cpu")
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _defaults(monkeypatch):
    config = Config()
    monkeypatch.setattr(handler, "_config", lambda: config)


def run(encoder: Encoder, body: bytes | str, content_type: str | None, accept: str | None) -> tuple[int, bytes, str]:
    context = RequestContext("POST", "/invocations", {}, "id")
    data = handler.input_fn(body, content_type, context)
    written, media_type = handler.output_fn(handler.predict_fn(data, encoder, context), accept, context)
    return context.status, written, media_type


def check_any(encoder: Encoder, body: bytes | str, content_type: str | None, accept: str | None) -> int:
    status, written, media_type = run(encoder, body, content_type, accept)
    assert status in DOCUMENTED_STATUSES
    if status == 200:
        values = (
            [strict_json(written)] if media_type == "application/json" else [*map(strict_json, written.splitlines())]
        )
        assert all(isinstance(value, dict | list) for value in values)
    else:
        check_error(written, status)
        assert media_type == "application/json"
    status_after, after, _ = run(encoder, GOOD, "application/json", None)
    assert (status_after, len(strict_json(after)["data"][0]["embedding"])) == (200, 4)
    return status


# what may be sent

headers = st.one_of(
    st.none(),
    st.sampled_from(
        ["application/json", JSON_LINES, "application/x-ndjson", "*/*", "text/csv", "application/json;q=0"]
    ),
    st.text(max_size=40),
)
any_text = st.one_of(
    st.text(max_size=20), st.text(st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF), max_size=3)
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.integers(min_value=10**30, max_value=10**400), any_text
)
PARAMETERS = ["task", "dimensions", "late_chunking", "normalized", "truncate", "embedding_type", "encoding_format"]
OTHER_FIELDS = ["data", "input", "inputs", "texts", "text", "id", "parameters", "model", "user"]
STRAY_FIELDS = ["dimension", "embedding", "error", "tokens"]
field_names = any_text | st.sampled_from(PARAMETERS + OTHER_FIELDS + STRAY_FIELDS)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(field_names, inner, max_size=4), max_leaves=12
)
bodies = st.one_of(
    st.binary(max_size=60),
    values.map(lambda value: json.dumps(value).encode()),
    values.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")),
)

texts = st.text(min_size=1, max_size=30).filter(lambda text: text.strip())
parameters = st.fixed_dictionaries(
    {},
    optional={
        "task": st.sampled_from([None, *(task.value for task in TASKS)]),
        "dimensions": st.none() | st.integers(1, 1024),
        "late_chunking": st.booleans(),
        "normalized": st.booleans(),
        "truncate": st.booleans(),
        "embedding_type": st.sampled_from(["float", "base64", "int8", ["binary", "ubinary"]]),
    },
)
sagemaker_requests = st.fixed_dictionaries(
    {
        "data": st.lists(
            texts | st.fixed_dictionaries({"text": texts}, optional={"id": st.text() | st.integers(0, 9)}),
            min_size=1,
            max_size=3,
        )
    },
    optional={"parameters": parameters},
)
api_requests = st.builds(
    lambda given, fields: {"input": given, **fields}, texts | st.lists(texts, min_size=1, max_size=3), parameters
)
valid_requests = sagemaker_requests | api_requests


@st.composite
def mutated_requests(draw: st.DrawFn) -> bytes:
    """A valid request with one node replaced, removed, renamed or doubled, or with its bytes damaged."""
    request = copy.deepcopy(draw(valid_requests))  # its parts are shared between draws
    nodes = [(None, None, request), *_nodes(request)]
    parent, key, value = draw(st.sampled_from(nodes))
    change = draw(st.sampled_from(["replace", "remove", "rename", "wrap", "repeat"]))
    if parent is None:
        return _damaged(draw, json.dumps(request).encode())
    if change == "replace":
        parent[key] = draw(values)
    elif change == "remove":
        del parent[key]
    elif change == "rename" and isinstance(parent, dict):
        parent[draw(field_names)] = parent.pop(key)
    elif change == "wrap":
        parent[key] = [value]
    else:
        parent[key] = [value] * draw(st.integers(0, 3))
    return json.dumps(request).encode()


def _nodes(value: Any) -> list[tuple[Any, Any, Any]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, child in steps:
        found += [(value, key, child), *_nodes(child)]
    return found


def _damaged(draw: st.DrawFn, body: bytes) -> bytes:
    at = draw(st.integers(0, len(body)))
    return body[:at] + draw(st.binary(max_size=3)) + body[at + draw(st.integers(0, 3)) :]


# the properties


@each_length
def test_any_body_under_any_headers(encoder, length):
    @length
    @given(bodies, headers, headers)
    def check(body, content_type, accept):
        check_any(encoder, body, content_type, accept)

    check()


@each_length
def test_any_json_as_json_and_as_the_str_that_awss_toolkit_passes(encoder, length):
    @length
    @given(values)
    def check(value):
        check_any(encoder, json.dumps(value), "application/json", "application/json")

    check()


@each_length
def test_mutated_requests(encoder, length):
    @length
    @given(mutated_requests())
    def check(body):
        check_any(encoder, body, "application/json", None)

    check()


@each_length
def test_one_line_back_for_each_line_that_is_not_blank(encoder, length):
    records = st.builds(lambda text, fields: json.dumps({"text": text, **fields}).encode(), texts, parameters)

    @length
    @given(st.lists(bodies | records, max_size=6))
    def check(parts):
        body = b"\n".join(parts)
        status, written, media_type = run(encoder, body, JSON_LINES, None)
        if body.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16 has no lines
            assert status == 400
            return
        assert (status, media_type) == (200, JSON_LINES)
        lines = written.split(b"\n")
        assert lines.pop() == b""
        assert len(lines) == sum(1 for line in body.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip())
        for line in map(strict_json, lines):
            assert ("error" in line) != ("embedding" in line or "embeddings" in line)
            if "error" in line:
                check_described(line["error"], "line")

    check()


@each_length
def test_valid_requests_round_trip_bit_for_bit(encoder, length):
    @length
    @given(valid_requests)
    def check(request):
        place = request.setdefault("parameters", {}) if "data" in request else request
        place["embedding_type"] = ["float", "base64", "ubinary", "binary", "int8"]
        status, written, _ = run(encoder, json.dumps(request).encode(), "application/json", None)
        assert status == 200, written
        dimensions = min(place.get("dimensions") or 1024, 64)
        items = strict_json(written)["data"]
        given_texts = request.get("data", request.get("input"))
        assert len(items) == (1 if isinstance(given_texts, str) else len(given_texts))
        for item in items:
            vector = from_base64(item["embedding"]["base64"])
            assert vector.shape == (dimensions,)
            assert vector.tobytes() == from_float(item["embedding"]["float"]).tobytes()
            assert np.isfinite(vector).all()
            signs = np.unpackbits(np.array(item["embedding"]["ubinary"], np.uint8))[:dimensions]
            assert (signs == (vector > 0)).all()
            assert [value + 128 for value in item["embedding"]["binary"]] == item["embedding"]["ubinary"]
            scaled = np.array(item["embedding"]["int8"]) * item["scale"]
            assert np.abs(scaled - vector).max() <= 0.51 * item["scale"]

    check()
