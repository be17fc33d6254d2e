"""Parquet: one record a row, with its text in one column and parameters in columns of their names."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jina_v3.contract import ANSWER_FIELDS, ErrorCode, Limits
from jina_v3.errors import RequestError, shorten
from jina_v3.record_fields import RecordFields
from jina_v3.serving.exchange import Row
from jina_v3.serving.formats.media_types import RECORDS_OFFER, offers
from jina_v3.serving.formats.parameters import FIELDS, Given, Parameters, read_parameters
from jina_v3.serving.formats.parquet_file import ParquetBody, import_pyarrow
from jina_v3.serving.formats.records import Record, RecordsRequest, records_layout, refuse_too_many


@dataclass(frozen=True, slots=True)
class KeptColumns:
    """The columns of a file, of some of its rows."""

    columns: Any
    names: RecordFields

    def cut(self, part: slice) -> KeptColumns:
        """Return the columns of some of the rows."""
        return KeptColumns(self.columns[part], self.names)

    def fill(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the rows with their columns' values, in Python's types, and their ids."""
        ours = {self.names.text_name, *FIELDS, *ANSWER_FIELDS}
        names = [name for name in self.columns.schema.names if name not in ours]
        values = [_plain(self.columns.column(name)) for name in names]
        filled = []
        for row, cells in zip(rows, zip(*values, strict=True) if names else ((),) * len(rows), strict=True):
            metadata = dict(zip(names, cells, strict=True))
            row_id = metadata.pop(self.names.id_name, None)
            row_id = row_id if row_id is None or isinstance(row_id, str | int) else str(row_id)
            filled.append(row._replace(metadata=metadata, id=row_id))
        return filled


def _plain(column: Any) -> list[Any]:
    """Return a column's values; as strings where Python has no type for them, null where not even that is possible."""
    failures = (ValueError, OverflowError, NotImplementedError)  # pyarrow's own are of these too
    try:
        return list(column.to_pylist())
    except failures:
        pass
    try:
        return list(column.cast("string").to_pylist())
    except failures:
        return [None] * len(column)


def read_parquet(
    body: bytes, media_type: str, limits: Limits, absent: Parameters, names: RecordFields, *, batch: bool = False
) -> RecordsRequest:
    """Read all rows of a file.

    **Raises**: ``RequestError`` (400 no such file, 413 rows or size, but for rows in ``batch``, 422 columns).
    """
    parts = read_parquet_parts(body, media_type, limits, absent, names, rows_per_part=limits.max_texts, batch=batch)
    pa = importlib.import_module("pyarrow")
    requests = list(parts)
    if len(requests) == 1:
        return requests[0]
    columns = [request.kept.columns for request in requests if request.kept is not None]
    kept = pa.Table.from_batches(columns).combine_chunks().to_batches()
    records = tuple(record for request in requests for record in request.records)
    return dataclasses.replace(requests[0], records=records, kept=KeptColumns(kept[0] if kept else columns[0], names))


def read_parquet_parts(
    body: bytes,
    media_type: str,
    limits: Limits,
    absent: Parameters,
    names: RecordFields,
    *,
    rows_per_part: int,
    batch: bool = True,
) -> Iterator[RecordsRequest]:
    """Return requests of so many rows or fewer each, at least one; rows are decoded as they are asked for.

    **Raises**: ``RequestError`` as ``read_parquet`` does, before the first row; and, while iterating, for a part of the
    file that is damaged.
    """
    pa = import_pyarrow(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "Content-Type", media_type)
    file = ParquetBody(pa, body, limits, names)
    if not batch:
        refuse_too_many(file.rows, limits)

    def requests() -> Iterator[RecordsRequest]:
        first_row = 1
        for columns in file.batches(rows_per_part):
            records = tuple(_read_rows(columns, first_row, absent, names.text_name))
            first_row += len(records)
            offered = offers(media_type, RECORDS_OFFER)
            yield RecordsRequest(records, records_layout(absent), offered, KeptColumns(columns, names))

    return requests()


def _read_rows(columns: Any, first_row: int, absent: Parameters, text_name: str) -> Iterator[Record]:
    place = str(shorten(text_name))
    words = columns.column(text_name).cast("large_string").cast("large_binary").to_pylist()
    given = {name: _plain(columns.column(name)) for name in FIELDS if name in columns.schema.names}
    for row, word in enumerate(words):
        fields = {name: values[row] for name, values in given.items() if values[row] is not None}
        try:
            parameters = read_parameters(Given(fields), absent)
            yield Record(first_row + row, texts=(_read_text(word, place),), places=(place,), parameters=parameters)
        except RequestError as error:
            yield Record(first_row + row, error=error)


def _read_text(word: bytes | None, place: str) -> str:
    if word is None:
        raise RequestError(
            ErrorCode.EMPTY_TEXT, f"{place} is null", field=place, value="null", allowed="a text with words"
        )
    try:
        return word.decode()
    except UnicodeDecodeError as error:
        raise RequestError(
            ErrorCode.NOT_UTF8,
            f"{place} is not UTF-8: {error.reason} at byte {error.start}",
            field=place,
            value=f"0x{word[error.start]:02X} at byte {error.start}",
            allowed="UTF-8",
        ) from None
