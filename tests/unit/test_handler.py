import json
import logging
import sys
from pathlib import Path

import pytest
from tests.support.fake_encoder import FakeEncoder
from tests.support.wire import check_error

from jina_v3.config import Config
from jina_v3.contract import ErrorCode, Limits
from jina_v3.errors import CheckpointError, RequestError
from jina_v3.serving import handler
from jina_v3.serving.context import RequestContext
from jina_v3.serving.faults import DeviceLostError, is_device_lost
from jina_v3.serving.logs import JsonLines

BODY = b'{"input":"a","dimensions":2}'


@pytest.fixture(autouse=True)
def _defaults(monkeypatch):
    monkeypatch.setattr(handler, "_config", Config)


def context():
    return RequestContext("POST", "/invocations", {}, "the-id")


def run(body, content_type="application/json", accept=None, model=None, given=None):
    data = handler.input_fn(body, content_type, given)
    return handler.output_fn(handler.predict_fn(data, model or FakeEncoder(), given), accept, given)


def test_with_and_without_a_context():
    given = context()
    body, content_type = run(BODY, given=given)
    assert (given.status, content_type) == (200, "application/json")
    assert len(json.loads(body)["data"][0]["embedding"]) == 2
    assert run(BODY)[0] == body


def test_an_error_passes_through_all_three_and_sets_the_status():
    given = context()
    body, content_type = run(b"{", given=given)
    assert (given.status, content_type) == (400, "application/json")
    assert check_error(body, 400)["request_id"] == "the-id"
    run(BODY, given=given)
    assert given.status == 200  # a context can outlive its request


def test_an_encoders_error_has_the_place_in_the_request():
    error = check_error(run(b'{"data":[{"text":"a"},{"text":" "}]}')[0], 422)
    assert (error["field"], error["message"]) == ("data[1].text", "data[1].text is empty")


def test_an_encoders_error_of_a_parameter_has_its_place_too():
    class OneTask(FakeEncoder):
        def encode_jobs(self, jobs):
            words = "dimensions is 3; it must be even."
            error = RequestError(ErrorCode.INVALID_DIMENSIONS, words, field="dimensions", value=3, allowed="even")
            return [error for _ in jobs]

    error = check_error(run(b'{"data":["a"],"parameters":{"dimensions":3}}', model=OneTask())[0], 422)
    assert error["field"] == "parameters.dimensions"
    assert error["message"] == "parameters.dimensions is 3; it must be even."


class Broken:
    """Its failure's words hold the text."""

    def __init__(self, failure):
        self.failure = failure

    def encode_jobs(self, jobs):
        raise self.failure from ValueError(jobs[0].texts[0])


def test_a_fault_of_ours_is_500_and_is_logged_both_without_its_words(caplog):
    given = context()
    with caplog.at_level(logging.ERROR):
        body, _ = run(b'{"input":"Xyzzy"}', model=Broken(RuntimeError("cannot read Xyzzy")), given=given)
    error = check_error(body, 500)
    assert given.status == 500
    (record,) = caplog.records
    assert (record.fields["exception"], record.fields["request_id"]) == ("RuntimeError", "the-id")
    assert record.fields["frames"][-1].endswith(":encode_jobs")
    for told in (error["message"], JsonLines().format(record)):
        assert "Xyzzy" not in told
        assert "cannot read" not in told


def test_a_traceback_that_somebody_logs_has_no_words_either():
    try:
        int("Xyzzy")
    except ValueError:
        record = logging.LogRecord("uvicorn.error", logging.ERROR, "x.py", 1, "it failed", None, sys.exc_info())
    assert json.loads(JsonLines().format(record))["exception"] == "ValueError"
    assert "Xyzzy" not in JsonLines().format(record)


class AcceleratorError(Exception):
    """Named as torch's."""


LOST = [
    (RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors might be"), True),
    (AcceleratorError("CUDA error: an illegal memory access was encountered"), True),
    (RuntimeError("CUDA error: out of memory"), False),
    (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), False),
    (RuntimeError("CUDA error: invalid configuration argument"), False),
    (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), False),
    (RuntimeError("a text about a CUDA error: unspecified launch failure"), False),
    (KeyError("CUDA error: a key"), False),
]


