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
def test_accept_can_be_checked_before_the_model_runs(accept, status):
    data = handler.input_fn(BODY, None)
    checked = handler.check_accept(data, accept)
    assert checked.code.status == status if status else checked is data


def test_an_error_and_a_users_own_request_pass_the_check_of_accept():
    for data in (handler.input_fn(b"{", None), {"mine": 1}):
        assert handler.check_accept(data, "image/png") is data


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
