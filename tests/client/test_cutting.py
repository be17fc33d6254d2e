import pickle
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import container
from tests.support.container import LongestEncoder, RefusingEncoder

from jina_v3.contract import TASKS, Limits
from jina_v3_client._texts.cutting import Cutter
from jina_v3_client._texts.pieces import Piece
from jina_v3_client._texts.requests import Scales, Weight, encode_text, estimate_tokens
from jina_v3_client.errors import InvalidInputError, TooLargeError
from jina_v3_client.parameters import VECTOR_FORMS, Parameters
from jina_v3_client.settings import RequestLimits

good = st.text(min_size=1, max_size=60).filter(lambda text: not text.isspace())
bad = st.sampled_from(["", " \n", "half \ud800", None, 7, b"bytes", ["a"], "long" * 2000])
parameters = st.builds(
    Parameters,
    task=st.sampled_from([None, *TASKS]),
    dimensions=st.integers(1, 1024),
    normalized=st.booleans(),
    truncate=st.booleans(),
    form=st.sampled_from(VECTOR_FORMS),
)
late = parameters.map(lambda p: Parameters(task=p.task, dimensions=p.dimensions, form=p.form, late_chunking=True))
limits = st.builds(
    RequestLimits,
    request_bytes=st.integers(1000, 3000),
    response_bytes=st.integers(10_000, 40_000),
    tokens=st.integers(1, 300),
    texts=st.integers(1, 20),
)


def some(values, most):
    """Lists whose lengths are spread evenly, not mostly short."""
    return st.integers(0, most).flatmap(lambda size: st.lists(values, min_size=size, max_size=size))


def cut(texts, asked=None, most=None, **form):
    cutter = Cutter(asked or Parameters(), most or RequestLimits(), **form)
    return [piece for text in texts for piece in cutter.add(text)] + cutter.finish(), cutter


def cut_documents(documents, asked, most=None):
    cutter = Cutter(asked, most or RequestLimits())
    return [piece for chunks in documents for piece in cutter.add_document(chunks)] + cutter.finish()


def check_limits(piece, most):
    work = piece.work
    assert len(work.body) <= most.request_bytes
    sign = 1 if piece.parameters.form == "ubinary" else -1
    encoders = [LongestEncoder(sign), *([RefusingEncoder()] if piece.lines else [])]
    for encoder in encoders:
        response = container.answer(work, encoder)
        assert response.status == 200
        assert len(response.body) <= most.response_bytes
    if piece.divisible:
        assert work.tokens <= most.tokens
        assert work.texts <= most.texts


def check_request(piece, documents=None):
    """The real server reads exactly these texts, with these parameters."""
    work, asked = piece.work, piece.parameters
    jobs = container.read(work).jobs
    assert [text for job in jobs for text in job.texts] == list(piece.texts)
    if documents is not None:
        assert [job.texts for job in jobs] == documents
    form = "base64" if asked.form == "float" else asked.form
    assert container.read(work).records[0].parameters.embedding_types == form if piece.lines else True
    for job in jobs:
        told = (job.task, job.dimensions, job.late_chunking, job.normalized, job.truncate)
        assert told == (asked.task, asked.dimensions, asked.late_chunking, asked.normalized, asked.truncate)
    assert (work.task, work.texts) == (asked.task, len(piece.texts))


@given(some(good, 40), parameters, limits, st.booleans())
@settings(max_examples=60, deadline=None)
def test_pieces_put_together_are_the_texts_and_each_keeps_the_limits(texts, asked, most, lines):
    pieces, cutter = cut(texts, asked, most, lines=lines)
    found = [pair for piece in pieces for pair in zip(piece.indices, piece.texts, strict=True)]
    assert found == list(enumerate(texts))
    assert cutter.count == len(texts)
    for piece in pieces:
        check_limits(piece, most)
        check_request(piece)


@given(some(good | bad, 30), parameters, limits)
@settings(max_examples=60, deadline=None)
def test_of_good_and_bad_texts_each_is_in_one_piece_or_has_an_error(texts, asked, most):
    pieces, cutter = cut(texts, asked, most, lines=True)
    sent = {index: text for piece in pieces for index, text in zip(piece.indices, piece.texts, strict=True)}
    assert sum(len(piece.texts) for piece in pieces) == len(sent)
    assert sorted([*sent, *cutter.errors]) == list(range(len(texts)))
    assert all(texts[index] == text for index, text in sent.items())
    assert list(sent) == sorted(sent)
    for piece in pieces:
        check_limits(piece, most)


@given(some(st.lists(good, min_size=1, max_size=6), 10), late, limits)
@settings(max_examples=60, deadline=None)
def test_documents_are_never_cut(documents, asked, most):
    most = RequestLimits(request_bytes=10_000, response_bytes=40_000, tokens=most.tokens, texts=most.texts)
    pieces = cut_documents(documents, asked, most)
    found = []
    for piece in pieces:
        check_limits(piece, most)
        rest = iter(piece.texts)
        own = [tuple(next(rest) for _ in range(size)) for size in piece.documents]
        check_request(piece, own)
        assert piece.first_document == len(found)
        found += own
    assert found == [tuple(chunks) for chunks in documents]


