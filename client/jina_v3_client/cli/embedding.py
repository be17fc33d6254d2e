"""Records to embeddings, in order, as answers arrive; errors say which record they mean. Knows no output."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from jina_v3_client.cli.asking import Asking
from jina_v3_client.cli.records import Record, Source, read_all
from jina_v3_client.errors import InvalidInputError
from jina_v3_client.protocols import Errors
from jina_v3_client.results import TextEmbedding, TextError

_PLACE_SENT: Final = re.compile(r"^(texts|documents)(\[\d+\])+ ")
_ADVICE: Final = "correct it, or give --errors return to embed the others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """A record, its embedding counted over all sources, and its document's number where sources are documents."""

    record: Record
    embedding: TextEmbedding
    document: int | None = None


def embed_records(
    asking: Asking, sources: Sequence[Source], errors: Errors = "raise"
) -> Generator[Embedded, None, None]:
    """Embed each record; with late chunking a source is one document, whose chunks its records are.

    **Raises**: the client's errors; ``InvalidInputError`` says the place of the record that is at fault.
    """
    if asking.parameters.late_chunking:
        return _documents(asking, sources, errors)
    return _Texts(sources, errors).embed(asking)


class _Texts:
    """Reads ahead as far as the client does, and gives each answer its record."""

    def __init__(self, sources: Sequence[Source], errors: Errors) -> None:
        self._sources = sources
        self._errors: Errors = errors
        self._pending: deque[Record] = deque()
        self._answered = 0
        self._written = 0

    def embed(self, asking: Asking) -> Generator[Embedded, None, None]:
        """Yield all, those that cannot be read in their places."""
        try:
            for embedding in asking.stream(self._read(), self._errors):
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
        record, error = self._pending.popleft(), embedding.error
        told = None if error is None else replace(error, message=_of_record(error.message))
        return Embedded(record=record, embedding=replace(embedding, index=self._written - 1, error=told))

    def _named(self, error: InvalidInputError) -> InvalidInputError:
        return _named(error, [record for record in self._pending if record.error is None], self._answered)


def _documents(asking: Asking, sources: Sequence[Source], errors: Errors) -> Generator[Embedded, None, None]:
    first = 0
    for document, source in enumerate(sources):
        records = list(source.read())
        for index, embedding in enumerate(_document(asking, records, errors)):
            yield Embedded(record=records[index], embedding=replace(embedding, index=first + index), document=document)
        first += len(records)


def _document(asking: Asking, records: list[Record], errors: Errors) -> list[TextEmbedding]:
    if not records:
        return []
    try:
        for record in records:
            if record.error is not None:
                raise _refusal(record, record.error)
        return asking.whole([record.text for record in records])
    except InvalidInputError as error:
        named = _named(error, records, 0)
        if errors == "raise":
            raise named from error
        message = f"its document could not be embedded: {named.message}"
        return [_failed(TextError(code=error.code, message=message)) for _ in records]


def _failed(error: TextError) -> TextEmbedding:
    return TextEmbedding(index=0, vector=None, tokens=0, error=error)


def _refusal(record: Record, error: TextError) -> InvalidInputError:
    return InvalidInputError(f"{record.place}: {error.message}", code=error.code, advice=_ADVICE)


def _named(error: InvalidInputError, sent: Sequence[Record], first: int) -> InvalidInputError:
    """Put the record's place before an error that means a text by its index, the first of ``sent`` having ``first``."""
    if error.index is None or not 0 <= error.index - first < len(sent):
        return error
    return type(error)(
        f"{sent[error.index - first].place}: {_of_record(error.message)}",
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


def _of_record(message: str) -> str:
    """Leave out the place among the texts that were sent: a record has one of its own.

    >>> _of_record("texts[12] is empty")
    'the text is empty'
    """
    return _PLACE_SENT.sub("the text ", message)
