"""Records: rows of a body that each have their own text, and perhaps parameters, and each their own result.

A bad record is an error of its own and never a failed request: in a batch job that would lose the whole file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from jina_v3.contract import EncodeJob, ErrorCode, Limits
from jina_v3.errors import RequestError
from jina_v3.serving.error_body import describe_error
from jina_v3.serving.exchange import (
    Answer,
    EmbeddingTypes,
    Kept,
    Layout,
    Result,
    Row,
    checked,
    generate_id,
    place_error,
)
from jina_v3.serving.formats.parameters import Parameters
from jina_v3.serving.formats.vectors import write_vectors
from jina_v3.serving.formats.writers import in_groups, list_frame


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a body: what goes back besides the result, and the work or why there is none.

    ``line`` is where it begins, counted from 1. ``places`` are those of the texts within the record, which are
    ``chunks`` of one document where it has a list of them.
    """

    line: int
    id: str | int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    parameters: Parameters | None = None
    error: RequestError | None = None
    chunks: bool = False


@dataclass(frozen=True, slots=True)
class RecordsRequest:
    """A body of records, or a part of one; ``jobs`` are those of the good ones, in order.

    ``kept`` are columns that go back with the records, one value each.
    """

    records: tuple[Record, ...]
    layout: Layout
    offers: tuple[str, ...]
    kept: Kept | None = None
    answers_each: ClassVar[bool] = True
    jobs: tuple[EncodeJob, ...] = field(init=False)

    def __post_init__(self) -> None:
        jobs = tuple(record.parameters.job(record.texts) for record in self.records if record.parameters)
        object.__setattr__(self, "jobs", jobs)

    @property
    def embedding_types(self) -> EmbeddingTypes:
        """The form for records that do not name one."""
        return self.layout.embedding_types

    def answer(self, results: Sequence[Result]) -> Answer:
        """Write one row for each record."""
        waiting = iter(results)
        rows = [
            _write(index, record, next(waiting) if record.parameters else None)
            for index, record in enumerate(self.records)
        ]
        widths = {result.shape[1] for result in results if not isinstance(result, RequestError)}
        return Answer(rows, self.layout, max(widths, default=None), kept=self.kept)

    def in_parts(self, max_texts: int) -> Sequence[RecordsRequest]:
        """Cut it into runs of records."""
        groups = in_groups([max(1, len(record.texts)) for record in self.records], max_texts)
        if len(groups) == 1:
            return (self,)
        return [
            dataclasses.replace(self, records=self.records[group], kept=self.kept.cut(group) if self.kept else None)
            for group in groups
        ]


def records_layout(absent: Parameters) -> Layout:
    """Return the layout of records as such: an object each."""
    return Layout(record_item, list_frame, key="id", embedding_types=absent.embedding_types, records=True)


def record_item(row: Row) -> dict[str, Any]:
    """Write a row as an object: the record's own fields, its id, and its result or its error."""
    item = {**row.metadata, "id": generate_id() if row.id is None else row.id}
    if row.error is not None:
        return {**item, "error": row.error}
    item |= {**row.fields, "tokens": row.tokens}
    if row.truncated:
        item["truncated"] = True
    return item


def refuse_too_many(texts: int, limits: Limits) -> None:
    """Refuse a body of more texts than the limit.

    **Raises**: ``RequestError`` (413).
    """
    if texts > limits.max_texts:
        raise RequestError(
            ErrorCode.TOO_MANY_TEXTS,
            f"the body holds {texts} texts; one request may hold {limits.max_texts}",
            field="body",
            value=texts,
            allowed=f"at most {limits.max_texts} texts",
        )


def _write(index: int, record: Record, result: Result | None) -> Row:
    try:
        if record.error or record.parameters is None or result is None:
            raise record.error or RequestError(ErrorCode.INTERNAL, "the record was not encoded")
        if isinstance(result, RequestError):
            raise place_error(result, record.places)
        forms = record.parameters.embedding_types
        rows = write_vectors(checked(result), forms)
    except RequestError as error:
        described = {**describe_error(error), "line": record.line}
        return Row(index, record.id, metadata=record.metadata, error=described)
    fields = rows[0]
    if record.chunks:
        fields = {"embeddings": [row["embedding"] for row in rows]}
        if "scale" in rows[0]:
            fields["scale"] = [row["scale"] for row in rows]
    tokens = sum(result.token_counts)
    return Row(
        index, record.id, fields, tokens, bool(result.truncated), metadata=record.metadata, embedding_types=forms
    )