@given(st.lists(good, min_size=2, max_size=20), parameters, st.booleans())
@settings(max_examples=30, deadline=None)
def test_halves_are_the_whole(texts, asked, lines):
    texts = [text for pair in zip(texts, [None] * len(texts), strict=True) for text in pair] if lines else texts
    (piece,), _ = cut(texts, asked, lines=lines)
    left, right = piece.halves()
    assert left.texts + right.texts == piece.texts
    assert [*left.indices, *right.indices] == list(piece.indices)
    for half in (left, right):
        check_request(half)


def test_halves_of_documents_are_documents():
    asked = Parameters(late_chunking=True)
    (piece,) = cut_documents([["a", "b"], ["c"], ["d", "e", "f"]], asked)
    left, right = piece.halves()
    assert [(half.documents, half.texts, half.first_document) for half in (left, right)] == [
        ((2,), ("a", "b"), 0),
        ((1, 3), ("c", "d", "e", "f"), 1),
    ]
    assert (left.divisible, right.divisible) == (False, True)


def test_a_document_by_itself_is_one_piece_whatever_its_size():
    pieces, _ = cut(["chunk"] * 2048, Parameters(late_chunking=True, dimensions=64), RequestLimits(texts=3, tokens=5))
    assert [len(piece.texts) for piece in pieces] == [2048]
    assert not pieces[0].divisible
    check_request(pieces[0])


def test_pieces_are_as_large_as_they_may_be():
    assert [len(piece.texts) for piece in cut(["a short text"] * 1025)[0]] == [512, 512, 1]
    assert [len(piece.texts) for piece in cut(["a short text"] * 1025, Parameters(form="int8"))[0]] == [512, 512, 1]
    most = RequestLimits(texts=2048, tokens=10**6)
    assert 1000 < len(cut(["a short text"] * 2000, most=most)[0][0].texts) < 1080  # 5.9 MB, and 5,464 for base64 alone


def test_a_full_piece_is_there_at_once():
    cutter = Cutter(Parameters(), RequestLimits(texts=2))
    assert [len(cutter.add(text)) for text in "abc"] == [0, 1, 0]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty_text"),
        (" \u3000\n", "empty_text"),
        (7, "wrong_type"),
        (["a"], "wrong_type"),
        ("a\udfff", "invalid_text"),
    ],
)
def test_a_bad_text_is_named_by_its_index(text, code):
    with pytest.raises(InvalidInputError) as caught:
        cut(["good", "good", text])
    assert (caught.value.code, caught.value.index, caught.value.field) == (code, 2, "texts[2]")
    assert pickle.loads(pickle.dumps(caught.value)).index == 2


@pytest.mark.parametrize(
    ("texts", "asked", "code"),
    [
        (["good", "x" * 3000], Parameters(), "body_too_large"),
        (["xx" * 300] * 3, Parameters(late_chunking=True), "body_too_large"),
        (["x"] * 3, Parameters(late_chunking=True), "body_too_large"),
        (["x"] * 2049, Parameters(late_chunking=True, dimensions=1, form="ubinary"), "too_many_texts"),
    ],
)
def test_what_no_request_can_hold_is_refused(texts, asked, code):
    most = RequestLimits(
        request_bytes=10**6 if len(texts) > 9 else 1500, response_bytes=10**6 if len(texts) > 9 else 10_000
    )
    with pytest.raises(TooLargeError) as caught:
        cut(texts, asked, most)
    assert caught.value.code == code
    assert "xx" not in str(caught.value)


def test_a_documents_errors_name_the_document():
    with pytest.raises(InvalidInputError) as caught:
        cut_documents([["a"], ["b", ""]], Parameters(late_chunking=True))
    assert (caught.value.index, caught.value.field) == (1, "documents[1][1]")
    with pytest.raises(InvalidInputError, match=r"documents\[1\] has no chunks"):
        cut_documents([["a"], []], Parameters(late_chunking=True))


def test_lines_and_late_chunking_exclude_each_other():
    with pytest.raises(InvalidInputError, match="all or none"):
        Cutter(Parameters(late_chunking=True), RequestLimits(), lines=True)


