"""mteb's own evaluation, over its own mock tasks, with ours."""

from typing import Any

import numpy as np
import pytest

from jina_v3_client.errors import ConfigurationError, InvalidInputError
from jina_v3_client.results import Embeddings
from jina_v3_client.testing import InMemoryClient

pytest.importorskip("mteb", reason="make test-integrations")

import mteb
from mteb.mocks import mock_tasks
from mteb.models.models_protocols import EncoderProtocol
from mteb.types import PromptType

from jina_v3_client.integrations.mteb import JinaV3Encoder

# mteb's own, and of the few samples that its mock tasks have
pytestmark = pytest.mark.filterwarnings("ignore:To copy construct from a tensor", "ignore:.*ill-defined")

RETRIEVAL = ["retrieval.passage", "retrieval.query"]
BY_MOCK = {
    "MockRetrievalTask": RETRIEVAL,
    "MockInstructionRetrieval": RETRIEVAL,
    "MockRerankingTask": ["separation"],
    "MockMultilingualClusteringFastTask": ["separation"],
    "MockClassificationTask": ["classification"],
    "MockMultilabelClassification": ["classification"],
    "MockPairClassificationTask": ["classification"],
    "MockSTSTask": ["text-matching"],
    "MockSummarizationTask": ["text-matching"],
    "MockBitextMiningTask": ["text-matching"],
}


class Watched(InMemoryClient):
    """Remembers with what it embedded."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: set[str] = set()
        self.dimensions: set[int] = set()

    def embed(self, texts: Any, **wishes: Any) -> Embeddings:
        self.tasks.add(str(wishes["task"]))
        self.dimensions.add(wishes["dimensions"])
        return super().embed(texts, **wishes)


@pytest.mark.parametrize("mock", BY_MOCK)
def test_each_type_of_task_is_evaluated_with_its_adapter(mock: str) -> None:
    client = Watched()
    encoder = JinaV3Encoder(client, dimensions=64)
    assert isinstance(encoder, EncoderProtocol)
    result = mteb.evaluate(encoder, getattr(mock_tasks, mock)(), cache=None, show_progress_bar=False, co2_tracker=False)
    assert sorted(client.tasks) == BY_MOCK[mock]
    assert client.dimensions == {64}
    score = result.task_results[0].get_score()
    assert np.isfinite(score)
    assert (result.model_name, result.model_revision) == ("sagemaker/jina-embeddings-v3", None)


def test_what_shares_words_is_found_in_a_task_of_mteb() -> None:
    task = mock_tasks.MockRetrievalTask()
    result = mteb.evaluate(
        JinaV3Encoder(InMemoryClient()), task, cache=None, show_progress_bar=False, co2_tracker=False
    )
    assert result.task_results[0].get_score() > 0.5


@pytest.mark.parametrize("name", ["ArguAna", "CQADupstackAndroidRetrieval", "QuoraRetrieval"])
@pytest.mark.parametrize("kind", list(PromptType))
def test_retrieval_of_what_says_the_same_is_text_matching(name: str, kind: PromptType) -> None:
    metadata = mteb.get_task(name).metadata
    assert metadata.type == "Retrieval"
    assert JinaV3Encoder(InMemoryClient()).route(metadata, kind) == "text-matching"


def test_routes_of_ones_own_come_first() -> None:
    metadata = mteb.get_task("ArguAna").metadata
    encoder = JinaV3Encoder(InMemoryClient(), routes={"ArguAna-query": "retrieval.query", "Retrieval": None})
    assert encoder.route(metadata, PromptType.query) == "retrieval.query"
    assert encoder.route(metadata, PromptType.document) is None
    with pytest.raises(InvalidInputError, match="did you mean 'separation'"):
        JinaV3Encoder(InMemoryClient(), routes={"STS": "seperation"})  # type: ignore[dict-item]


def test_a_type_that_is_not_of_texts_has_no_route() -> None:
    metadata = mock_tasks.MockTextZeroShotClassificationTask().metadata
    with pytest.raises(ConfigurationError, match="is of type ZeroShotClassification, which has no route"):
        JinaV3Encoder(InMemoryClient()).route(metadata, None)


def test_empty_texts_of_a_data_set_do_not_end_an_evaluation() -> None:
    metadata = mock_tasks.MockSTSTask().metadata
    batches = [{"text": ["sunrise", ""]}, {"text": ["  "]}]
    encoder = JinaV3Encoder(InMemoryClient(), dimensions=8)
    vectors = encoder.encode(batches, task_metadata=metadata, hf_split="test", hf_subset="default")
    assert vectors.shape == (3, 8)
    assert np.isfinite(vectors).all()
    assert np.array_equal(vectors[1], vectors[2])
