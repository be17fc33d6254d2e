import sys

import pytest

from jina_v3.config import Config, ConfigError
from jina_v3.serving import handler
from jina_v3.serving.program import load_program


@pytest.fixture
def code(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    folder = tmp_path / "model" / "code"
    folder.mkdir(parents=True)
    return folder


def test_ours_where_the_model_folder_has_none(tmp_path):
    program = load_program(Config(base_folder=tmp_path))
    assert program.input_fn is handler.input_fn


def test_theirs_with_and_without_a_context_and_ours_for_the_rest(code, tmp_path):
    (code / "beside.py").write_text("WORD = 'beside'")
    (code / "mine.py").write_text(
        "from beside import WORD\n"
        "def input_fn(body, content_type): return WORD\n"
        "def predict_fn(data, model, context): return context\n"
    )
    program = load_program(Config(base_folder=tmp_path, program="mine.py", program_is_set=True))
    assert program.input_fn(b"", "x", "context") == "beside"
    assert program.predict_fn("data", "model", "context") == "context"
    assert program.output_fn is handler.output_fn
    assert program.open_response is handler.open_response
    assert program.read_parts is None  # theirs reads the bodies
    assert not program.batches  # theirs predicts
    assert program.is_quick(program.output_fn)
    assert not program.is_quick(program.input_fn)


def test_accept_is_theirs_to_judge_where_they_write_the_answers(code, tmp_path):
    (code / "inference.py").write_text("def output_fn(prediction, accept): return 'a,b', 'text/csv'")
    program = load_program(Config(base_folder=tmp_path))
    assert program.open_response is None
    assert program.batches


def test_a_named_program_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"mine\.py"):
        load_program(Config(base_folder=tmp_path, program="mine.py", program_is_set=True))


def test_a_handler_of_another_form(code, tmp_path):
    (code / "inference.py").write_text("def input_fn(body): return body")
    with pytest.raises(ConfigError, match="input_fn takes 1 arguments"):
        load_program(Config(base_folder=tmp_path))
