"""The client for threads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from jina_v3.contract import MODEL_DIMENSIONS
from jina_v3_client._aws.access import Access
from jina_v3_client._aws.deployment import Deployment
from jina_v3_client._aws.sender import Sender
from jina_v3_client._clients.call import (
    Call,
    Gathering,
    chunks_of,
    closed,
    count_of,
    cut,
    cut_documents,
    documents_of,
    one_text,
    open_call,
    texts_of,
)
from jina_v3_client._clients.client import Client, asked
from jina_v3_client._clients.progress import reported
from jina_v3_client._clients.threads import Threads
from jina_v3_client._routes.choosing import Weighing, weigh
from jina_v3_client._routes.through_batch import embed_in_batch
from jina_v3_client._texts.assembly import InOrder
from jina_v3_client.parameters import UNSET, TaskName, Unset, VectorForm
from jina_v3_client.protocols import AnyTask, Chunker, Errors, Progress
from jina_v3_client.results import Embeddings, Route, TextEmbedding
from jina_v3_client.routing.policies import Choice
from jina_v3_client.settings import Settings
from jina_v3_client.transport import Transport

if TYPE_CHECKING:
    import boto3
    from numpy.typing import NDArray

    from jina_v3.contract import Task
    from jina_v3_client._routes.through_s3 import AsynchronousEndpoint
    from jina_v3_client.batch import BatchClient


class EmbeddingClient(Client):
    """Embeds texts through SageMaker; one client serves any number of threads.

    ``target`` is the name or ARN of an endpoint, an ``Endpoint`` or ``InferenceRouter``, or a policy over several.
    ``task`` and ``dimensions`` are what calls have that say nothing else; ``task=None`` is the base weights.
    ``asynchronous`` and ``batch`` are what ``route=`` can choose besides; ``asynchronous`` may be a deployment's name.
    ``transport`` replaces the pooled connections.

    Nothing is asked of AWS before the first call. Close it, or use it by ``with``. After a fork the child opens
    connections of its own, unless ``transport`` was given: share none with a child.

    **Raises**: ``ConfigurationError``, ``InvalidInputError``.

    >>> with EmbeddingClient("texts", region="eu-west-1", task="retrieval.passage") as client:
    ...     client
    <EmbeddingClient of texts>
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
        transport: Transport | None = None,
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
        self._opened: dict[int, Threads] = {}  # by process
        self._is_closed = False

    @classmethod
    def from_deployment(
        cls, name: str, *, region: str | None = None, session: boto3.Session | None = None, **options: Any
    ) -> Self:
        """Make the client of a deployment of this project's infrastructure; CloudFormation says what it has.

        ``options`` are the client's own. **Raises**: ``EndpointNotFoundError``, ``AccessError``.

        >>> EmbeddingClient.from_deployment("texts", region="eu-west-1")  # doctest: +SKIP
        <EmbeddingClient of eu-west-1/texts>
        """
        profile = options.get("profile")
        deployment = Deployment.find(name, region, Access(session=session, profile=profile, region=region))
        client = cls(**{"region": deployment.region, "session": session, **asked(deployment), **options})
        client._know_batch(deployment)
        return client

    def embed(
        self,
        texts: Iterable[str] | str,
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

        >>> client.embed(["sunrise", "sunset"], task="text-matching", dimensions=256).shape
        (2, 256)
        >>> client.embed(["sunrise", ""], errors="return").errors[1].code
        'empty_text'
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
        return self._embed(texts_of(texts), call, route=route, progress=progress)

    def embed_iter(
        self,
        texts: Iterable[str],
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
    ) -> Iterator[TextEmbedding]:
        """Yield each text's embedding, in order, as answers arrive; any number of texts in bounded memory.

        Texts are read as they are needed, in the thread that iterates. An error, also one of the texts' own iterator,
        ends all at once; so does closing the iterator. ``route="auto"`` is real-time where the client can, otherwise
        asynchronous.

        >>> for one in client.embed_iter(str(number) for number in range(2)):
        ...     print(one.index, one.vector.shape)
        0 (1024,)
        1 (1024,)
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
        return self._embed_iter(self._threads(), texts_of(texts), call, way, progress)

    def embed_query(
        self,
        text: str,
        *,
        dimensions: int | Unset = UNSET,
        truncate: bool = False,
        deadline_s: float | None = None,
    ) -> NDArray[Any]:
        """Embed one query with ``retrieval.query``. **Shapes**: (dimensions,) float32.

        >>> client.embed_query("When does the sun rise?").shape
        (1024,)
        """
        call = self._call(task="retrieval.query", dimensions=dimensions, truncate=truncate, deadline_s=deadline_s)
        return cast("NDArray[Any]", self._embed((one_text(text),), call, progress=False).vectors[0])

    def embed_passages(
        self,
        texts: Iterable[str],
        *,
        dimensions: int | Unset = UNSET,
        truncate: bool = False,
        errors: Errors = "raise",
        deadline_s: float | None = None,
        progress: Progress | None = None,
    ) -> Embeddings:
        """Embed documents with ``retrieval.passage``.

        >>> passages = client.embed_passages(["The sun rises at six.", "Boats return with fish."])
        >>> int((passages @ client.embed_query("the sun rises")).argmax())
        0
        """
        call = self._call(
            task="retrieval.passage", dimensions=dimensions, truncate=truncate, errors=errors, deadline_s=deadline_s
        )
        return self._embed(texts_of(texts), call, progress=progress)

    def embed_document(
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

        >>> client.embed_document("The sun rises. Boats return.", chunker=lambda text: text.split(". ")).chunks
        ('The sun rises', 'Boats return.')
        """
        call = self._call(task=task, dimensions=dimensions, late_chunking=True, deadline_s=deadline_s)
        chunks = tuple(chunks_of(document, chunker))
        embeddings = self._embed(chunks, call, progress=False)
        return embeddings if chunker is None else replace(embeddings, chunks=chunks)

    def embed_documents(
        self,
        documents: Iterable[Sequence[str] | str],
        *,
        chunker: Chunker | None = None,
        task: AnyTask = UNSET,
        dimensions: int | Unset = UNSET,
        deadline_s: float | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Embeddings]:
        """Yield each document's chunks, embedded by late chunking; several documents travel in one request.

        What a request took is told in the ``usage`` of the first of its documents.

        >>> [document.shape for document in client.embed_documents([["The sun rises."], ["Boats.", "Fish."]])]
        [(1, 1024), (2, 1024)]
        """
        call = self._call(task=task, dimensions=dimensions, late_chunking=True, deadline_s=deadline_s)
        self._decide("real-time", None, call)
        return self._embed_documents(self._threads(), texts_of(documents), chunker, call, progress)

    def close(self) -> None:
        """Close connections; what is in flight is given up, and raises in the threads that wait for it."""
        self._is_closed = True
        opened = self._opened.get(os.getpid())
        if opened is not None:
            opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _embed(
        self,
        texts: Iterable[str],
        call: Call,
        *,
        route: Route | Literal["auto"] = "real-time",
        progress: Progress | None,
    ) -> Embeddings:
        threads, amount = self._threads(), None
        if route == "auto":
            amount, texts = weigh(texts, Weighing(self._ways(call), self.settings.routes))
        decision = self._decide(route, amount, call)
        if decision.route == "batch":
            return replace(embed_in_batch(self.batch, texts, call, progress), route=decision)
        through, limits = self._way(decision.route)
        cutter, total = call.cutter(limits), count_of(texts)
        gathering = Gathering(call, cutter)
        replies = threads.replies(cut(texts, cutter), call, hurried=total is not None, through=through)
        with reported(progress, total) as reach, closing(replies):
            for reply in replies:
                gathering.add(reply)
                reach(reply.end)
            reach(cutter.count)
        return gathering.embeddings(decision)

    def _embed_iter(
        self, threads: Threads, texts: Iterable[str], call: Call, route: Route, progress: Progress | None
    ) -> Iterator[TextEmbedding]:
        through, limits = self._way(route)
        cutter = call.cutter(limits)
        in_order = InOrder(cutter.errors)
        replies = threads.replies(cut(texts, cutter), call, through=through)
        with reported(progress, count_of(texts)) as reach, closing(replies):
            for reply in replies:
                for _, block in reply.parts:
                    yield from in_order.add(block)
                reach(reply.end)
            yield from in_order.finish(cutter.count)
            reach(cutter.count)

    def _embed_documents(
        self,
        threads: Threads,
        documents: Iterable[Sequence[str] | str],
        chunker: Chunker | None,
        call: Call,
        progress: Progress | None,
    ) -> Iterator[Embeddings]:
        replies = threads.replies(cut_documents(documents, chunker, call.cutter(self.settings.limits)), call)
        with reported(progress, count_of(documents)) as reach, closing(replies):
            documents_done = (one for reply in replies for one in documents_of(reply, call))
            for done, embeddings in enumerate(documents_done, 1):
                yield embeddings
                reach(done)

    def _call(self, **given: Any) -> Call:
        return open_call(self.defaults, self.settings, **given)

    def _threads(self) -> Threads:
        """Return what sends, of this process: connections cannot be shared with the process that forked it."""
        if self._is_closed:
            raise closed()
        self._settle()
        process = os.getpid()
        return self._opened.get(process) or self._opened.setdefault(process, self._open())

    def _open(self) -> Threads:
        from jina_v3_client.transport.urllib3 import Urllib3Transport

        transport = self._transport or Urllib3Transport(
            connections=2 * self.settings.concurrency, connect_s=self.settings.connect_s
        )
        return Threads(Sender(self._access, transport), self.routing, self.settings)
