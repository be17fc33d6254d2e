"""LlamaIndex's ``BaseEmbedding``, over an endpoint. Extra: ``llama-index``."""

from __future__ import annotations

from typing import Any

from jina_v3.contract import MODEL_DIMENSIONS, MODEL_NAME, Task
from jina_v3_client.integrations._clients import Clients, Source, read, written
from jina_v3_client.integrations._extras import brought_by
from jina_v3_client.parameters import Parameters, TaskName
from jina_v3_client.protocols import AsyncEmbedder

with brought_by("llama-index"):
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.bridge.pydantic import PrivateAttr, SerializeAsAny, field_serializer

_LARGEST_BATCH = 2048  # LlamaIndex allows no more; the client cuts it into requests, and sends these at a time


class JinaV3Embedding(BaseEmbedding):
    """Texts by ``retrieval.passage`` and queries by ``retrieval.query``, unless other tasks are said.

    ``client`` is any client, an endpoint's name or ARN, a target or a policy. Asynchronous methods await
    ``async_client``, or without one ask ``client`` in a thread. ``truncate`` cuts texts that are too long. What is made
    of a name or a target can be written by ``to_dict`` and read by ``from_dict``.

    **Raises**: ``ConfigurationError``, ``InvalidInputError``.

    >>> embedding = JinaV3Embedding(client, dimensions=256)
    >>> len(embedding.get_query_embedding("Where does the sun rise?"))
    256
    >>> [len(vector) for vector in embedding.get_text_embedding_batch(["In the east.", "It sets in the west."])]
    [256, 256]
    """

    client: SerializeAsAny[Any]
    text_task: str | None
    query_task: str | None
    dimensions: int
    truncate: bool
    region: str | None
    profile: str | None

    _texts: Parameters = PrivateAttr()
    _queries: Parameters = PrivateAttr()
    _clients: Clients = PrivateAttr()

    def __init__(
        self,
        client: Source | dict[str, Any],
        *,
        async_client: AsyncEmbedder | None = None,
        text_task: Task | TaskName | None = "retrieval.passage",
        query_task: Task | TaskName | None = "retrieval.query",
        dimensions: int = MODEL_DIMENSIONS,
        truncate: bool = False,
        region: str | None = None,
        profile: str | None = None,
        **options: Any,
    ) -> None:
        source = read(client)
        texts = Parameters(task=text_task, dimensions=dimensions, truncate=truncate)
        queries = Parameters(task=query_task, dimensions=dimensions, truncate=truncate)
        super().__init__(
            client=source,
            text_task=texts.task,
            query_task=queries.task,
            dimensions=dimensions,
            truncate=truncate,
            region=region,
            profile=profile,
            **{"model_name": MODEL_NAME, "embed_batch_size": _LARGEST_BATCH} | options,
        )
        self._texts, self._queries = texts, queries
        self._clients = Clients(source, async_client, region, profile)

    @classmethod
    def class_name(cls) -> str:
        """Return what the component is called where it is written.

        >>> JinaV3Embedding.class_name()
        'JinaV3Embedding'
        """
        return "JinaV3Embedding"

    @field_serializer("client")
    def _write_client(self, client: Source) -> str | dict[str, Any] | None:
        return written(client)

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._clients.embed([query], self._queries).tolist()[0]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return (await self._clients.aembed([query], self._queries)).tolist()[0]

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._clients.embed(texts, self._texts).tolist()

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return (await self._clients.aembed(texts, self._texts)).tolist()
