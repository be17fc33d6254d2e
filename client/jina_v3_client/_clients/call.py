"""What one call of a client is, checked before anything is sent, and what comes of its pieces; sends nothing."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from typing import Any, Final

from jina_v3_client._calls.classify import smaller_may_help
from jina_v3_client._calls.steps import Answer
from jina_v3_client._texts.assembly import assemble
from jina_v3_client._texts.cutting import Cutter
from jina_v3_client._texts.pieces import Piece
from jina_v3_client._texts.wire import Block, decode
from jina_v3_client.errors import InvalidInputError, JinaClientError
from jina_v3_client.parameters import UNSET, Parameters, Unset, VectorForm
from jina_v3_client.protocols import AnyTask, Chunker, Errors
from jina_v3_client.results import Embeddings, RouteDecision, Usage
from jina_v3_client.settings import RequestLimits, Settings

_ERRORS: Final = ("raise", "return")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: what its texts are embedded with, and until when. **Units**: seconds of ``time.monotonic``."""

    parameters: Parameters
    lines: bool
    began: float
    deadline: float | None

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self.began

    @property
    def left_s(self) -> float | None:
        """How long it may still go on."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def cutter(self, limits: RequestLimits) -> Cutter:
        """Make what cuts its texts."""
        return Cutter(self.parameters, limits, lines=self.lines)


def open_call(
    defaults: Parameters,
    settings: Settings,
    *,
    task: AnyTask = UNSET,
    dimensions: int | Unset = UNSET,
    late_chunking: bool = False,
    normalized: bool = True,
    truncate: bool = False,
    embedding_type: VectorForm = "float",
    errors: Errors = "raise",
    deadline_s: float | None = None,
) -> Call:
    """Check what a caller asks for; what was not given is the client's default.

    **Raises**: ``InvalidInputError``.
    """
    parameters = replace(
        defaults,
        task=defaults.task if isinstance(task, Unset) else task,
        dimensions=defaults.dimensions if isinstance(dimensions, Unset) else dimensions,
        late_chunking=late_chunking,
        normalized=normalized,
        truncate=truncate,
        form=embedding_type,
    )
    if errors not in _ERRORS:
        raise _invalid("errors", errors, _ERRORS)
    deadline_s = settings.deadline_s if deadline_s is None else deadline_s
    if deadline_s is not None and (
        isinstance(deadline_s, bool) or not isinstance(deadline_s, int | float) or not deadline_s > 0
    ):
        raise _invalid("deadline_s", deadline_s, ("a number of seconds above 0", "None"))
    began = time.monotonic()
    return Call(
        parameters=parameters,
        lines=errors == "return",
        began=began,
        deadline=None if deadline_s is None else began + deadline_s,
    )


def closed() -> JinaClientError:
    """Return the error of a client that is used after its end."""
    return JinaClientError("this client is closed", advice="make a new one, or close it later")


def _invalid(field: str, value: object, allowed: tuple[str, ...]) -> InvalidInputError:
    return InvalidInputError(
        f"{field} is {value!r}; it must be {' or '.join(allowed)}",
        code="invalid_value",
        field=field,
        value=value,
        allowed=list(allowed),
    )


def texts_of(given: Any, name: str = "texts") -> Any:
    """Return texts as what can be gone through: one string is one text.

    **Raises**: ``InvalidInputError`` for what holds no texts, or something else when gone through, as bytes, mappings
    and tables do.

    >>> texts_of("sunrise")
    ('sunrise',)
    >>> texts_of({"a": "sunrise"})
    Traceback (most recent call last):
    jina_v3_client.errors.InvalidInputError: texts is dict; it must be a string, or strings in a list or any other iterable
    """  # noqa: E501  # the message is one line
    if isinstance(given, str):
        return (given,)
    is_texts = isinstance(given, Iterable | AsyncIterable) and not isinstance(
        given, bytes | bytearray | memoryview | Mapping
    )
    if not is_texts or getattr(given, "ndim", 1) != 1:
        raise InvalidInputError(
            f"{name} is {type(given).__name__}; it must be a string, or strings in a list or any other iterable",
            code="wrong_type",
            field=name,
            value=type(given).__name__,
            allowed="a string, or an iterable of strings",
        )
    return given


def one_text(text: object) -> str:
    """Return a text. **Raises**: ``InvalidInputError`` for anything else."""
    if not isinstance(text, str):
        raise InvalidInputError(
            f"text is {type(text).__name__}; it must be a string",
            code="wrong_type",
            field="text",
            value=type(text).__name__,
            allowed="a string",
        )
    return text


def count_of(texts: object) -> int | None:
    """Return how many texts there are, where that is known before they are read."""
    return len(texts) if isinstance(texts, Sized) else None


def cut(texts: Iterable[str], cutter: Cutter) -> Iterator[Piece]:
    """Yield pieces as they are full."""
    for text in texts:
        yield from cutter.add(text)
    yield from cutter.finish()


async def cut_async(texts: Iterable[str] | AsyncIterable[str], cutter: Cutter) -> AsyncGenerator[Piece, None]:
    """Yield pieces as they are full."""
    if isinstance(texts, AsyncIterable):
        async for text in texts:
            for piece in cutter.add(text):
                yield piece
        for piece in cutter.finish():
            yield piece
    else:
        for piece in cut(texts, cutter):
            yield piece


def chunks_of(document: Sequence[str] | str, chunker: Chunker | None, name: str = "document") -> Sequence[str]:
    """Return a document's chunks: those it has, or those it is cut into; ``name`` is what errors call it.

    **Raises**: ``InvalidInputError``.
    """
    if isinstance(document, str):
        if chunker is None:
            raise InvalidInputError(
                f"{name} is one text, and nothing says how to cut it; give chunker=…, such as one of "
                "jina_v3_client.chunking, or its chunks in a list",
                code="wrong_type",
                field=name,
                value="str",
                allowed="chunks in a list, or a text and a chunker",
            )
        return tuple(texts_of(chunker(document), f"what the chunker made of {name}"))
    if chunker is not None:
        raise InvalidInputError(
            f"{name} is {type(document).__name__}, and a chunker cuts one text; give the text, or no chunker",
            code="wrong_type",
            field=name,
            value=type(document).__name__,
            allowed="a text and a chunker, or chunks in a list",
        )
    return tuple(texts_of(document, name))


def cut_documents(documents: Iterable[Sequence[str] | str], chunker: Chunker | None, cutter: Cutter) -> Iterator[Piece]:
    """Yield pieces of whole documents as they are full."""
    for index, document in enumerate(documents):
        yield from cutter.add_document(chunks_of(document, chunker, f"documents[{index}]"))
    yield from cutter.finish()


async def cut_documents_async(
    documents: Iterable[Sequence[str] | str] | AsyncIterable[Sequence[str] | str],
    chunker: Chunker | None,
    cutter: Cutter,
) -> AsyncGenerator[Piece, None]:
    """Yield pieces of whole documents as they are full."""
    if isinstance(documents, AsyncIterable):
        index = 0
        async for document in documents:
            for piece in cutter.add_document(chunks_of(document, chunker, f"documents[{index}]")):
                yield piece
            index += 1
        for piece in cutter.finish():
            yield piece
    else:
        for piece in cut_documents(documents, chunker, cutter):
            yield piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of a piece: a block for each of the pieces that it was cut into, in order."""

    parts: tuple[tuple[Piece, Block], ...]
    usage: Usage

    def __add__(self, other: Reply) -> Reply:
        return Reply(parts=self.parts + other.parts, usage=self.usage + other.usage)

    @property
    def end(self) -> int:
        """The index after its last text."""
        _, last = self.parts[-1]
        return last.indices[-1] + 1


