"""LangChain's own vector store, and its own embeddings over SageMaker, with ours."""

import asyncio
import pickle

import numpy as np
import pytest
from tests.support.loopback_endpoint import REGION, LoopbackEndpoint, expected

from jina_v3_client import AsyncEmbeddingClient
from jina_v3_client.errors import ConfigurationError, InvalidInputError, ResponseError
from jina_v3_client.testing import AsyncInMemoryClient, InMemoryClient

pytest.importorskip("langchain_core", reason="make test-integrations")
pytest.importorskip("langchain_community", reason="make test-integrations")

from langchain_community.embeddings import SagemakerEndpointEmbeddings
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore

from jina_v3_client.integrations.langchain import JinaV3Embeddings
from jina_v3_client.integrations.langchain_sagemaker import ContentHandler

TEXTS = ["the sun rises in the east", "boats return with fish", "a quiet harbour"]


def test_documents_are_passages_and_queries_are_queries(client: InMemoryClient) -> None:
    embeddings = JinaV3Embeddings(client, dimensions=64)
    passages = client.embed(TEXTS, task="retrieval.passage", dimensions=64)
    assert embeddings.embed_documents(TEXTS) == passages.tolist()
    assert embeddings.embed_query(TEXTS[0]) == client.embed_query(TEXTS[0], dimensions=64).tolist()
    assert embeddings.embed_documents([]) == []


def test_other_tasks_are_said_by_argument(client: InMemoryClient) -> None:
    embeddings = JinaV3Embeddings(client, document_task="text-matching", query_task="text-matching")
    assert embeddings.embed_query(TEXTS[0]) == embeddings.embed_documents(TEXTS)[0]
    with pytest.raises(InvalidInputError, match="did you mean 'text-matching'"):
        JinaV3Embeddings(client, query_task="text-matchin")  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["threads", "tasks", "both"])
def test_tasks_get_what_threads_get(given: str, client: InMemoryClient, async_client: AsyncInMemoryClient) -> None:
    embeddings = {
        "threads": JinaV3Embeddings(client),
        "tasks": JinaV3Embeddings(async_client),
        "both": JinaV3Embeddings(client, async_client=async_client),
    }[given]

    async def ask() -> tuple[list[list[float]], list[float]]:
        return await embeddings.aembed_documents(TEXTS), await embeddings.aembed_query(TEXTS[0])

    same = JinaV3Embeddings(InMemoryClient())
    assert asyncio.run(ask()) == (same.embed_documents(TEXTS), same.embed_query(TEXTS[0]))
    assert (async_client.transport.requests > 0) == (given != "threads")


def test_an_asynchronous_client_alone_cannot_serve_threads(async_client: AsyncInMemoryClient) -> None:
    with pytest.raises(ConfigurationError, match="await the asynchronous method, or give an EmbeddingClient"):
        JinaV3Embeddings(async_client).embed_query("sunrise")


def test_a_vector_store_of_langchain_finds_what_shares_words(client: InMemoryClient) -> None:
    store = InMemoryVectorStore(JinaV3Embeddings(client))
    store.add_documents([Document(text) for text in TEXTS])
    assert [found.page_content for found in store.similarity_search("fish and boats", k=1)] == [TEXTS[1]]
    found = asyncio.run(store.as_retriever(search_kwargs={"k": 1}).ainvoke("the quiet harbour"))
    assert [document.page_content for document in found] == [TEXTS[2]]


def test_one_made_of_a_name_works_in_another_process_and_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    with LoopbackEndpoint() as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", service.url)
        first = JinaV3Embeddings("texts", region=REGION)
        vectors = first.embed_documents(TEXTS)
        first.close()
        second = pickle.loads(pickle.dumps(first))
        assert second.embed_documents(TEXTS) == vectors
        second.close()
    assert np.array_equal(np.float32(vectors), expected(TEXTS, "retrieval.passage"))


def test_an_asynchronous_client_of_ones_own_is_awaited_over_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> list[float]:
        async with AsyncEmbeddingClient("texts", region=REGION) as own:
            return await JinaV3Embeddings(own).aembed_query(TEXTS[0])

    with LoopbackEndpoint() as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", service.url)
        assert np.array_equal(np.float32(asyncio.run(ask())), expected(TEXTS[:1], "retrieval.query")[0])


# LangChain's own class, with our content handler: botocore signs, the service checks


@pytest.fixture(scope="module")
def service() -> LoopbackEndpoint:
    with LoopbackEndpoint() as service:
        yield service


@pytest.fixture
def theirs(service: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", service.url)
    made = []

    def make(handler: ContentHandler, **model_kwargs: object) -> SagemakerEndpointEmbeddings:
        made.append(
            SagemakerEndpointEmbeddings(
                endpoint_name="texts", region_name=REGION, content_handler=handler, model_kwargs=model_kwargs
            )
        )
        return made[-1]

    yield make
    for embeddings in made:
        embeddings.client.close()


def test_langchains_own_embeddings_get_their_vectors_through_our_handler(theirs) -> None:
    texts = [f"text {number}" for number in range(130)]  # LangChain sends 64 at a time
    passages = theirs(ContentHandler(task="retrieval.passage", dimensions=32))
    assert np.array_equal(np.float32(passages.embed_documents(texts)), expected(texts, "retrieval.passage", 32))
    queries = theirs(ContentHandler(task="retrieval.query"))
    assert np.array_equal(np.float32(queries.embed_query(texts[0])), expected(texts[:1], "retrieval.query")[0])


def test_model_kwargs_win_over_the_handlers_own(theirs) -> None:
    embeddings = theirs(ContentHandler(task="separation"), task="classification", dimensions=8)
    assert np.array_equal(np.float32(embeddings.embed_query("sunrise")), expected(["sunrise"], "classification", 8)[0])


def test_wrong_model_kwargs_are_named_before_anything_is_sent(theirs, service: LoopbackEndpoint) -> None:
    service.forget()
    with pytest.raises(ConfigurationError, match="model_kwargs has 'temperature'; allowed are task, dimensions"):
        theirs(ContentHandler(), temperature=1).embed_query("sunrise")
    with pytest.raises(InvalidInputError, match="it must be a whole number from 1 to 1024"):
        theirs(ContentHandler(), dimensions=2000).embed_query("sunrise")
    assert service.asked() == []


def test_an_answer_of_another_model_is_told() -> None:
    class Stream:
        def read(self) -> bytes:
            return b'{"predictions": [[0.1]]}'

    with pytest.raises(ResponseError, match="not the form of an endpoint of jina-embeddings-v3"):
        ContentHandler().transform_output(Stream())
