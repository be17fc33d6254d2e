import base64
import copy
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import container
from tests.support.fake_encoder import FakeEncoder

from jina_v3.contract import TASKS, EncodeJob
from jina_v3_client._texts.cutting import Cutter
from jina_v3_client._texts.pieces import Piece
from jina_v3_client._texts.wire import decode
from jina_v3_client.errors import ResponseError
from jina_v3_client.parameters import VECTOR_FORMS, Parameters
from jina_v3_client.settings import RequestLimits
from jina_v3_client.transport import HttpResponse

LONG = "word " * 60  # more than the fake encoder takes
words = st.text(min_size=1, max_size=9).filter(lambda text: not text.isspace())
parameters = st.builds(
    Parameters,
    task=st.sampled_from([None, *TASKS]),
    dimensions=st.integers(1, 1024),
    late_chunking=st.booleans(),
    form=st.sampled_from(VECTOR_FORMS),
)


def true_vectors(texts, asked):
    job = EncodeJob(tuple(texts), asked.task, asked.dimensions, asked.late_chunking, asked.normalized, asked.truncate)
    return np.stack([FakeEncoder.vector(text, job) for text in texts])


def check_vectors(block, asked, vectors):
    """Compare with what the contract's page says each form is."""
    got = block.vectors
    assert got.shape == (len(vectors), asked.columns)
    signs = np.packbits(vectors > 0, axis=1)
    if asked.form == "float":
        assert got.dtype == np.float32
        assert (got == vectors).all()
    elif asked.form == "int8":
        assert got.dtype == np.int8
        assert block.scales.dtype == np.float32
        assert np.abs(got * block.scales[:, None] - vectors).max() <= np.abs(vectors).max() / 250
    elif asked.form == "ubinary":
        assert got.dtype == np.uint8
        assert (got == signs).all()
    else:
        assert got.dtype == np.int8
        assert (got.astype(int) == signs.astype(int) - 128).all()


@given(st.lists(words, min_size=1, max_size=8), parameters, st.integers(0, 10**6))
@settings(max_examples=80, deadline=None)
def test_what_the_server_writes_is_read_back(texts, asked, first):
    piece = Piece(first, tuple(texts), asked)
    block = decode(container.answer(piece.work), piece)
    check_vectors(block, asked, true_vectors(texts, asked))
    assert list(block.token_counts) == [len(text.split()) + 2 for text in texts]
    assert list(block.indices) == list(range(first, first + len(texts)))
    assert (block.truncated, block.errors) == ((), {})
    assert [item.index for item in block] == list(block.indices)


@given(st.lists(words | st.sampled_from([LONG, " "]), max_size=12), parameters)
@settings(max_examples=60, deadline=None)
def test_of_lines_each_has_its_vector_or_its_error(texts, asked):
    asked = Parameters(task=asked.task, dimensions=asked.dimensions, form=asked.form)
    cutter = Cutter(asked, RequestLimits(), lines=True)
    pieces = [piece for text in texts for piece in cutter.add(text)] + cutter.finish()
    for piece in pieces:
        block = decode(container.answer(piece.work), piece)
        for item in block:
            text = texts[item.index]
            if text == LONG:
                assert item.error.code == "text_too_long"
                assert (item.vector, item.tokens, item.scale) == (None, 0, None)
            else:
                assert item.error is None
                assert item.tokens == len(text.split()) + 2
                assert (item.scale is not None) == (asked.form == "int8")
        failed = [row for row, index in enumerate(piece.indices) if texts[index] == LONG]
        rows = block.vectors[failed]
        assert np.isnan(rows).all() if asked.form == "float" else (rows == 0).all()
        assert set(cutter.errors) == {index for index, text in enumerate(texts) if text == " "}


def test_cut_texts_are_named_by_the_callers_index():
    asked = Parameters(truncate=True, dimensions=8)
    for piece in (Piece(5, ("a", LONG, "b"), asked), Piece(3, ("a", LONG, "b"), asked, True, (3, 6, 7))):
        assert decode(container.answer(piece.work), piece).truncated == (6,)


def test_documents_are_split_again():
    documents = [["a", "b"], ["c"], ["d", "e", "f"]]
    asked = Parameters(late_chunking=True, dimensions=16, form="int8")
    cutter = Cutter(asked, RequestLimits())
    (piece,) = [piece for chunks in documents for piece in cutter.add_document(chunks)] + cutter.finish()
    blocks = decode(container.answer(piece.work), piece).split(piece.documents)
    for chunks, block in zip(documents, blocks, strict=True):
        check_vectors(block, asked, true_vectors(chunks, asked))
        assert list(block.indices) == list(range(len(chunks)))


# damaged answers

PIECE = Piece(0, ("one", "two two", "three"), Parameters(dimensions=24, task="separation"))
WHOLE = container.answer(PIECE.work)
TRUE = decode(WHOLE, PIECE).vectors


def read(body, piece=PIECE):
    return decode(HttpResponse(status=200, headers={"x-amzn-requestid": "the-id"}, body=body), piece)