def read_reply(answer: Answer, piece: Piece) -> Reply:
    """Read a piece's answer. **Raises**: ``ResponseError``."""
    try:
        block = decode(answer.response, piece)
    except JinaClientError as error:
        error.target, error.attempts = answer.target.label, answer.attempts
        raise
    usage = Usage(tokens=int(block.token_counts.sum()), requests=1, attempts=answer.attempts, hedges=answer.hedges)
    return Reply(parts=((piece, block),), usage=usage)


def halves_after(error: JinaClientError, piece: Piece) -> tuple[Piece, Piece]:
    """Return the halves of a piece that was too large, or took too long.

    **Raises**: the error, where they would fare no better; it names the caller's text.
    """
    if piece.divisible and smaller_may_help(error):
        return piece.halves()
    if isinstance(error, InvalidInputError):
        piece.locate(error)
    raise error


class Gathering:
    """The replies of a call, until they are all there."""

    def __init__(self, call: Call, cutter: Cutter) -> None:
        self._call = call
        self._cutter = cutter
        self._blocks: list[Block] = []
        self._usage = Usage()

    def add(self, reply: Reply) -> None:
        """Take in a reply."""
        self._blocks += [block for _, block in reply.parts]
        self._usage += reply.usage

    def embeddings(self, route: RouteDecision) -> Embeddings:
        """Make the call's result."""
        return assemble(
            self._blocks,
            self._cutter.count,
            self._call.parameters,
            self._usage + Usage(seconds=self._call.seconds),
            errors=self._cutter.errors,
            route=route,
        )


def documents_of(reply: Reply, call: Call) -> Iterator[Embeddings]:
    """Yield a result for each document of a reply, with its chunks; what the request took is the first one's."""
    usage = reply.usage
    for piece, block in reply.parts:
        start = 0
        for part in block.split(piece.documents):
            chunks = piece.texts[start : start + len(part)]
            start += len(part)
            yield assemble([part], len(part), call.parameters, usage, chunks=chunks)
            usage = Usage()
