"""What the integrations do where no other library is needed; tests/client/integrations has the rest."""

import asyncio
import pickle
import sys
from typing import Any

import numpy as np
import pytest

import jina_v3_client
from jina_v3_client.errors import ConfigurationError, InvalidInputError
from jina_v3_client.integrations import jina_sagemaker
from jina_v3_client.integrations._clients import Clients, read, written
from jina_v3_client.integrations._extras import brought_by
from jina_v3_client.integrations.sentence_transformers import SentenceTransformer
from jina_v3_client.parameters import Parameters
from jina_v3_client.routing import Endpoint, Failover, InferenceRouter
from jina_v3_client.testing import AsyncInMemoryClient, InMemoryClient

TEXTS = ["the sun rises in the east", "boats return with fish"]
PASSAGES = Parameters(task="retrieval.passage", dimensions=8)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every client that is made of a target, and of what."""
    made: list[Any] = []

    class Made(InMemoryClient):
        def __init__(self, target: Any, **options: Any) -> None:
            super().__init__(target)
            self.options, self.is_closed = options, False
            made.append(self)

        def close(self) -> None:
            self.is_closed = True
            super().close()

    monkeypatch.setattr(jina_v3_client, "EmbeddingClient", Made)
    return made


def test_a_client_is_made_of_a_name_once_when_it_is_needed_and_closed(made: list[Any]) -> None:
    clients = Clients("texts", None, "eu-west-1", "work")
    assert made == []
    for _ in range(2):
        assert clients.embed(TEXTS, PASSAGES).shape == (2, 8)
    assert [client.options for client in made] == [{"region": "eu-west-1", "profile": "work"}]
    clients.close()
    assert made[0].is_closed
    clients.embed(TEXTS, PASSAGES)
    assert len(made) == 2


def test_a_client_that_was_given_stays_open() -> None:
    client = InMemoryClient()
    clients = Clients(client)
    clients.close()
    assert np.array_equal(clients.embed(TEXTS, PASSAGES), client.embed(TEXTS, task="retrieval.passage", dimensions=8))


def test_one_pool_of_connections_serves_event_loops_one_after_the_other(made: list[Any]) -> None:
    clients = Clients("texts")
    first, second = (asyncio.run(clients.aembed(TEXTS, PASSAGES)) for _ in range(2))
    assert np.array_equal(first, second)
    assert len(made) == 1


def test_an_asynchronous_client_is_awaited_and_no_other_is_made(made: list[Any]) -> None:
    own = AsyncInMemoryClient()
    asyncio.run(Clients("texts", own).aembed(TEXTS, PASSAGES))
    assert (own.transport.requests, made) == (1, [])


def test_a_client_has_its_own_region() -> None:
    with pytest.raises(ConfigurationError, match="has its own; leave it out"):
        Clients(InMemoryClient(), None, "eu-west-1")


@pytest.mark.parametrize(
    "source", ["texts", Endpoint("texts", variant="canary"), InferenceRouter("texts", region="eu-west-1")]
)
def test_names_and_targets_can_be_written_read_and_pickled(source: Any) -> None:
    assert read(written(source)) == source
    again = pickle.loads(pickle.dumps(Clients(source, None, "eu-west-1", "work")))
    assert (again.source, again.region, again.profile) == (source, "eu-west-1", "work")


def test_clients_and_policies_cannot_be_written() -> None:
    assert written(InMemoryClient()) is None
    assert written(Failover("one", "other")) is None


def test_a_missing_library_says_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain_core", None)
    monkeypatch.delitem(sys.modules, "jina_v3_client.integrations.langchain", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"pip install '\.\[langchain\]'") as caught:
        import jina_v3_client.integrations.langchain  # noqa: F401
    assert caught.value.name.partition(".")[0] == "langchain_core"
    with pytest.raises(ValueError, match="something else"), brought_by("langchain"):
        raise ValueError("something else")


# sentence-transformers' way


@pytest.mark.parametrize(
    ("names", "task"),
    [
        ({}, None),
        ({"task": "text-matching"}, "text-matching"),
        ({"prompt_name": "retrieval.query"}, "retrieval.query"),
        ({"task": "query"}, "retrieval.query"),
        ({"task": "retrieval.passage", "prompt_name": "document"}, "retrieval.passage"),
        ({"prompt": "Represent the document for retrieval: "}, "retrieval.passage"),
        ({"task": "query", "prompt": "Represent the query for retrieving evidence documents: "}, "retrieval.query"),
        ({"task": "separation", "prompt": ""}, "separation"),
    ],
)
def test_tasks_and_prompts_name_the_same_adapters(names: dict[str, str], task: Any) -> None:
    client = InMemoryClient()
    assert np.array_equal(SentenceTransformer(client).encode(TEXTS, **names), client.embed(TEXTS, task=task))


def test_queries_and_documents_have_methods_of_their_own() -> None:
    client = InMemoryClient()
    model = SentenceTransformer(client, default_task="text-matching")
    assert np.array_equal(model.encode_query(TEXTS[0]), client.embed_query(TEXTS[0]))
    assert np.array_equal(model.encode_document(TEXTS), client.embed_passages(TEXTS))
    assert np.array_equal(model.encode(TEXTS), client.embed(TEXTS, task="text-matching"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "query", "prompt_name": "document"}, "name one task"),
        ({"prompt": "query: "}, "the server puts the task's own before each text"),
        ({"task": "separation", "prompt": "Represent the document for retrieval: "}, "none of the model's"),
        ({"precision": "int8"}, "embedding_type='int8'"),
        ({"batch_size": 0}, "it must be at least 1"),
        ({"output_value": None}, "'sentence_embedding' alone"),
    ],
)
def test_what_an_endpoint_cannot_do_is_refused_in_words(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SentenceTransformer(InMemoryClient()).encode(TEXTS, **options)


def test_a_task_that_is_none_is_told_what_it_may_have_meant() -> None:
    with pytest.raises(InvalidInputError, match="did you mean 'retrieval"):
        SentenceTransformer(InMemoryClient()).encode(TEXTS, task="retrieval.querry")


def test_dimensions_come_from_the_call_the_context_or_the_model() -> None:
    model = SentenceTransformer(InMemoryClient(), truncate_dim=64)
    with model.truncate_embeddings(32):
        assert model.encode(TEXTS).shape == (2, model.get_embedding_dimension()) == (2, 32)
        assert model.encode(TEXTS, truncate_dim=16).shape == (2, 16)
    assert model.encode(TEXTS).shape == (2, model.get_sentence_embedding_dimension()) == (2, 64)
    assert np.allclose(np.linalg.norm(model.encode(TEXTS), axis=1), 1)
    assert SentenceTransformer(InMemoryClient(), truncate_dim=2000).encode(TEXTS).shape == (2, 1024)


def test_texts_that_are_too_long_are_cut_unless_told_otherwise() -> None:
    client = InMemoryClient(max_tokens=8)
    assert SentenceTransformer(client).encode("word " * 20).shape == (1024,)
    with pytest.raises(InvalidInputError):
        SentenceTransformer(client, truncate=False).encode("word " * 20)


# jina-sagemaker's way


def test_an_unnamed_task_is_text_matching_as_it_was() -> None:
    client = InMemoryClient()
    [item] = jina_sagemaker.Client(client=client).embed(texts=TEXTS[0])
    assert item["embedding"] == client.embed(TEXTS[:1], task="text-matching").tolist()[0]


def test_clustering_is_separation() -> None:
    client = jina_sagemaker.Client(client=InMemoryClient())
    by_name = [client.embed(TEXTS, task_type=task) for task in (jina_sagemaker.Task.CLUSTERING, "separation")]
    assert by_name[0][0]["embedding"] == by_name[1][0]["embedding"]


@pytest.mark.parametrize("what", ["image_urls", "pdf_url", "audio_urls", "use_colbert", "return_multivector"])
def test_what_is_no_text_is_refused_by_name(what: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{what} is given; jina-embeddings-v3 embeds texts"):
        jina_sagemaker.Client(client=InMemoryClient()).embed(texts=TEXTS, **{what: True})  # type: ignore[arg-type]


@pytest.mark.parametrize("texts", [None, "", []])
def test_no_texts_are_an_error_that_says_so(texts: Any) -> None:
    with pytest.raises(InvalidInputError, match="give a text or a list of texts"):
        jina_sagemaker.Client(client=InMemoryClient()).embed(texts=texts)


def test_an_endpoint_is_connected_first_and_by_the_credentials_that_were_given(made: list[Any]) -> None:
    secrets = {"aws_access_key_id": "AKIA0", "aws_secret_access_key": "very-secret", "region_name": "us-east-1"}
    client = jina_sagemaker.Client("eu-west-1", secrets)
    with pytest.raises(ConfigurationError, match="call connect_to_endpoint"):
        client.embed(TEXTS)
    client.connect_to_endpoint(endpoint_name="texts", arn="arn:aws:sagemaker:…:model-package/jina-embeddings-v3")
    session = made[0].options["session"]
    assert (session.region_name, session.get_credentials().secret_key) == ("eu-west-1", "very-secret")
    assert len(client.embed(TEXTS)) == 2
    client.connect_to_endpoint("others")
    client.close()
    assert [one.is_closed for one in made] == [True, True]


def test_arguments_of_boto3_that_are_not_understood_are_named_without_their_values() -> None:
    with pytest.raises(ConfigurationError, match="client_args has endpoint_url, verify; understood are") as caught:
        jina_sagemaker.Client(client_args={"endpoint_url": "https://private", "verify": False})
    assert "private" not in str(caught.value)


def test_another_model_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="it must be 'jina-embeddings-v3' or left out"):
        jina_sagemaker.Client().connect_to_endpoint("texts", model="jina-reranker-m0")


@pytest.mark.parametrize(
    ("method", "instead"),
    [
        ("create_endpoint", "jina-v3-infra deploy"),
        ("create_transform_job", "batch.submit"),
        ("delete_endpoint", "jina-v3-infra destroy"),
        ("rerank", "jina_v3_client.similarity"),
    ],
)
def test_other_methods_say_what_to_do_instead(method: str, instead: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{method} is not here; .*{instead}"):
        getattr(jina_sagemaker.Client(), method)("arn", n_instances=1)
    with pytest.raises(AttributeError, match="no_such_method"):
        jina_sagemaker.Client().no_such_method  # noqa: B018