@pytest.mark.parametrize(
    ("piece", "field", "index", "place"),
    [
        (Piece(100, ("a", "b", "c"), Parameters()), "data[2].text", 102, "texts[102]"),
        (Piece(0, ("a", "b"), Parameters(), True, (4, 9)), "data[1].text", 9, "texts[9]"),
        (
            Piece(5, ("a", "b"), Parameters(), documents=(1, 1), first_document=7),
            "data[1][0].text",
            8,
            "documents[8][0]",
        ),
        (Piece(0, ("a",), Parameters()), "data[1].text", None, "data[1].text"),
        (Piece(0, ("a",), Parameters()), "parameters.task", None, "parameters.task"),
        (Piece(0, ("a",), Parameters()), None, None, None),
    ],
)
def test_the_servers_error_is_told_of_the_callers_text(piece, field, index, place):
    error = InvalidInputError(f"{field} is empty", code="empty_text", field=field)
    piece.locate(error)
    assert (error.index, error.field, str(error)) == (index, place, f"{place} is empty")


def test_texts_stand_in_no_repr():
    (piece,), _ = cut(["a secret"])
    assert "secret" not in repr(piece) + repr(piece.work)


@pytest.mark.parametrize(
    ("text", "tokens"),
    # the real tokenizer's counts, with <s> and </s>, of Jina's sample for SageMaker; and of the two prompts
    [
        ("How is the weather today?", 8),
        ("What is the weather like today?", 9),
        ("What's the color of an orange?", 12),
        ("What are the hours?", 7),
        ("Are you open on weekends?", 9),
        ("Are you available on holidays?", 9),
        ("Represent the query for retrieving evidence documents:", 14),
        ("Represent the document for retrieval:", 11),
    ],
)
def test_tokens_are_estimated_on_the_safe_side(text, tokens):
    assert tokens <= estimate_tokens(text, len(text.encode())) <= 2 * tokens


@pytest.mark.parametrize(
    ("text", "least"),
    [("a b c d e f g h " * 10, 80), ("😀 " * 50, 100), ("😀" * 50, 100), ("㐂𠮷" * 50, 100), ("0123456789" * 10, 50)],
)
def test_dense_texts_are_estimated_higher(text, least):
    assert least <= estimate_tokens(text, len(text.encode())) <= 2.5 * least


@given(good)
def test_an_estimate_is_no_less_than_the_words_and_no_more_than_the_bytes(text):
    size = len(text.encode())
    assert text.count(" ") + 1 <= estimate_tokens(text, size) - 2 <= max(size, text.count(" ") + 1)


def test_a_long_text_counts_for_what_the_server_reads_of_it():
    (piece,), _ = cut(["word " * 100_000])
    assert piece.work.tokens == Limits().max_tokens_per_text
    (document,), _ = cut(["word " * 100_000], Parameters(late_chunking=True))
    assert document.work.tokens > 100_000


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("form", VECTOR_FORMS)
def test_answers_are_as_long_as_they_may_be_and_no_longer(form, lines):
    most = RequestLimits(response_bytes=1_000_000, texts=2048, tokens=10**6)
    pieces, _ = cut(["text"] * 2000, Parameters(form=form, truncate=True), most, lines=lines)
    longest = len(container.answer(pieces[0].work, LongestEncoder(1 if form == "ubinary" else -1)).body)
    least = 0.5 if lines and "binary" in form else 0.95  # a line must have room for an error
    assert least < longest / most.response_bytes <= 1


WORST = [Parameters(form=form, dimensions=9, truncate=True, task="retrieval.passage") for form in VECTOR_FORMS]
WORST_LATE = [Parameters(form=form, dimensions=9, late_chunking=True) for form in VECTOR_FORMS]


@pytest.mark.parametrize("count", [1, 2000])
@pytest.mark.parametrize(
    ("asked", "lines"), [*((p, lines) for p in WORST for lines in (False, True)), *((p, False) for p in WORST_LATE)]
)
def test_weights_are_no_less_than_requests_and_answers_and_little_more(asked, lines, count):
    scales, texts = Scales(asked, lines=lines), ("text",) * count
    documents = (1,) * count if asked.late_chunking else ()
    work = Piece(0, texts, asked, lines, documents=documents).work
    weight = scales.empty
    for text in texts:
        weight += scales.weigh(text, encode_text(text)) + (scales.document if documents else Weight())
    longest = len(container.answer(work, LongestEncoder(1 if asked.form == "ubinary" else -1)).body)
    assert 0 <= weight.request_bytes - len(work.body) <= 60 + 5 * count
    assert weight.response_bytes >= longest
    if not lines:
        assert weight.response_bytes - longest <= 400 + 11 * count
    else:
        refused = len(container.answer(work, RefusingEncoder()).body)
        assert refused <= weight.response_bytes <= 400 + 4 * refused
    assert (weight.texts, weight.tokens) == (count, work.tokens)


def test_no_more_texts_are_held_than_one_request_has():
    class Text(str):
        """A string that tells whether it is still there."""

    cutter, held, most = Cutter(Parameters(), RequestLimits(texts=10)), weakref.WeakValueDictionary(), 0
    for index in range(1000):
        text = Text(f"text {index}")
        held[index] = text
        cutter.add(text)
        del text
        most = max(most, len(held))
    assert most <= 10
