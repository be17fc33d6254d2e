import pytest
from tests.support.asking import ask
from tests.support.wire import check_described

from jina_v3.config import Config
from jina_v3.contract import Task
from jina_v3.errors import RequestError
from jina_v3.serving.error_body import describe_error
from jina_v3.serving.formats.attributes import HEADER, append_attribute, read_attributes
from jina_v3.serving.formats.parameters import Parameters

SET = Config(default_task=Task.SEPARATION, default_dimensions=64, default_embedding_type="base64")


@pytest.mark.parametrize(
    ("header", "parameters"),
    [
        (None, Parameters()),
        ("", Parameters()),
        ("task=retrieval.query;dimensions=256", Parameters(Task.RETRIEVAL_QUERY, 256)),
        (" Task = retrieval.query , dimensions=256 ", Parameters(Task.RETRIEVAL_QUERY, 256)),
        ("normalized=false;truncate=TRUE;embedding_type=int8", Parameters(None, 1024, False, False, True, "int8")),
        ("trace=1; free text; =; task; x=y=z, dimension=5", Parameters()),
        ("dimensions=8;dimensions=8", Parameters(dimensions=8)),
    ],
)
def test_parameters_are_read_and_everything_else_is_the_callers(header, parameters):
    assert read_attributes(header, Config()) == parameters


def test_the_environment_comes_after_the_header():
    assert read_attributes(None, SET) == Parameters(Task.SEPARATION, 64, embedding_types="base64")
    assert read_attributes("task=none;dimensions=3", SET) == Parameters(None, 3, embedding_types="base64")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("task=retreival.query", "unknown_task"),
        ("task=", "unknown_task"),
        ("dimensions=many", "wrong_type"),
        ("dimensions=-1", "wrong_type"),
        ("dimensions=2000", "invalid_dimensions"),
        ("normalized=yes", "wrong_type"),
        ("truncate=1", "wrong_type"),
        ("embedding_type=float16", "invalid_value"),
        ("dimensions=8;dimensions=9", "invalid_value"),
    ],
)
def test_a_value_of_ours_that_cannot_be_is_refused(header, code):
    with pytest.raises(RequestError) as caught:
        read_attributes(header, Config())
    assert (caught.value.code.wire_name, caught.value.code.status, caught.value.field) == (code, 422, HEADER)
    assert HEADER in caught.value.message
    check_described({**describe_error(caught.value), "line": 1}, "line")


def test_records_that_do_not_say_get_them_and_json_requests_do_not():
    body = b'{"text":"a"}\n{"text":"a","dimensions":null}\n{"text":"a","dimensions":3,"embedding_type":"float"}'
    header = "dimensions=8;embedding_type=ubinary"
    lines = ask(body, "application/jsonlines", attributes=header)
    assert [len(line["embedding"]) for line in lines] == [1, 128, 3]
    assert len(ask({"input": "a"}, attributes=header)["data"][0]["embedding"]) == 1024
    assert ask({"input": "a"}, attributes="dimensions=many")["object"] == "list"


def test_an_attribute_is_appended_as_long_as_there_is_room():
    assert append_attribute(None, "shape=1,2") == append_attribute("é", "shape=1,2") == "shape=1,2"
    assert append_attribute("a=b", "shape=1,2") == "a=b;shape=1,2"
    assert len(append_attribute("x" * 1014, "shape=1,2")) == 1024
    assert append_attribute("x" * 1015, "shape=1,2") is None
