"""Answers as Parquet: the columns that came, or the rows' names, then the vectors and what became of each row.

A part of an answer is a row group, and is handed on as soon as it is written; only the file's footer grows. The footer
also has an account of all rows, so that a caller need not read the file to know what became of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import orjson

from jina_v3.contract import ANSWER_FIELDS, ErrorCode
from jina_v3.serving.exchange import Answer, EmbeddingTypes, Kept, Layout, Row, generate_id
from jina_v3.serving.formats.json_values import write_unknown
from jina_v3.serving.formats.parquet_file import import_pyarrow

SUMMARY: Final = "jina_v3.summary"
"""The account's name in the footer's key-value metadata; ``docs/contract.md`` says what stands there."""
_FIRST_ERRORS: Final = 100

_LIST_ITEMS: Final = {"float": "float32", "binary": "int8", "ubinary": "uint8", "int8": "int8"}


class ParquetWriter:
    """A Parquet file, a row group for each part.

    **Raises**: ``RequestError`` (406) where pyarrow is not installed.
    """

    def __init__(self, media_type: str) -> None:
        self.media_type = media_type
        self.headers: Mapping[str, str] = {}
        self._pa = import_pyarrow(ErrorCode.NOT_ACCEPTABLE, "Accept", media_type)
        self._sink = _Sink()
        self._writer: Any = None
        self._summary = _Summary()

    def part(self, answer: Answer) -> bytes:
        """Write the rows as a row group; the first part decides the columns."""
        rows = [_fit(row, answer.layout.embedding_types) for row in answer.rows]
        self._summary.add(rows, answer.kept)
        batch = _write_rows(self._pa, answer, rows)
        if self._writer is None:
            self._writer = self._pa.parquet.ParquetWriter(self._sink, batch.schema, use_dictionary=False)
        if batch.num_rows:
            self._writer.write_batch(batch)
        return self._sink.take()

    def end(self) -> bytes:
        """Write the footer."""
        if self._writer is None:
            self.part(Answer((), Layout(lambda row: row.number)))
        self._writer.add_key_value_metadata({SUMMARY: self._summary.write()})
        self._writer.close()
        return self._sink.take()


class _Summary:
    """The account of the rows written so far."""

    def __init__(self) -> None:
        self._rows = self._tokens = 0
        self._errors: Counter[str] = Counter()
        self._first: list[dict[str, Any]] = []

    def add(self, rows: Sequence[Row], kept: Kept | None) -> None:
        id_name = None if kept is None else kept.names.id_name
        ids = kept.columns.column(id_name) if kept is not None and id_name in kept.columns.schema.names else None
        for index, row in enumerate(rows):
            if row.error is None:
                self._tokens += row.tokens or 0
                continue
            self._errors[row.error["code"]] += 1
            if len(self._first) < _FIRST_ERRORS:
                error = {name: row.error[name] for name in ("code", "message")}
                row_id = row.id if ids is None else ids[index].as_py()
                self._first.append({"row": self._rows + index + 1, "id": row_id, **error})
        self._rows += len(rows)

    def write(self) -> bytes:
        embedded = self._rows - self._errors.total()
        counts = {"rows": self._rows, "embedded": embedded, "tokens": self._tokens, "errors": dict(self._errors)}
        return orjson.dumps({**counts, "first_errors": self._first}, default=write_unknown)


class _Sink:
    """A file whose bytes are taken away as they are written."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._size += len(self._parts[-1])
        return len(self._parts[-1])

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def _write_rows(pa: Any, answer: Answer, rows: Sequence[Row]) -> Any:
    """Return the record batch of an answer, whose rows fit its columns."""
    layout = answer.layout
    good = [row if row.error is None else None for row in rows]
    columns = _write_kept(pa, answer.kept, rows) if answer.kept is not None else _write_names(pa, rows, layout)
    vectors = [row.fields["embedding"] if row else None for row in good]
    columns["embedding"] = _write_vectors(pa, vectors, layout.embedding_types)
    if "int8" in ((layout.embedding_types,) if isinstance(layout.embedding_types, str) else layout.embedding_types):
        columns["scale"] = pa.array([row.fields["scale"] if row else None for row in good], pa.float32())
    columns["tokens"] = pa.array([row.tokens if row else None for row in good], pa.int32())
    columns["truncated"] = pa.array([row.truncated if row else None for row in good], pa.bool_())
    if layout.records:
        errors = [{name: row.error[name] for name in ("code", "message")} if row.error else None for row in rows]
        columns["error"] = pa.array(errors, pa.struct([("code", pa.string()), ("message", pa.string())]))
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _fit(row: Row, embedding_types: EmbeddingTypes) -> Row:
    """Return the row, or its error where its vector does not fit the column that all have together."""
    if row.error is not None:
        return row
    if "embeddings" in row.fields:
        message = "the vectors of a document's chunks have no place in Parquet; ask for JSON lines"
    elif row.embedding_types != embedding_types:
        message = "in Parquet all vectors have one form, that of the request's Custom-Attributes; or ask for JSON lines"
    else:
        return row
    return Row(row.number, row.id, metadata=row.metadata, error={"code": "invalid_value", "message": message})


def _write_kept(pa: Any, kept: Kept, rows: Sequence[Row]) -> dict[str, Any]:
    """Return the columns that came; a text that is not UTF-8 is null, or no reader would take the file."""
    names = [name for name in kept.columns.schema.names if name not in ANSWER_FIELDS]
    columns = {name: kept.columns.column(name) for name in names}
    bad = {index for index, row in enumerate(rows) if row.error and row.error["code"] == ErrorCode.NOT_UTF8.wire_name}
    if bad:
        there = [None if index in bad else index for index in range(len(rows))]
        name = kept.names.text_name
        columns[name] = columns[name].take(pa.array(there, pa.int64()))
    return columns


def _write_names(pa: Any, rows: Sequence[Row], layout: Layout) -> dict[str, Any]:
    """Return the columns that say which row is which, and what records brought along as JSON."""
    if layout.key == "index":
        columns = {"index": pa.array([row.number for row in rows], pa.int32())}
    else:
        ids = [generate_id() if row.id is None else str(row.id) for row in rows]
        columns = {"id": pa.array(ids, pa.string())}
    if layout.records:
        metadata = [orjson.dumps(row.metadata, default=write_unknown).decode() for row in rows]
        columns["metadata"] = pa.array(metadata, pa.string())
    if rows and rows[0].document is not None:
        columns["document"] = pa.array([row.document for row in rows], pa.int32())
    return columns


def _write_vectors(pa: Any, vectors: Sequence[Any], embedding_types: EmbeddingTypes) -> Any:
    if isinstance(embedding_types, str):
        return _write_form(pa, vectors, embedding_types)
    forms = [
        _write_form(pa, [None if vector is None else vector[name] for vector in vectors], name)
        for name in embedding_types
    ]
    absent = pa.array([vector is None for vector in vectors], pa.bool_())
    return pa.StructArray.from_arrays(forms, list(embedding_types), mask=absent)


def _write_form(pa: Any, vectors: Sequence[Any], form: str) -> Any:
    """Return vectors of one form as a column, null where there is none."""
    if form == "base64":
        return pa.array(vectors, pa.string())
    kind = pa.type_for_alias(_LIST_ITEMS[form])
    sizes = [0 if vector is None else len(vector) for vector in vectors]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    there = [vector for vector in vectors if vector is not None]
    values = pa.array(np.concatenate(there) if there else [], kind)
    absent = pa.array([vector is None for vector in vectors], pa.bool_())
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, mask=absent)
