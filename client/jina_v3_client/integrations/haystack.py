"""Haystack's embedders of texts and of documents, over an endpoint. Extra: ``haystack``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

from jina_v3.contract import MODEL_DIMENSIONS, Task
from jina_v3_client.errors import ConfigurationError
from jina_v3_client.integrations._clients import Clients, Source, read, written
from jina_v3_client.integrations._extras import brought_by
from jina_v3_client.parameters import Parameters, TaskName
from jina_v3_client.protocols import AsyncEmbedder
from jina_v3_client.results import Embeddings

with brought_by("haystack"):
    from haystack import Document, component, default_from_dict, default_to_dict


class _Embedder:
    """What both embedders share."""

    def _set_up(
        self, client: Source, async_client: AsyncEmbedder | None, region: str | None, profile: str | None, **said: Any
    ) -> None:
        self._parameters = Parameters(**said)
        self._clients = Clients(read(client), async_client, region, profile)

    def _written(self, **more: Any) -> dict[str, Any]:
        clients, parameters = self._clients, self._parameters
        client = written(clients.source)
        if client is None:
            raise ConfigurationError(
                f"{type(self).__name__} was made of a {type(clients.source).__name__}, which cannot be written; "
                "make it of an endpoint's name or of a target"
            )
        data: dict[str, Any] = default_to_dict(
            self,
            client=client,
            task=None if parameters.task is None else str(parameters.task),
            dimensions=parameters.dimensions,
            truncate=parameters.truncate,
            region=clients.region,
            profile=clients.profile,
            **more,
        )
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Make it of what ``to_dict`` wrote.

        >>> JinaV3TextEmbedder.from_dict(JinaV3TextEmbedder("texts", prefix="About: ").to_dict()).prefix
        'About: '
        """
        made: Self = default_from_dict(cls, data)
        return made

    def close(self) -> None:
        """Close the client that was made of a name; one that was given stays open.

        >>> JinaV3TextEmbedder("texts", region="eu-west-1").close()
        """
        self._clients.close()


@component
class JinaV3TextEmbedder(_Embedder):
    """Embeds a text, such as a pipeline's query: by ``retrieval.query``, unless another task is said.

    ``client`` is any client, an endpoint's name or ARN, a target or a policy. ``run_async`` awaits ``async_client``, or
    without one asks ``client`` in a thread. Put ``prefix`` and ``suffix`` around texts; the task's prompt is the
    server's to add.

    **Raises**: ``ConfigurationError``, ``InvalidInputError``.

    >>> result = JinaV3TextEmbedder(client, dimensions=256).run(text="Where does the sun rise?")
    >>> len(result["embedding"]), result["meta"]["model"]
    (256, 'jina-embeddings-v3')
    """

    def __init__(
        self,
        client: Source,
        *,
        async_client: AsyncEmbedder | None = None,
        task: Task | TaskName | None = "retrieval.query",
        dimensions: int = MODEL_DIMENSIONS,
        prefix: str = "",
        suffix: str = "",
        truncate: bool = False,
        region: str | None = None,
        profile: str | None = None,
    ) -> None:
        self._set_up(client, async_client, region, profile, task=task, dimensions=dimensions, truncate=truncate)
        self.prefix, self.suffix = prefix, suffix

    def to_dict(self) -> dict[str, Any]:
        """Write it, if it was made of a name or a target. **Raises**: ``ConfigurationError``.

        >>> JinaV3TextEmbedder("texts", region="eu-west-1").to_dict()["init_parameters"]["client"]
        'texts'
        """
        return self._written(prefix=self.prefix, suffix=self.suffix)

    @component.output_types(embedding=list[float], meta=dict[str, Any])
    def run(self, text: str) -> dict[str, Any]:
        """Embed a text.

        >>> len(JinaV3TextEmbedder(client).run(text="Where does the sun rise?")["embedding"])
        1024
        """
        return _of_text(self._clients.embed([self._around(text)], self._parameters))

    @component.output_types(embedding=list[float], meta=dict[str, Any])
    async def run_async(self, text: str) -> dict[str, Any]:
        """Embed a text from a task of an event loop.

        >>> import asyncio
        >>> result = asyncio.run(JinaV3TextEmbedder(async_client).run_async(text="Where does the sun rise?"))
        >>> len(result["embedding"])
        1024
        """
        return _of_text(await self._clients.aembed([self._around(text)], self._parameters))

    def _around(self, text: str) -> str:
        return f"{self.prefix}{text}{self.suffix}"


