"""Haystack's own pipelines, with ours."""

import asyncio
import json

import pytest

from jina_v3_client.errors import ConfigurationError, InvalidInputError
from jina_v3_client.routing import Endpoint
from jina_v3_client.testing import AsyncInMemoryClient, InMemoryClient

pytest.importorskip("haystack", reason="make test-integrations")

from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore

from jina_v3_client.integrations.haystack import JinaV3DocumentEmbedder, JinaV3TextEmbedder

TEXTS = ["the sun rises in the east", "boats return with fish", "a quiet harbour"]


def test_documents_are_passages_and_texts_are_queries(client: InMemoryClient) -> None:
    documents = [Document(content=text, meta={"place": number}) for number, text in enumerate(TEXTS)]
    result = JinaV3DocumentEmbedder(client, dimensions=64).run(documents=documents)
    passages = client.embed(TEXTS, task="retrieval.passage", dimensions=64)
    assert [document.embedding for document in result["documents"]] == passages.tolist()
    assert [(document.id, document.meta) for document in result["documents"]] == [(d.id, d.meta) for d in documents]
    assert [document.embedding for document in documents] == [None] * 3
    tokens = passages.usage.tokens
    assert result["meta"] == {
        "model": "jina-embeddings-v3",
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    query = JinaV3TextEmbedder(client, dimensions=64).run(text=TEXTS[0])
    assert query["embedding"] == client.embed_query(TEXTS[0], dimensions=64).tolist()


def test_meta_fields_and_what_is_put_around_are_embedded_too(client: InMemoryClient) -> None:
    embedder = JinaV3DocumentEmbedder(
        client,
        prefix="<",
        suffix=">",
        meta_fields_to_embed=["title", "year", "absent", "empty"],
        embedding_separator=" | ",
    )
    document = Document(content="content", meta={"year": 2024, "title": "title", "empty": None, "other": "no"})
    [embedded] = embedder.run(documents=[document])["documents"]
    assert embedded.embedding == client.embed(["<title | 2024 | content>"], task="retrieval.passage").tolist()[0]
    assert embedded.content == "content"


def test_there_may_be_no_documents(client: InMemoryClient) -> None:
    assert JinaV3DocumentEmbedder(client).run(documents=[])["documents"] == []


def test_a_document_without_words_is_an_error_that_says_which(client: InMemoryClient) -> None:
    with pytest.raises(InvalidInputError) as caught:
        JinaV3DocumentEmbedder(client).run(documents=[Document(content="words"), Document(content=None)])
    assert (caught.value.code, caught.value.index) == ("empty_text", 1)


@pytest.mark.parametrize("native", [True, False])
def test_tasks_get_what_threads_get(native: bool, client: InMemoryClient, async_client: AsyncInMemoryClient) -> None:
    given = async_client if native else None
    text = JinaV3TextEmbedder(client, async_client=given)
    documents = JinaV3DocumentEmbedder(client, async_client=given)

    async def ask() -> tuple[dict[str, object], dict[str, object]]:
        return await text.run_async(text=TEXTS[0]), await documents.run_async(documents=[Document(content=TEXTS[0])])

    query, passages = asyncio.run(ask())
    assert client.transport.requests == (0 if native else 2)
    assert query == text.run(text=TEXTS[0])
    assert passages == documents.run(documents=[Document(content=TEXTS[0])])


def test_pipelines_index_and_find(client: InMemoryClient) -> None:
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    indexing = Pipeline()
    indexing.add_component("embedder", JinaV3DocumentEmbedder(client))
    indexing.add_component("writer", DocumentWriter(store))
    indexing.connect("embedder.documents", "writer.documents")
    indexing.run({"embedder": {"documents": [Document(content=text) for text in TEXTS]}})
    asking = Pipeline()
    asking.add_component("embedder", JinaV3TextEmbedder(client))
    asking.add_component("retriever", InMemoryEmbeddingRetriever(store, top_k=1))
    asking.connect("embedder.embedding", "retriever.query_embedding")
    question = {"embedder": {"text": "fish and boats"}}
    for found in (asking.run(question), asyncio.run(asking.run_async(question))):
        assert [document.content for document in found["retriever"]["documents"]] == [TEXTS[1]]
    store.shutdown()


@pytest.mark.parametrize("source", ["texts", Endpoint("texts", region="eu-west-1", inference_component="jina")])
def test_a_pipeline_is_written_as_yaml_and_read(source: object) -> None:
    pipeline = Pipeline()
    pipeline.add_component("text", JinaV3TextEmbedder(source, task="text-matching", dimensions=32, prefix="p"))
    documents = JinaV3DocumentEmbedder(source, task=None, meta_fields_to_embed=["title"], truncate=True)
    pipeline.add_component("documents", documents)
    again = Pipeline.loads(pipeline.dumps(), allowed_modules=["jina_v3_client.integrations.haystack"])
    assert again.to_dict() == pipeline.to_dict()
    text, documents = again.get_component("text"), again.get_component("documents")
    assert (text._clients.source, text._parameters.dimensions, text.prefix) == (source, 32, "p")
    assert (documents._parameters.task, documents._parameters.truncate) == (None, True)
    assert documents.meta_fields_to_embed == ["title"]
    json.dumps(pipeline.to_dict())


def test_what_is_made_of_a_client_cannot_be_written(client: InMemoryClient) -> None:
    with pytest.raises(ConfigurationError, match="was made of a InMemoryClient, which cannot be written"):
        JinaV3TextEmbedder(client).to_dict()
