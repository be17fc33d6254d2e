"""Records to embeddings, in order, as answers arrive; errors say which record they mean. Knows no output."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from jina_v3_client.cli.records import Record, Source, read_all
from jina_v3_client.errors import InvalidInputError
from jina_v3_client.parameters import Parameters
from jina_v3_client.protocols import Embedder, Errors, Progress
from jina_v3_client.results import TextEmbedding, TextError

_ADVICE: Final = "correct it, or give --errors return to embed the others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """A record, its embedding counted over all sources, and its document's number where sources are documents."""

    record: Record
    embedding: TextEmbedding
    document: int | None = None


def embed_records(
    client: Embedder,
    sources: Sequence[Source],
    parameters: Parameters,
    errors: Errors = "raise",
    *,
    progress: bool = True,
) -> Iterator[Embedded]:
    """Embed each record; with late chunking a source is one document, whose chunks its records are.

    **Raises**: the client's errors; ``InvalidInputError`` says the place of the record that is at fault.
    """
    shown = None if progress else False  # the client shows a bar where there is a person to see it
    if parameters.late_chunking:
        return _documents(client, sources, parameters, errors, shown)
    return _Texts(client, sources, parameters, errors).embed(shown)


class _Texts:
    """Reads ahead as far as the client does, and gives each answer its record."""

    def __init__(self, client: Embedder, sources: Sequence[Source], parameters: Parameters, errors: Errors) -> None:
        self._client = client
        self._sources = sources
        self._parameters = parameters
        self._errors: Errors = errors
        self._pending: deque[Record] = deque()
        self._answered = 0
        self._written = 0

    def embed(self, progress: Progress | None) -> Iterator[Embedded]:
        """Yield all, those that cannot be read in their places."""
        answers = self._client.embed_iter(
            self._read(),
            task=self._parameters.task,
            dimensions=self._parameters.dimensions,
            truncate=self._parameters.truncate,
            embedding_type=self._parameters.form,
            errors=self._errors,
            route="auto",
            progress=progress,
        )
        try:
            for embedding in answers:
                yield from self._unreadable()
                yield self._next(embedding)
                self._answered += 1
        except InvalidInputError as error:
            raise self._named(error) from error
        yield from self._unreadable()

    def _read(self) -> Iterator[str]:
        for record in read_all(self._sources):
            if record.error is None:
                self._pending.append(record)
                yield record.text
            elif self._errors == "raise":
                raise _refusal(record, record.error)
            else:
                self._pending.append(record)

    def _unreadable(self) -> Iterator[Embedded]:
        while self._pending and (error := self._pending[0].error) is not None:
            yield self._next(_failed(error))

    def _next(self, embedding: TextEmbedding) -> Embedded:
        self._written += 1
        return Embedded(record=self._pending.popleft(), embedding=replace(embedding, index=self._written - 1))

    def _named(self, error: InvalidInputError) -> InvalidInputError:
        return _named(error, [record for record in self._pending if record.error is None], self._answered)


def _documents(
    client: Embedder, sources: Sequence[Source], parameters: Parameters, errors: Errors, progress: Progress | None
) -> Iterator[Embedded]:
    first = 0
    for document, source in enumerate(sources):
        records = list(source.read())
        for index, embedding in enumerate(_document(client, records, parameters, errors, progress)):
            yield Embedded(record=records[index], embedding=replace(embedding, index=first + index), document=document)
        first += len(records)


def _document(
    client: Embedder, records: list[Record], parameters: Parameters, errors: Errors, progress: Progress | None
) -> list[TextEmbedding]:
    if not records:
        return []
    try:
        for record in records:
            if record.error is not None:
                raise _refusal(record, record.error)
        found = client.embed(
            [record.text for record in records],
            task=parameters.task,
            dimensions=parameters.dimensions,
            late_chunking=True,
            truncate=parameters.truncate,
            embedding_type=parameters.form,
            route="auto",
            progress=progress,
        )
    except InvalidInputError as error:
        named = _named(error, records, 0)
        if errors == "raise":
            raise named from error
        message = f"its document could not be embedded: {named.message}"
        return [_failed(TextError(code=error.code, message=message)) for _ in records]
    truncated = frozenset(found.truncated)
    return [
        TextEmbedding(
            index=index,
            vector=found.vectors[index],
            tokens=int(found.token_counts[index]),
            truncated=index in truncated,
            scale=None if found.scales is None else float(found.scales[index]),
        )
        for index in range(len(records))
    ]


def _failed(error: TextError) -> TextEmbedding:
    return TextEmbedding(index=0, vector=None, tokens=0, error=error)


def _refusal(record: Record, error: TextError) -> InvalidInputError:
    return InvalidInputError(f"{record.place}: {error.message}", code=error.code, advice=_ADVICE)


def _named(error: InvalidInputError, sent: Sequence[Record], first: int) -> InvalidInputError:
    """Put the record's place before an error that means a text by its index, the first of ``sent`` having ``first``."""
    if error.index is None or not 0 <= error.index - first < len(sent):
        return error
    return type(error)(
        f"{sent[error.index - first].place}: {error.message}",
        code=error.code,
        field=error.field,
        value=error.value,
        allowed=error.allowed,
        index=error.index,
        advice=error.advice or _ADVICE,
        request_id=error.request_id,
        target=error.target,
        attempts=error.attempts,
    )
