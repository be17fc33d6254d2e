import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import container
from tests.support.fake_encoder import FakeEncoder

from jina_v3.contract import EncodeJob
from jina_v3_client._texts.assembly import assemble
from jina_v3_client._texts.pieces import Piece
from jina_v3_client._texts.wire import decode
from jina_v3_client.errors import InvalidInputError
from jina_v3_client.parameters import VECTOR_FORMS, Parameters
from jina_v3_client.results import Usage
from jina_v3_client.similarity import as_float, cosine, hamming

A, B = ("one", "two", "three"), ("four", "one")


def embeddings(texts, form, dimensions=64):
    asked = Parameters(form=form, dimensions=dimensions)
    piece = Piece(0, texts, asked)
    return assemble([decode(container.answer(piece.work), piece)], len(texts), asked, Usage())


def true(texts, form, dimensions=64):
    vectors = np.stack([FakeEncoder.vector(text, EncodeJob((text,), dimensions=dimensions)) for text in texts])
    return np.where(vectors > 0, 1.0, -1.0) if "binary" in form else vectors.astype(float)


def slow_cosine(a, b):
    return np.array([[x @ y / np.sqrt((x @ x) * (y @ y)) for y in b] for x in a])


@pytest.mark.parametrize("left", VECTOR_FORMS)
@pytest.mark.parametrize("right", VECTOR_FORMS)
@pytest.mark.parametrize("dimensions", [64, 61])
def test_vectors_of_any_two_forms_are_compared(left, right, dimensions):
    found = cosine(embeddings(A, left, dimensions), embeddings(B, right, dimensions), dimensions=dimensions)
    wanted = slow_cosine(true(A, left, dimensions), true(B, right, dimensions))
    assert found.dtype == np.float32
    assert np.abs(found - wanted).max() < (0.02 if "int8" in (left, right) else 1e-5)


def test_the_side_with_numbers_says_the_dimensions():
    found = cosine(embeddings(A, "ubinary", 61), embeddings(B, "float", 61))
    assert np.abs(found - slow_cosine(true(A, "ubinary", 61), true(B, "float", 61))).max() < 1e-5


@pytest.mark.parametrize("form", ["binary", "ubinary"])
def test_hamming_counts_the_signs_that_differ(form):
    found = hamming(embeddings(A, form), embeddings(B, form))
    assert (found == [[(x != y).sum() for y in true(B, form)] for x in true(A, form)]).all()
    assert found.dtype == np.int64


def test_binary_and_ubinary_are_the_same_signs():
    assert (np.diag(hamming(embeddings(A, "binary"), embeddings(A, "ubinary"))) == 0).all()


@given(st.lists(st.lists(st.floats(-10, 10), min_size=3, max_size=3), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_arrays_and_lists_are_compared_too_and_nothing_is_near_to_zeros(rows):
    found = cosine(rows, np.array(rows))
    assert found.shape == (len(rows), len(rows))
    assert not np.isnan(found).any()
    assert (np.abs(found) <= 1.0001).all()


def test_a_side_that_is_one_vector_has_no_axis():
    whole = embeddings(A, "float")
    assert cosine(whole[0], whole).shape == (3,)
    assert cosine(whole, whole[0]).shape == (3,)
    assert cosine(whole[0], whole[0]) == pytest.approx(1)
    bits = embeddings(A, "ubinary")
    assert hamming(bits[0], bits).tolist() == hamming(bits, bits)[0].tolist()
    assert hamming(bits, bits[0]).shape == (3,)


def test_int8_times_its_scales_is_nearly_the_vector():
    assert np.abs(as_float(embeddings(A, "int8")) - true(A, "float")).max() < 0.002


def test_an_array_of_int8_must_say_its_form():
    array = np.asarray(embeddings(A, "int8"))
    with pytest.raises(InvalidInputError, match="form='int8'"):
        cosine(array, array)
    assert np.diag(cosine(array, array, form="int8")) == pytest.approx([1, 1, 1])
    with pytest.raises(InvalidInputError, match="no hamming distance"):
        hamming(array, array, form="int8")


def test_vectors_of_two_lengths_are_refused():
    with pytest.raises(InvalidInputError, match="64 and 32 columns"):
        cosine(embeddings(A, "float"), embeddings(A, "float", 32))
    with pytest.raises(InvalidInputError, match="8 and 4 columns"):
        hamming(embeddings(A, "ubinary"), embeddings(A, "ubinary", 32))
