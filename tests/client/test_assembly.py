import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import container

from jina_v3_client._texts.assembly import InOrder, assemble
from jina_v3_client._texts.cutting import Cutter
from jina_v3_client._texts.wire import decode
from jina_v3_client.parameters import VECTOR_FORMS, Parameters
from jina_v3_client.results import Embeddings, Usage
from jina_v3_client.settings import RequestLimits

LONG = "word " * 60
KINDS = ["one", "two two", "three", LONG, " ", "\ud800"]
texts = st.integers(0, 10**6).map(lambda seed: random.Random(seed).choices(KINDS, k=seed % 25))


def embed(given_texts, asked, most, *, lines=True):
    cutter = Cutter(asked, RequestLimits(texts=most), lines=lines)
    pieces = [piece for text in given_texts for piece in cutter.add(text)] + cutter.finish()
    return [decode(container.answer(piece.work), piece) for piece in pieces], cutter


def codes(given_texts):
    of = {LONG: "text_too_long", " ": "empty_text", "\ud800": "invalid_text"}
    return {index: of[text] for index, text in enumerate(given_texts) if text in of}


@given(texts, st.sampled_from(VECTOR_FORMS), st.booleans(), st.integers(1, 7), st.randoms())
@settings(max_examples=80, deadline=None)
def test_every_text_has_its_own_row_whatever_the_order_of_the_answers(given_texts, form, truncate, most, order):
    asked = Parameters(dimensions=20, form=form, truncate=truncate)
    blocks, cutter = embed(given_texts, asked, most)
    order.shuffle(blocks)
    result = assemble(blocks, cutter.count, asked, Usage(requests=3, tokens=99), errors=cutter.errors)
    failed = {index: code for index, code in codes(given_texts).items() if not (truncate and code == "text_too_long")}
    assert {index: error.code for index, error in result.errors.items()} == failed
    assert list(result.errors) == sorted(failed)
    assert result.shape == (len(given_texts), asked.columns)
    alone = {text: embed([text], asked, 1)[0] for text in set(given_texts)}
    for index, text in enumerate(given_texts):
        row = result[index]
        if index in failed:
            assert np.isnan(row).all() if form == "float" else (row == 0).all()
            assert result.token_counts[index] == 0
        else:
            (block,) = alone[text]
            assert (row == block.vectors[0]).all()
            assert result.token_counts[index] == block.token_counts[0]
            assert result.scales is None or result.scales[index] == block.scales[0]
    cut = [index for index, text in enumerate(given_texts) if truncate and text == LONG]
    assert list(result.truncated) == cut
    assert (result.usage.tokens, result.usage.requests) == (result.token_counts.sum(), 3)
    assert blocks == []


@given(texts, st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_one_by_one_they_come_in_the_order_of_the_texts(given_texts, most):
    asked = Parameters(dimensions=20)
    blocks, cutter = embed(given_texts, asked, most)
    whole = assemble(list(blocks), cutter.count, asked, Usage(), errors=dict(cutter.errors))
    order = InOrder(cutter.errors)
    items = [item for block in blocks for item in order.add(block)] + list(order.finish(cutter.count))
    assert [item.index for item in items] == list(range(len(given_texts)))
    assert {item.index: item.error for item in items if item.error} == whole.errors
    assert all((item.vector == whole[item.index]).all() for item in items if item.error is None)
    assert cutter.errors == {}  # memory stays bounded


def test_a_text_without_a_row_is_never_passed_over():
    blocks, cutter = embed(["a", "b"], Parameters(), 1)
    with pytest.raises(AssertionError, match="1 of 2"):
        assemble(blocks[:1], cutter.count, Parameters(), Usage())


def test_no_texts_are_no_rows():
    assert assemble([], 0, Parameters(dimensions=7), Usage()).shape == (0, 7)


def test_cosines_of_one_result_with_another_are_theirs():
    def some(count):
        vectors = np.random.default_rng(count).normal(size=(count, 4))
        return Embeddings(vectors=vectors, token_counts=np.ones(count, dtype=np.int64), usage=Usage())

    queries, passages = some(2), some(3)
    assert np.array_equal(queries @ passages.T, queries.vectors @ passages.vectors.T)
    assert np.array_equal(passages @ queries[0], passages.vectors @ queries.vectors[0])
    transposed = Embeddings(vectors=passages.T, token_counts=passages.token_counts, usage=Usage())
    assert np.array_equal(queries @ transposed, queries @ passages.T)
