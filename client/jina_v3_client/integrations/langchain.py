"""LangChain's ``Embeddings``, over an endpoint. Extra: ``langchain``."""

from __future__ import annotations

from jina_v3.contract import MODEL_DIMENSIONS, Task
from jina_v3_client.integrations._clients import Clients, Source
from jina_v3_client.integrations._extras import brought_by
from jina_v3_client.parameters import Parameters, TaskName
from jina_v3_client.protocols import AsyncEmbedder

with brought_by("langchain"):
    from langchain_core.embeddings import Embeddings


class JinaV3Embeddings(Embeddings):
    """Documents by ``retrieval.passage`` and queries by ``retrieval.query``, unless other tasks are said.

    ``client`` is any client, an endpoint's name or ARN, a target or a policy. Asynchronous methods await
    ``async_client``, or without one ask ``client`` in a thread. ``truncate`` cuts texts that are too long.

    **Raises**: ``ConfigurationError``, ``InvalidInputError``.

    >>> embeddings = JinaV3Embeddings(client, dimensions=256)
    >>> len(embeddings.embed_query("Where does the sun rise?"))
    256
    >>> [len(vector) for vector in embeddings.embed_documents(["In the east.", "It sets in the west."])]
    [256, 256]
    """

    def __init__(
        self,
        client: Source,
        *,
        async_client: AsyncEmbedder | None = None,
        document_task: Task | TaskName | None = "retrieval.passage",
        query_task: Task | TaskName | None = "retrieval.query",
        dimensions: int = MODEL_DIMENSIONS,
        truncate: bool = False,
        region: str | None = None,
        profile: str | None = None,
    ) -> None:
        self._documents = Parameters(task=document_task, dimensions=dimensions, truncate=truncate)
        self._queries = Parameters(task=query_task, dimensions=dimensions, truncate=truncate)
        self._clients = Clients(client, async_client, region, profile)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed documents, in order.

        >>> len(JinaV3Embeddings(client).embed_documents(["In the east."]))
        1
        """
        return self._clients.embed(texts, self._documents).tolist()

    def embed_query(self, text: str) -> list[float]:
        """Embed one query.

        >>> len(JinaV3Embeddings(client).embed_query("Where does the sun rise?"))
        1024
        """
        return self._clients.embed([text], self._queries).tolist()[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed documents, in order, from a task of an event loop.

        >>> import asyncio
        >>> len(asyncio.run(JinaV3Embeddings(async_client).aembed_documents(["In the east."])))
        1
        """
        return (await self._clients.aembed(texts, self._documents)).tolist()

    async def aembed_query(self, text: str) -> list[float]:
        """Embed one query from a task of an event loop.

        >>> import asyncio
        >>> len(asyncio.run(JinaV3Embeddings(async_client).aembed_query("Where does the sun rise?")))
        1024
        """
        return (await self._clients.aembed([text], self._queries)).tolist()[0]

    def close(self) -> None:
        """Close the client that was made of a name; one that was given stays open.

        >>> JinaV3Embeddings("texts", region="eu-west-1").close()
        """
        self._clients.close()