@pytest.mark.parametrize(("failure", "lost"), LOST)
def test_a_device_that_is_lost_is_told_from_other_faults(failure, lost):
    given = context()
    prediction = handler.predict_fn(handler.input_fn(BODY, None, given), Broken(failure), given)
    assert isinstance(prediction, DeviceLostError) == lost
    body, _ = handler.output_fn(prediction, None, given)
    assert given.status == (503 if lost else 500)
    assert check_error(body, given.status)["code"] == ("not_ready" if lost else "internal")


def test_a_lost_device_is_seen_behind_the_exception_it_led_to():
    failure = KeyError("batch")
    failure.__cause__ = RuntimeError("CUDA error: unspecified launch failure")
    assert is_device_lost(failure)
    failure.__cause__.__cause__ = failure  # a ring
    assert is_device_lost(failure)
    assert not is_device_lost(KeyError("batch"))


@pytest.mark.parametrize(("accept", "status"), [(None, None), ("*/*", None), ("image/png", 406)])
def test_a_response_can_be_opened_before_the_model_runs(accept, status):
    opened = handler.open_response(handler.input_fn(BODY, None), accept)
    assert opened.code.status == status if status else opened.media_type == "application/json"


def test_an_error_and_a_users_own_request_open_no_response():
    error = handler.input_fn(b"{", None)
    assert handler.open_response(error, "image/png") is error
    assert handler.open_response({"mine": 1}, None) is None


def test_custom_attributes_reach_the_request_and_take_the_shape_back():
    given = RequestContext("POST", "/invocations", {"x-amzn-sagemaker-custom-attributes": "dimensions=3;mine"}, "id")
    body, content_type = run(b"a text", "text/plain", "application/octet-stream", given=given)
    assert (len(body), content_type) == (12, "application/octet-stream")
    headers = {name.decode(): value.decode() for name, value in given.head(0)}
    assert headers["x-embedding-shape"] == "1,3"
    assert headers["x-amzn-sagemaker-custom-attributes"] == "dimensions=3;mine;shape=1,3"


@pytest.mark.parametrize("body", [b"a,b", bytearray(b"a,b"), memoryview(b"a,b"), "a,b"])
@pytest.mark.parametrize("content_type", ["text/csv", "text/plain"])
def test_bodies_of_any_type(body, content_type):
    assert handler.input_fn(body, content_type).jobs[0].texts == ("b" if content_type == "text/csv" else "a,b",)


def test_bodies_in_parts():
    parts = handler.read_parts(b"a\nb\nc", "text/csv", None, rows_per_part=2)
    assert [len(part.jobs) for part in parts] == [2, 1]
    assert handler.read_parts(BODY, "application/json", None) is None
    assert handler.read_parts(b"PAR1", "application/x-parquet", None).code.wire_name == "not_parquet"


def test_the_limit_of_tokens_reaches_the_encoder(monkeypatch, tiny_model):
    config = Config(limits=Limits(max_tokens_per_text=16), device="cpu")
    monkeypatch.setattr(handler, "_config", lambda: config)
    model = handler.model_fn(str(tiny_model))
    data = json.dumps({"input": "the sun rises over a quiet harbour and boats return with fish"})
    error = check_error(run(data, model=model)[0], 422)
    assert (error["code"], error["allowed"]) == ("text_too_long", {"maximum": 16})


@pytest.mark.parametrize("data", [None, object()])
def test_what_is_no_request_is_an_error_too(data):
    given = context()
    handler.output_fn(handler.predict_fn(data, FakeEncoder(), given), None, given)
    assert given.status == 500


def test_the_model_folder(tmp_path):
    (tmp_path / "code").mkdir()
    with pytest.raises(CheckpointError, match=r"no config\.json in .*code nor .*; put the checkpoint there"):
        handler.find_model_folder(tmp_path / "code", Config())
    (tmp_path / "config.json").write_text("{}")
    assert handler.find_model_folder(tmp_path / "code", Config()) == tmp_path
    assert handler.find_model_folder(str(tmp_path), Config()) == tmp_path
    assert handler.find_model_folder(tmp_path, Config(model_folder=Path("/elsewhere"))) == Path("/elsewhere")
