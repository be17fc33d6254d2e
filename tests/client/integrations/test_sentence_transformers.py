"""sentence-transformers' own functions beside ours, and its own evaluators over ours."""

import inspect
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from jina_v3_client.errors import ConfigurationError
from jina_v3_client.integrations.sentence_transformers import SentenceTransformer
from jina_v3_client.testing import InMemoryClient

pytest.importorskip("sentence_transformers", reason="make test-integrations")

import sentence_transformers
import torch
from sentence_transformers.sentence_transformer.evaluation import (
    EmbeddingSimilarityEvaluator,
    InformationRetrievalEvaluator,
)
from sentence_transformers.util import cos_sim, pairwise_cos_sim, quantize_embeddings

TEXTS = ["the sun rises in the east", "boats return with fish", "a quiet harbour"]
# what a client has no use for: processes of its own, and what other models take
WITHOUT = {"pool", "chunk_size", "kwargs"}


@pytest.fixture
def model(client: InMemoryClient) -> SentenceTransformer:
    return SentenceTransformer(client)


def test_encode_takes_what_the_librarys_takes_with_the_same_defaults() -> None:
    ours = inspect.signature(SentenceTransformer.encode).parameters
    theirs = inspect.signature(inspect.unwrap(sentence_transformers.SentenceTransformer.encode)).parameters
    assert [name for name in theirs if name not in WITHOUT] == [name for name in ours if name != "task"]
    assert {name: ours[name].default for name in theirs if name not in WITHOUT} == {
        name: parameter.default for name, parameter in theirs.items() if name not in WITHOUT
    }


@pytest.mark.parametrize(
    "name", ["similarity", "similarity_pairwise", "get_embedding_dimension", "truncate_embeddings"]
)
def test_other_methods_take_what_the_librarys_take(name: str) -> None:
    theirs = inspect.signature(getattr(sentence_transformers.SentenceTransformer, name)).parameters
    assert list(inspect.signature(getattr(SentenceTransformer, name)).parameters) == list(theirs)


@pytest.mark.parametrize("as_tensor", [True, False])
@pytest.mark.parametrize(("first", "second"), [((3, 8), (2, 8)), ((8,), (2, 8)), ((3, 8), (8,)), ((8,), (8,))])
def test_similarity_is_the_librarys(model: SentenceTransformer, first: Any, second: Any, as_tensor: bool) -> None:
    drawn = np.random.default_rng(5)
    one, other = (drawn.standard_normal(shape).astype(np.float32) for shape in (first, second))
    wanted = cos_sim(one, other)
    given = (torch.from_numpy(one), torch.from_numpy(other)) if as_tensor else (one, other)
    found = model.similarity(*given)
    assert isinstance(found, torch.Tensor) == as_tensor
    assert tuple(found.shape) == tuple(wanted.shape)
    assert np.allclose(found, wanted, atol=1e-6)


def test_pairwise_similarity_is_the_librarys_for_lists_of_either_kind(model: SentenceTransformer) -> None:
    one, other = np.random.default_rng(5).standard_normal((2, 3, 8)).astype(np.float32)
    other[1] = 0
    wanted = pairwise_cos_sim(one, other)
    for kind in (list, lambda rows: list(torch.from_numpy(rows)), torch.from_numpy):
        assert np.allclose(model.similarity_pairwise(kind(one), kind(other)), wanted, atol=1e-6)


def test_results_have_the_librarys_kinds_and_shapes(model: SentenceTransformer) -> None:
    array = model.encode(TEXTS)
    assert (array.shape, array.dtype) == ((3, 1024), np.float32)
    tensor = model.encode(TEXTS, convert_to_tensor=True)
    assert torch.equal(tensor, torch.from_numpy(array))
    rows = model.encode(TEXTS, convert_to_numpy=False)
    assert isinstance(rows, list)
    assert torch.equal(torch.stack(rows), tensor)
    assert torch.equal(model.encode(TEXTS[0], convert_to_tensor=True), tensor[0])
    assert model.encode([]).shape == (0,)
    assert model.encode(np.array(TEXTS)).shape == (3, 1024)


@pytest.mark.parametrize("precision", ["binary", "ubinary"])
def test_binary_forms_are_the_librarys(model: SentenceTransformer, precision: Any) -> None:
    wanted = quantize_embeddings(model.encode(TEXTS), precision=precision)
    found = model.encode(TEXTS, precision=precision)
    assert found.dtype == wanted.dtype
    assert np.array_equal(found, wanted)


def test_an_evaluator_of_retrieval_finds_what_shares_words(model: SentenceTransformer) -> None:
    evaluator = InformationRetrievalEvaluator(
        queries={"q": "fish and boats"},
        corpus=dict(zip("abc", TEXTS, strict=True)),
        relevant_docs={"q": {"b"}},
        write_csv=False,
    )
    model.model_card_data = SimpleNamespace(set_evaluation_metrics=lambda *_: None)
    assert evaluator(model)["cosine_accuracy@1"] == 1.0


def test_an_evaluator_of_similarity_runs_in_fewer_dimensions(model: SentenceTransformer) -> None:
    evaluator = EmbeddingSimilarityEvaluator(
        TEXTS, [TEXTS[0], "boats return", "midnight"], scores=[1.0, 0.7, 0.0], write_csv=False, truncate_dim=256
    )
    model.model_card_data = SimpleNamespace(set_evaluation_metrics=lambda *_: None)
    assert evaluator(model)["spearman_cosine"] == pytest.approx(1.0)


def test_what_needs_a_model_on_this_machine_is_refused(model: SentenceTransformer) -> None:
    with pytest.raises(ConfigurationError, match="an endpoint gives 'sentence_embedding' alone"):
        model.encode(TEXTS, output_value="token_embeddings")  # type: ignore[arg-type]