@component
class JinaV3DocumentEmbedder(_Embedder):
    """Embeds documents: by ``retrieval.passage``, unless another task is said.

    ``client`` is any client, an endpoint's name or ARN, a target or a policy. ``run_async`` awaits ``async_client``, or
    without one asks ``client`` in a thread. The values of ``meta_fields_to_embed`` are put before a document's content,
    with ``embedding_separator`` between. ``progress_bar`` is for a terminal; ``None`` leaves it to the client.

    **Raises**: ``ConfigurationError``; ``InvalidInputError`` with the document's ``index``.

    >>> from haystack import Document
    >>> embedder = JinaV3DocumentEmbedder(client, dimensions=256, meta_fields_to_embed=["title"])
    >>> result = embedder.run(documents=[Document(content="In the east.", meta={"title": "Sunrise"})])
    >>> len(result["documents"][0].embedding)
    256
    """

    def __init__(
        self,
        client: Source,
        *,
        async_client: AsyncEmbedder | None = None,
        task: Task | TaskName | None = "retrieval.passage",
        dimensions: int = MODEL_DIMENSIONS,
        prefix: str = "",
        suffix: str = "",
        meta_fields_to_embed: list[str] | None = None,
        embedding_separator: str = "\n",
        truncate: bool = False,
        progress_bar: bool | None = None,
        region: str | None = None,
        profile: str | None = None,
    ) -> None:
        self._set_up(client, async_client, region, profile, task=task, dimensions=dimensions, truncate=truncate)
        self.prefix, self.suffix = prefix, suffix
        self.meta_fields_to_embed = meta_fields_to_embed or []
        self.embedding_separator = embedding_separator
        self.progress_bar = progress_bar

    def to_dict(self) -> dict[str, Any]:
        """Write it, if it was made of a name or a target. **Raises**: ``ConfigurationError``.

        >>> JinaV3DocumentEmbedder("texts").to_dict()["init_parameters"]["task"]
        'retrieval.passage'
        """
        return self._written(
            prefix=self.prefix,
            suffix=self.suffix,
            meta_fields_to_embed=self.meta_fields_to_embed,
            embedding_separator=self.embedding_separator,
            progress_bar=self.progress_bar,
        )

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        """Embed documents; those that come back are new.

        >>> from haystack import Document
        >>> result = JinaV3DocumentEmbedder(client).run(documents=[Document(content="In the east.")])
        >>> result["meta"]["usage"]["total_tokens"] > 0
        True
        """
        texts = [self._text(document) for document in documents]
        return _of_documents(documents, self._clients.embed(texts, self._parameters, progress=self.progress_bar))

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    async def run_async(self, documents: list[Document]) -> dict[str, Any]:
        """Embed documents from a task of an event loop; those that come back are new.

        >>> import asyncio
        >>> from haystack import Document
        >>> documents = [Document(content="In the east.")]
        >>> result = asyncio.run(JinaV3DocumentEmbedder(async_client).run_async(documents=documents))
        >>> len(result["documents"][0].embedding)
        1024
        """
        texts = [self._text(document) for document in documents]
        embeddings = await self._clients.aembed(texts, self._parameters, progress=self.progress_bar)
        return _of_documents(documents, embeddings)

    def _text(self, document: Document) -> str:
        values = (document.meta.get(name) for name in self.meta_fields_to_embed)
        parts = [*(str(value) for value in values if value is not None), document.content or ""]
        return f"{self.prefix}{self.embedding_separator.join(parts)}{self.suffix}"


def _of_text(embeddings: Embeddings) -> dict[str, Any]:
    return {"embedding": embeddings.tolist()[0], "meta": _meta(embeddings)}


def _of_documents(documents: list[Document], embeddings: Embeddings) -> dict[str, Any]:
    rows = zip(documents, embeddings.tolist(), strict=True)
    return {"documents": [replace(document, embedding=row) for document, row in rows], "meta": _meta(embeddings)}


def _meta(embeddings: Embeddings) -> dict[str, Any]:
    """Say what Haystack's other embedders say."""
    tokens = embeddings.usage.tokens
    return {"model": embeddings.model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
