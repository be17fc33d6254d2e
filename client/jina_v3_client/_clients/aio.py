"""The client for tasks of an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self, cast
from weakref import WeakKeyDictionary

from jina_v3.contract import MODEL_DIMENSIONS
from jina_v3_client._aws.access import Access
from jina_v3_client._aws.deployment import Deployment
from jina_v3_client._aws.sender import AsyncSender
from jina_v3_client._clients.call import (
    Call,
    Gathering,
    chunks_of,
    closed,
    count_of,
    cut_async,
    cut_documents_async,
    documents_of,
    one_text,
    open_call,
    texts_of,
)
from jina_v3_client._clients.client import Client, asked
from jina_v3_client._clients.progress import reported
from jina_v3_client._clients.tasks import Tasks
from jina_v3_client._routes.choosing import Amount, Weighing, weigh, weigh_async
from jina_v3_client._routes.through_batch import embed_in_batch
from jina_v3_client._texts.assembly import InOrder
from jina_v3_client.parameters import UNSET, TaskName, Unset, VectorForm
from jina_v3_client.protocols import AnyTask, Chunker, Errors, Progress
from jina_v3_client.results import Embeddings, Route, TextEmbedding
from jina_v3_client.routing.policies import Choice
from jina_v3_client.settings import RequestLimits, Settings
from jina_v3_client.transport import AsyncTransport

if TYPE_CHECKING:
    import boto3
    from numpy.typing import NDArray

    from jina_v3.contract import Task
    from jina_v3_client._routes.through_s3 import AsynchronousEndpoint, ThroughS3
    from jina_v3_client.batch import BatchClient

Texts = Iterable[str] | AsyncIterable[str]


class AsyncEmbeddingClient(Client):
    """Embeds texts through SageMaker, for the tasks of an event loop; see ``EmbeddingClient`` for what it is given.

    It works in whatever loop runs, and in several one after another; each has connections of its own. Cancelling a
    task cancels its requests. Asynchronous endpoints and batch runs are asked by boto3 in threads.

    **Raises**: ``ConfigurationError``, ``InvalidInputError``.

    >>> async def dimensions() -> int:
    ...     async with AsyncEmbeddingClient("texts", region="eu-west-1", dimensions=256) as client:
    ...         return client.defaults.dimensions
    >>> asyncio.run(dimensions())
    256
    """

    def __init__(
        self,
        target: Choice,
        *,
        region: str | None = None,
        profile: str | None = None,
        session: boto3.Session | None = None,
        task: Task | TaskName | None = None,
        dimensions: int = MODEL_DIMENSIONS,
        settings: Settings | None = None,
        transport: AsyncTransport | None = None,
        asynchronous: str | AsynchronousEndpoint | None = None,
        batch: BatchClient | None = None,
    ) -> None:
        super().__init__(
            target,
            access=Access(session=session, profile=profile, region=region),
            task=task,
            dimensions=dimensions,
            settings=settings,
            asynchronous=asynchronous,
            batch=batch,
        )
        self._transport = transport
        self._opened: WeakKeyDictionary[asyncio.AbstractEventLoop, Tasks] = WeakKeyDictionary()
        self._is_closed = False

    @classmethod
    async def from_deployment(
        cls, name: str, *, region: str | None = None, session: boto3.Session | None = None, **options: Any
    ) -> Self:
        """Make the client of a deployment of this project's infrastructure; CloudFormation says what it has.

        ``options`` are the client's own. **Raises**: ``EndpointNotFoundError``, ``AccessError``.

        >>> asyncio.run(AsyncEmbeddingClient.from_deployment("texts", region="eu-west-1"))  # doctest: +SKIP
        <AsyncEmbeddingClient of eu-west-1/texts>
        """
        profile = options.get("profile")
        access = Access(session=session, profile=profile, region=region)
        deployment = await asyncio.to_thread(Deployment.find, name, region, access)
        client = cls(**{"region": deployment.region, "session": session, **asked(deployment), **options})
        client._know_batch(deployment)
        return client

    async def embed(
        self,
        texts: Texts | str,
        *,
        task: AnyTask = UNSET,
        dimensions: int | Unset = UNSET,
        late_chunking: bool = False,
        normalized: bool = True,
        truncate: bool = False,
        embedding_type: VectorForm = "float",
        errors: Errors = "raise",
        route: Route | Literal["auto"] = "real-time",
        deadline_s: float | None = None,
        progress: Progress | None = None,
    ) -> Embeddings:
        """Embed texts, in order; with ``late_chunking`` they are the chunks of one document.

        With ``errors="return"`` a bad text stands in the result's ``errors``, and the others are embedded all the same.
        ``route="auto"`` decides by size and deadline among the ways the client has, and says why in the result.

        **Shapes**: (texts, dimensions) float32; another ``embedding_type`` has its own columns and type.

        **Raises**: ``InvalidInputError`` with the text's ``index``; ``DeadlineError``, and all of ``errors``.

        >>> asyncio.run(async_client.embed(["sunrise", "sunset"], dimensions=256)).shape
        (2, 256)
        """
        call = self._call(
            task=task,
            dimensions=dimensions,
            late_chunking=late_chunking,
            normalized=normalized,
            truncate=truncate,
            embedding_type=embedding_type,
            errors=errors,
            deadline_s=deadline_s,
        )
        return await self._embed(texts_of(texts), call, route=route, progress=progress)

    def embed_iter(
        self,
        texts: Texts,
        *,
        task: AnyTask = UNSET,
        dimensions: int | Unset = UNSET,
        normalized: bool = True,
        truncate: bool = False,
        embedding_type: VectorForm = "float",
        errors: Errors = "raise",
        route: Route | Literal["auto"] = "real-time",
        deadline_s: float | None = None,
        progress: Progress | None = None,
    ) -> AsyncIterator[TextEmbedding]:
        """Yield each text's embedding, in order, as answers arrive; any number of texts in bounded memory.

        Texts are read as they are needed, in the task that iterates. An error, also one of the texts' own iterator,
        ends all at once; so does closing the iterator. ``route="auto"`` is real-time where the client can, otherwise
        asynchronous.

        >>> async def indices() -> list[int]:
        ...     return [one.index async for one in async_client.embed_iter(["sunrise", "sunset"])]
        >>> asyncio.run(indices())
        [0, 1]
        """
        call = self._call(
            task=task,
            dimensions=dimensions,
            normalized=normalized,
            truncate=truncate,
            embedding_type=embedding_type,
            errors=errors,
            deadline_s=deadline_s,
        )
        way = self._decide_unread(route, call)
        return self._embed_iter(texts_of(texts), call, way, progress)

    async def embed_query(
        self,
        text: str,
        *,
        dimensions: int | Unset = UNSET,
        truncate: bool = False,
        deadline_s: float | None = None,
    ) -> NDArray[Any]:
        """Embed one query with ``retrieval.query``. **Shapes**: (dimensions,) float32.

        >>> asyncio.run(async_client.embed_query("When does the sun rise?")).shape
        (1024,)
        """
        call = self._call(task="retrieval.query", dimensions=dimensions, truncate=truncate, deadline_s=deadline_s)
        return cast("NDArray[Any]", (await self._embed((one_text(text),), call, progress=False)).vectors[0])

    async def embed_passages(
        self,
        texts: Texts,
        *,
        dimensions: int | Unset = UNSET,
        truncate: bool = False,
        errors: Errors = "raise",
        deadline_s: float | None = None,
        progress: Progress | None = None,
    ) -> Embeddings:
        """Embed documents with ``retrieval.passage``.

        >>> asyncio.run(async_client.embed_passages(["The sun rises at six."])).shape
        (1, 1024)
        """
        call = self._call(
            task="retrieval.passage", dimensions=dimensions, truncate=truncate, errors=errors, deadline_s=deadline_s
        )
        return await self._embed(texts_of(texts), call, progress=progress)

    async def embed_document(
        self,
        document: Sequence[str] | str,
        *,
        chunker: Chunker | None = None,
        task: AnyTask = UNSET,
        dimensions: int | Unset = UNSET,
        deadline_s: float | None = None,
    ) -> Embeddings:
        """Embed one document's chunks by late chunking: its chunks in order, or a text and what cuts it.

        What a chunker made stands in the result's ``chunks``.

        >>> asyncio.run(async_client.embed_document(["The sun rises.", "Boats return."])).shape
        (2, 1024)
        """
        call = self._call(task=task, dimensions=dimensions, late_chunking=True, deadline_s=deadline_s)
        chunks = tuple(chunks_of(document, chunker))
        embeddings = await self._embed(chunks, call, progress=False)
        return embeddings if chunker is None else replace(embeddings, chunks=chunks)

    def embed_documents(
        self,
        documents: Iterable[Sequence[str] | str] | AsyncIterable[Sequence[str] | str],
        *,
        chunker: Chunker | None = None,
        task: AnyTask = UNSET,
        dimensions: int | Unset = UNSET,
        deadline_s: float | None = None,
        progress: Progress | None = None,
    ) -> AsyncIterator[Embeddings]:
        """Yield each document's chunks, embedded by late chunking; several documents travel in one request.

        What a request took is told in the ``usage`` of the first of its documents.

        >>> async def shapes() -> list[tuple[int, int]]:
        ...     return [one.shape async for one in async_client.embed_documents([["Boats.", "Fish."]])]
        >>> asyncio.run(shapes())
        [(2, 1024)]
        """
        call = self._call(task=task, dimensions=dimensions, late_chunking=True, deadline_s=deadline_s)
        self._decide("real-time", None, call)
        return self._embed_documents(texts_of(documents), chunker, call, progress)

    async def aclose(self) -> None:
        """Close the connections of this loop; a request that is in flight fails."""
        self._is_closed = True
        opened = self._opened.pop(asyncio.get_running_loop(), None)
        if opened is not None:
            await opened.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _embed(
        self,
        texts: Texts,
        call: Call,
        *,
        route: Route | Literal["auto"] = "real-time",
        progress: Progress | None,
    ) -> Embeddings:
        tasks, amount, total = await self._tasks(), None, count_of(texts)
        if route == "auto":
            amount, texts = await self._weigh(texts, call)
        decision = self._decide(route, amount, call)
        if decision.route == "batch":
            whole = [text async for text in texts] if isinstance(texts, AsyncIterable) else texts
            batch = await asyncio.to_thread(lambda: self.batch)
            return replace(await asyncio.to_thread(embed_in_batch, batch, whole, call, progress), route=decision)
        through, limits = await self._find(decision.route)
        cutter = call.cutter(limits)
        gathering = Gathering(call, cutter)
        replies = tasks.replies(cut_async(texts, cutter), call, through=through)
        with reported(progress, total) as reach:
            async with aclosing(replies):
                async for reply in replies:
                    gathering.add(reply)
                    reach(reply.end)
            reach(cutter.count)
        return gathering.embeddings(decision)

    async def _embed_iter(
        self, texts: Texts, call: Call, route: Route, progress: Progress | None
    ) -> AsyncIterator[TextEmbedding]:
        through, limits = await self._find(route)
        cutter = call.cutter(limits)
        in_order = InOrder(cutter.errors)
        replies = (await self._tasks()).replies(cut_async(texts, cutter), call, through=through)
        with reported(progress, count_of(texts)) as reach:
            async with aclosing(replies):
                async for reply in replies:
                    for _, block in reply.parts:
                        for one in in_order.add(block):
                            yield one
                    reach(reply.end)
            for one in in_order.finish(cutter.count):
                yield one
            reach(cutter.count)

    async def _embed_documents(
        self,
        documents: Iterable[Sequence[str] | str] | AsyncIterable[Sequence[str] | str],
        chunker: Chunker | None,
        call: Call,
        progress: Progress | None,
    ) -> AsyncIterator[Embeddings]:
        pieces = cut_documents_async(documents, chunker, call.cutter(self.settings.limits))
        replies = (await self._tasks()).replies(pieces, call)
        with reported(progress, count_of(documents)) as reach:
            async with aclosing(replies):
                done = 0
                async for reply in replies:
                    for embeddings in documents_of(reply, call):
                        yield embeddings
                        done += 1
                        reach(done)

    def _call(self, **given: Any) -> Call:
        if self._is_closed:
            raise closed()
        return open_call(self.defaults, self.settings, **given)

    async def _find(self, route: Route) -> tuple[ThroughS3 | None, RequestLimits]:
        """Return what ``_way`` does, in a thread where that may have to ask AWS."""
        return await asyncio.to_thread(self._way, route) if route == "asynchronous" else self._way(route)

    async def _weigh(self, texts: Texts, call: Call) -> tuple[Amount, Texts]:
        weighing = Weighing(self._ways(call), self.settings.routes)
        if isinstance(texts, AsyncIterable):
            return await weigh_async(texts, weighing)
        return weigh(texts, weighing)

    async def _tasks(self) -> Tasks:
        """Return what sends, of this loop: neither connections nor semaphores can be shared with another."""
        self._settle()
        if self._routing is None:
            await asyncio.to_thread(lambda: self.routing)  # a region may stand in a file
        if self._is_closed:
            raise closed()
        loop = asyncio.get_running_loop()
        opened = self._opened.get(loop)
        if opened is None:
            opened = self._opened[loop] = self._open()
        return opened

    def _open(self) -> Tasks:
        from jina_v3_client.transport.httpx import HttpxTransport

        transport = self._transport or HttpxTransport(
            connections=2 * self.settings.concurrency, connect_s=self.settings.connect_s
        )
        return Tasks(AsyncSender(self._access, transport), self.routing, self.settings)
