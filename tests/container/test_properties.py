"""Whatever is sent, the handlers answer with a documented status and form, and go on serving."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.asking import read_back
from tests.support.request_strategies import (
    JSON_LINES,
    PARQUET,
    attributes,
    bodies,
    csv_bodies,
    foreign_requests,
    headers,
    mutated_requests,
    parameters,
    parquet_bodies,
    texts,
    valid_requests,
    values,
)
from tests.support.wire import (
    DOCUMENTED_STATUSES,
    check_described,
    check_error,
    from_base64,
    from_float,
    strict_json,
)

from jina_v3.config import Config
from jina_v3.encoder import Encoder
from jina_v3.serving import handler
from jina_v3.serving.context import RequestContext

GOOD = b'{"data":[{"text":"the sun rises"}],"parameters":{"dimensions":4}}'

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


def run(
    encoder: Encoder, body: bytes | str, content_type: str | None, accept: str | None, attributes: str = ""
) -> tuple[int, bytes, str]:
    context = RequestContext("POST", "/invocations", {"x-amzn-sagemaker-custom-attributes": attributes}, "id")
    data = handler.input_fn(body, content_type, context)
    written, media_type = handler.output_fn(handler.predict_fn(data, encoder, context), accept, context)
    return context.status, written, media_type


def check_any(
    encoder: Encoder, body: bytes | str, content_type: str | None, accept: str | None, attributes: str = ""
) -> int:
    status, written, media_type = run(encoder, body, content_type, accept, attributes)
    assert status in DOCUMENTED_STATUSES
    if status == 200:
        read_back(written, media_type)
    else:
        check_error(written, status)
        assert media_type == "application/json"
    status_after, after, _ = run(encoder, GOOD, "application/json", None)
    assert (status_after, len(strict_json(after)["data"][0]["embedding"])) == (200, 4)
    return status


@each_length
def test_any_body_under_any_headers(encoder, length):
    @length
    @given(bodies, headers, headers, attributes)
    def check(body, content_type, accept, header):
        check_any(encoder, body, content_type, accept, header)

    check()


@each_length
def test_any_csv_or_parquet_under_any_attributes(encoder, length):
    accepts = st.sampled_from([None, "application/json", JSON_LINES, PARQUET, "application/x-npy"])

    @length
    @given(csv_bodies() | parquet_bodies(), st.sampled_from([None, "text/csv; header=present"]), accepts, attributes)
    def check(body, content_type, accept, header):
        own = PARQUET if body.startswith(b"PAR1") else "text/csv"
        status = check_any(encoder, body, content_type or own, accept, header)
        assert status != 500
        assert accept != "application/x-npy" or status >= 400

    check()


@each_length
def test_one_item_back_for_each_row_that_the_csv_module_writes(encoder, length):
    @length
    @given(st.lists(st.tuples(st.text(max_size=5), texts), max_size=5))
    def check(rows):
        rows = [[cell.replace("\r", " ") for cell in row] for row in rows]  # which the csv module does not quote
        written = io.StringIO()
        csv.writer(written, quoting=csv.QUOTE_ALL).writerows(rows)
        status, body, _ = run(encoder, written.getvalue().encode(), "text/csv", None, "dimensions=4")
        assert status == 200
        items = strict_json(body)["data"]
        assert [item["id"] for item, row in zip(items, rows, strict=True) if row[0]] == [
            row[0] for row in rows if row[0]
        ]
        assert all("embedding" in item or item["error"]["code"] == "empty_text" for item in items)

    check()


@each_length
def test_valid_requests_of_others_shapes_are_answered_in_every_form(encoder, length):
    accepts = st.sampled_from([None, JSON_LINES, PARQUET, "application/x-npy", "application/octet-stream"])

    @length
    @given(foreign_requests, accepts)
    def check(request, accept):
        status, written, media_type = run(encoder, json.dumps(request).encode(), "application/json", accept)
        if status != 200:
            assert media_type == "application/json"
            assert check_error(written, status)["field"] == "embedding_type"  # that an array has no place for
            assert accept in ("application/x-npy", "application/octet-stream")
            return
        given = next(request[name] for name in ("inputs", "texts", "text_inputs") if name in request)
        answer = read_back(written, media_type)
        if accept is None and isinstance(answer, dict):
            answer = next(answer[name] for name in ("vectors", "embedding", "embeddings") if name in answer)
            answer = next(iter(answer.values())) if isinstance(answer, dict) else answer
        if accept != "application/octet-stream":
            assert len(answer) == (1 if isinstance(given, str) else len(given))

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
