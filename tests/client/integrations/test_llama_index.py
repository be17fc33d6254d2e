"""LlamaIndex's own index and pipeline, with ours."""

import asyncio
import pickle

import pytest

from jina_v3_client.integrations._clients import Clients
from jina_v3_client.routing import Endpoint
from jina_v3_client.testing import AsyncInMemoryClient, InMemoryClient

pytest.importorskip("llama_index.core", reason="make test-integrations")

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import TextNode

from jina_v3_client.integrations.llama_index import JinaV3Embedding

TEXTS = ["the sun rises in the east", "boats return with fish", "a quiet harbour"]


def test_texts_are_passages_and_queries_are_queries(client: InMemoryClient) -> None:
    embedding = JinaV3Embedding(client, dimensions=64)
    passages = client.embed(TEXTS, task="retrieval.passage", dimensions=64).tolist()
    assert embedding.get_text_embedding_batch(TEXTS) == passages
    assert embedding.get_text_embedding(TEXTS[1]) == passages[1]
    assert embedding.get_query_embedding(TEXTS[0]) == client.embed_query(TEXTS[0], dimensions=64).tolist()


def test_many_texts_are_one_call_of_the_client(client: InMemoryClient) -> None:
    embedding = JinaV3Embedding(client, dimensions=2)
    assert len(embedding.get_text_embedding_batch([f"text {number}" for number in range(1200)])) == 1200
    assert client.transport.requests == 3  # of at most 512 texts


@pytest.mark.parametrize("native", [True, False])
def test_tasks_get_what_threads_get(native: bool, client: InMemoryClient, async_client: AsyncInMemoryClient) -> None:
    embedding = JinaV3Embedding(client, async_client=async_client if native else None)

    async def ask() -> list[object]:
        batch = embedding.aget_text_embedding_batch(TEXTS)
        return await asyncio.gather(
            embedding.aget_query_embedding(TEXTS[0]), embedding.aget_text_embedding(TEXTS[0]), batch
        )

    same = JinaV3Embedding(InMemoryClient())
    assert asyncio.run(ask()) == [
        same.get_query_embedding(TEXTS[0]),
        same.get_text_embedding(TEXTS[0]),
        same.get_text_embedding_batch(TEXTS),
    ]
    assert (client.transport.requests == 0) == native


def test_an_index_finds_what_shares_words(client: InMemoryClient) -> None:
    index = VectorStoreIndex([TextNode(text=text) for text in TEXTS], embed_model=JinaV3Embedding(client))
    found = index.as_retriever(similarity_top_k=1).retrieve("fish and boats")
    assert [node.text for node in found] == [TEXTS[1]]


def test_a_pipeline_embeds_its_nodes(client: InMemoryClient) -> None:
    pipeline = IngestionPipeline(transformations=[JinaV3Embedding(client, dimensions=16)])
    nodes = pipeline.run(documents=[Document(text=text) for text in TEXTS])
    assert [len(node.embedding) for node in nodes] == [16] * 3


@pytest.mark.parametrize("source", ["texts", Endpoint("texts", region="eu-west-1", inference_component="jina")])
def test_what_is_made_of_a_name_or_a_target_is_written_and_read(source: object) -> None:
    made = JinaV3Embedding(source, query_task=None, dimensions=32, truncate=True)
    for again in (JinaV3Embedding.from_dict(made.to_dict()), pickle.loads(pickle.dumps(made))):
        assert isinstance(again._clients, Clients)
        assert (again._clients.source, again._texts, again._queries) == (source, made._texts, made._queries)
        assert again.to_dict() == made.to_dict()


def test_a_client_does_not_stand_in_what_is_written(client: InMemoryClient) -> None:
    assert JinaV3Embedding(client).to_dict()["client"] is None
