import json
import logging
from pathlib import Path

import pytest
from tests.support.fake_encoder import FakeEncoder
from tests.support.wire import check_error

from jina_v3.config import Config
from jina_v3.errors import CheckpointError
from jina_v3.serving import handler
from jina_v3.serving.context import RequestContext

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


class Broken:
    def encode_jobs(self, jobs):
        raise RuntimeError(f"cannot read {jobs[0].texts}" + "x" * 1000)


def test_a_fault_of_ours_is_500_without_its_words_and_is_logged(caplog):
    given = context()
    with caplog.at_level(logging.ERROR):
        body, _ = run(BODY, model=Broken(), given=given)
    error = check_error(body, 500)
    assert given.status == 500
    assert "cannot read" not in error["message"]
    (record,) = caplog.records
    assert record.fields["exception"] == "RuntimeError"
    assert len(record.fields["message"]) == 300


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
