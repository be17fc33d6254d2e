import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import container

from jina_v3.contract import ErrorCode
from jina_v3.errors import RequestError
from jina_v3.serving.error_body import write_error
from jina_v3_client._texts.pieces import Piece
from jina_v3_client._texts.wire import error_body
from jina_v3_client.parameters import Parameters


def wrapped(original, status=422):
    """As SageMaker tells of a container's error."""
    message = (
        f'Received client error ({status}) from primary with message "{original}". '
        "See https://eu-west-1.console.aws.amazon.com/cloudwatch/home in account 123456789012 for more information."
    )
    return {"Message": message, "OriginalMessage": original, "OriginalStatusCode": status, "LogStreamArn": "arn"}


def told(members):
    return error_body(json.dumps(members).encode())


scalars = st.none() | st.text() | st.integers(-(2**53), 2**53) | st.booleans()
errors = st.builds(
    lambda code, message, field, value, allowed: RequestError(code, message, field=field, value=value, allowed=allowed),
    st.sampled_from(ErrorCode),
    st.text(),
    st.none() | st.text(),
    scalars,
    scalars | st.lists(scalars, max_size=3),
)


@given(errors)
@settings(max_examples=60, deadline=None)
def test_what_the_container_says_is_read_however_it_is_wrapped(error):
    body = write_error(error, "the-id")
    original = body.decode()
    for found in (
        error_body(body),
        told(wrapped(original)),
        told({"Message": wrapped(original)["Message"]}),
        told({"message": original}),
    ):
        assert (found.code, found.message, found.field) == (error.code.wire_name, error.message, error.field)
        assert (found.value, found.allowed, found.request_id) == (error.value, error.allowed, "the-id")


@given(st.integers(0, 600), st.booleans())
@settings(max_examples=60, deadline=None)
def test_an_error_that_sagemaker_has_cut_off_still_has_its_code(size, bare):
    error = RequestError(
        ErrorCode.TEXT_TOO_LONG, 'it says "no" ' + "é" * 200, field="data[3].text", allowed=["x"] * 200
    )
    original = write_error(error, "the-id").decode()
    cut = original[: 40 + size]
    found = told(wrapped(cut)) if bare else error_body(cut.encode())
    assert found.code == "text_too_long"
    assert found.message in ("", error.message)
    assert found.index in (None, 3)


@given(
    st.binary(max_size=80) | st.builds(lambda a, b: b'{"error":' + a + b, st.binary(max_size=30), st.binary(max_size=9))
)
@settings(max_examples=150, deadline=None)
def test_any_body_at_all_is_an_error_or_none(body):
    found = error_body(body)
    assert found is None or isinstance(found.code, str)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{}", b"[]", b'{"Message": "Rate exceeded"}', b'{"error": "x"}', b'{"error": []}'),
        *(b'{"error":' * 10_000, b"[" * 100_000, b'{"message": null}', b'{"Message": "Endpoint texts not found."}'),
    ],
)
def test_a_body_without_an_error_of_the_containers_has_none(body):
    assert error_body(body) is None


@pytest.mark.parametrize(
    ("texts", "asked", "index"),
    [
        (("a", "b", " "), Parameters(), 2),
        (("a", "word " * 60), Parameters(), 1),
        ((" ", "a"), Parameters(late_chunking=True), 0),
    ],
)
def test_the_real_servers_error_names_the_text_by_its_place(texts, asked, index):
    piece = Piece(0, texts, asked)
    response = container.answer(piece.work)
    assert response.status == 422
    assert error_body(response.body).index == index


def test_of_documents_the_error_names_the_document():
    piece = Piece(0, ("a", "b", " "), Parameters(late_chunking=True), documents=(2, 1))
    assert error_body(container.answer(piece.work).body).index == 1