def check_damaged(body, piece=PIECE, true=TRUE):
    """It is refused, or what is damaged is none of the vectors."""
    try:
        block = read(body, piece)
    except ResponseError:
        return
    assert (block.vectors == true).all()


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("form", VECTOR_FORMS)
def test_an_answer_that_is_cut_off_anywhere_is_refused(form, lines):
    piece = Piece(0, ("one", "two"), Parameters(dimensions=24, form=form), lines)
    whole = container.answer(piece.work).body
    for length in range(len(whole)):
        with pytest.raises(ResponseError):
            read(whole[:length], piece)


def test_a_refusal_says_what_to_do_and_nothing_of_the_answer():
    with pytest.raises(ResponseError) as caught:
        read(b'{"data": "a secret", "parameters": {"secret": 1}}')
    error = caught.value
    assert "secret" not in repr(error) + str(error)
    assert error.request_id == "the-id"
    assert "3 texts" in str(error)
    assert error.advice
    assert error.__cause__ is None


@given(st.integers(0, len(WHOLE.body)), st.integers(0, 400), st.binary(max_size=40), st.booleans())
@settings(max_examples=250, deadline=None)
def test_bytes_lost_or_put_in_never_give_a_wrong_vector(at, size, more, lost):
    body = WHOLE.body
    check_damaged(body[:at] + body[at + size :] if lost else body[:at] + more + body[at:])


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
@settings(max_examples=60, deadline=None)
def test_what_is_no_answer_at_all_is_refused(body):
    with pytest.raises(ResponseError):
        read(body)
    with pytest.raises(ResponseError):
        read(body, Piece(0, ("a",), Parameters(), True))


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"data":' * 100_000, b'{"data":[' + b"9" * 5000 + b"]}", b"\xff\xfe{}"]
)
def test_hostile_answers_are_refused(body):
    with pytest.raises(ResponseError):
        read(body)


odd = st.sampled_from(
    [
        *(None, True, False, -1, 0, 1, 2, 3, 1.5, 2**63, 10**400, float("nan"), float("inf")),
        *("", "AAAA", "AAAAAA==", "é", "one", [], [1], [[]], {}),
    ]
)


@st.composite
def changed(draw, form, lines):
    """An answer with one of its values replaced, or items changed about."""
    piece = Piece(0, ("one", "two two", "three"), Parameters(dimensions=24, form=form), lines)
    response = container.answer(piece.work)
    true = decode(response, piece).vectors
    answer = copy.deepcopy(json.loads(response.body))
    items = answer if lines else answer["data"]
    kind = draw(st.sampled_from(["value", "lost", "order", "swap", "twice", "more"]))
    at = draw(st.integers(0, 2))
    if kind == "value":
        places = [items[at], *([items[at]["usage"], answer["parameters"], answer] if not lines else [])]
        place = draw(st.sampled_from(places))
        key = draw(st.sampled_from(sorted(place)))
        place[key] = draw(odd)
    elif kind == "lost":
        del items[at]
    elif kind == "order":
        items[:] = draw(st.permutations(items))
    elif kind == "swap":
        items[at], items[at - 1] = items[at - 1], items[at]
    elif kind == "twice":
        items[at] = items[at - 1]
    else:
        items.append(copy.deepcopy(items[at]))
    return piece, json.dumps(answer).encode(), true


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("form", VECTOR_FORMS)
def test_an_answer_changed_anywhere_never_gives_a_wrong_vector(form, lines):
    @given(changed(form, lines))
    @settings(max_examples=60, deadline=None)
    def check(case):
        piece, body, true = case
        check_damaged(body, piece, true)

    check()


def test_an_answer_of_another_task_or_length_is_refused():
    for other in (Parameters(dimensions=24), Parameters(dimensions=25, task="separation")):
        response = container.answer(Piece(0, PIECE.texts, other).work)
        with pytest.raises(ResponseError):
            decode(response, PIECE)


def test_numbers_that_are_none_are_refused():
    answer = json.loads(WHOLE.body)
    answer["data"][1]["embedding"] = base64.b64encode(np.full(24, np.nan, "<f4")).decode()
    with pytest.raises(ResponseError, match="item 1 has a value that is no number"):
        read(json.dumps(answer).encode())


@pytest.mark.parametrize("stray", ["\n", " ", "=", "-", "é"])
def test_base64_with_anything_else_in_it_is_refused(stray):
    answer = json.loads(WHOLE.body)
    vector = answer["data"][1]["embedding"]
    for at in (0, 5, len(vector)):
        answer["data"][1]["embedding"] = vector[:at] + stray + vector[at:]
        with pytest.raises(ResponseError):
            read(json.dumps(answer).encode())


@pytest.mark.parametrize("documents", [[0, 0, 0], [0, 1, 0], [1, 1, 1], [None, 0, 1]])
def test_a_chunk_of_another_document_is_refused(documents):
    piece = Piece(0, ("a", "b", "c"), Parameters(late_chunking=True), documents=(2, 1))
    answer = json.loads(container.answer(piece.work).body)
    assert [item["document"] for item in answer["data"]] == [0, 0, 1]
    for item, number in zip(answer["data"], documents, strict=True):
        item["document"] = number
    with pytest.raises(ResponseError):
        read(json.dumps(answer).encode(), piece)
