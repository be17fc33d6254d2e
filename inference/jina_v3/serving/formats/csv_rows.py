"""CSV: one record a row, ``id,text`` or ``text``; with ``header=present`` by the names in the first row.

The columns can also be known beforehand: then a row that is their names is none. A long file is cut into requests of
which only the first has it.

Quoting is RFC 4180's, read strictly: a quotation mark in the wrong place is an error of its row. Where a row's bytes
are not UTF-8 only that row is at fault, so bytes become text with stand-ins that its check finds.

**Source**: RFC 4180; jina-sagemaker's batch files are ``id,text`` without a header, every field quoted.
"""

from __future__ import annotations

import csv
import io
import itertools
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from jina_v3.contract import ErrorCode, Limits
from jina_v3.errors import RequestError, shorten
from jina_v3.record_fields import RecordFields
from jina_v3.serving.exchange import Layout, Row, generate_id
from jina_v3.serving.formats.json_values import is_unicode
from jina_v3.serving.formats.media_types import RECORDS_OFFER
from jina_v3.serving.formats.parameters import Parameters
from jina_v3.serving.formats.records import Record, RecordsRequest, record_item, refuse_too_many
from jina_v3.serving.formats.texts_request import extras
from jina_v3.serving.formats.writers import data_frame

csv.field_size_limit(sys.maxsize)  # the process's own setting; how long a text may be is a matter of its tokens

_BOM: Final = "\ufeff"
"""Where files with byte order marks were put together a row begins with one, wherever a request is cut."""

_USAGE: Final = "usage"
"""What jina-sagemaker's answer adds to an item, where a column of this name has no place."""


def read_csv(
    text: str,
    limits: Limits,
    absent: Parameters,
    names: RecordFields,
    *,
    header: bool,
    first_line: int = 1,
    batch: bool = False,
) -> RecordsRequest:
    """Read rows; blank lines are passed over.

    ``text`` may have lone surrogates in the place of bytes that are not UTF-8. ``first_line`` is the number of its
    first line, where it is a part of a longer body.

    **Raises**: ``RequestError`` (400, 422 names that are none; 413 more rows than the limit, but in ``batch``).
    """
    records: list[Record] = []
    for record in _read_records(_Rows(text, first_line), absent, names, header=header):
        records.append(record)
        if not batch:
            refuse_too_many(len(records), limits)
    return _request(records, absent)


def read_csv_parts(
    text: str, absent: Parameters, names: RecordFields, *, header: bool, rows_per_part: int
) -> Iterator[RecordsRequest]:
    """Return requests of so many rows or fewer each, at least one; rows are read as they are asked for.

    **Raises**: ``RequestError`` as ``read_csv``, before the first row.
    """
    records = _read_records(_Rows(text, 1), absent, names, header=header)

    def requests() -> Iterator[RecordsRequest]:
        part = list(itertools.islice(records, rows_per_part))
        yield _request(part, absent)
        while part := list(itertools.islice(records, rows_per_part)):
            yield _request(part, absent)

    return requests()


def _read_records(rows: _Rows, absent: Parameters, names: RecordFields, *, header: bool) -> Iterator[Record]:
    """Read the names of the columns, where there are any, and return an iterator over the rows."""
    repeated = None if header or names.columns is None else list(names.columns)

    def records(columns: tuple[str, ...] | None) -> Iterator[Record]:
        for line, cells in rows:
            if cells == repeated:
                continue
            if columns is None and isinstance(cells, list) and len(cells) in (1, 2):
                columns = (names.id_name, names.text_name)[-len(cells) :]
            yield _read(line, cells, columns, absent, names)

    return records(_read_names(rows, names) if header else names.columns)


def _request(records: Sequence[Record], absent: Parameters) -> RecordsRequest:
    """Return the request of rows, whose answer as JSON is jina-sagemaker's."""
    layout = Layout(
        record_item,
        data_frame(absent.effective),
        key="id",
        embedding_types=absent.embedding_types,
        records=True,
        framed_item=_sagemaker_item,
    )
    return RecordsRequest(tuple(records), layout, RECORDS_OFFER)


def _sagemaker_item(row: Row) -> dict[str, object]:
    item_id = generate_id() if row.id is None else row.id
    item = {name: value for name, value in row.metadata.items() if name != _USAGE} | {"id": item_id}
    if row.error is not None:
        return {**item, "error": row.error}
    return {**item, **row.fields, _USAGE: {"id": item_id, "total_tokens": row.tokens}, **extras(row)}


class _Rows:
    """Iterates over rows that are not blank, each with the number of its first line; a row can be an error."""

    def __init__(self, text: str, first_line: int) -> None:
        self._lines = io.StringIO(text, newline="")
        self._reader = csv.reader(self._next_line(), strict=True)
        self._line = first_line - 1
        self._begins: int | None = None

    def __iter__(self) -> Iterator[tuple[int, list[str] | RequestError]]:
        while True:
            self._begins = None
            try:
                cells: list[str] | RequestError = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                cells = _not_csv(str(error))
            yield self._begins or self._line, cells

    def _next_line(self) -> Iterator[str]:
        for whole in self._lines:
            line = whole
            self._line += 1
            if self._begins is None:
                line = whole.removeprefix(_BOM)
                if not line.strip():
                    continue
                self._begins = self._line
            yield line


def _read_names(rows: _Rows, names: RecordFields) -> tuple[str, ...] | None:
    """Read the first row as the names of the columns; None where there is no row at all."""
    _, cells = next(iter(rows), (0, None))
    if cells is None:
        return None
    if isinstance(cells, RequestError):
        raise cells.at("body")
    for cell in cells:
        _check_unicode(cell, "body")
    wanted = [name for name in (names.text_name, names.id) if name is not None]
    missing = next((name for name in wanted if name not in cells), None)
    if missing is not None or len(set(cells)) < len(cells):
        name = shorten(missing or names.text_name)
        raise RequestError(
            ErrorCode.MISSING_FIELD if missing is not None else ErrorCode.INVALID_VALUE,
            f"the first row must name the columns, one of them {name!r} and none twice",
            field=str(name),
            value=f"a row of {len(cells)}",
            allowed=f"column names of which one is {name!r}",
        )
    return tuple(cells)


def _read(
    line: int,
    cells: list[str] | RequestError,
    columns: tuple[str, ...] | None,
    absent: Parameters,
    names: RecordFields,
) -> Record:
    if isinstance(cells, RequestError):
        return Record(line, error=cells)
    if columns is None or len(cells) != len(columns):
        return Record(line, error=_wrong_width(len(cells), len(columns) if columns else None))
    fields = dict(zip(columns, cells, strict=True))
    row_id = fields.get(names.id_name) or None
    try:
        for cell in cells:
            _check_unicode(cell, "row")
    except RequestError as error:
        return Record(line, row_id if row_id is None or is_unicode(row_id) else None, error=error)
    metadata = {name: cell for name, cell in fields.items() if name not in names.left_out}
    place = str(shorten(names.text_name))
    return Record(line, row_id, metadata, (fields[names.text_name],), (place,), absent)


def _check_unicode(cell: str, field: str) -> None:
    try:
        cell.encode()
    except UnicodeEncodeError as error:
        code = ord(cell[error.start])
        shown = f"0x{code - 0xDC00:02X}" if 0xDC80 <= code <= 0xDCFF else f"U+{code:04X}"
        raise RequestError(
            ErrorCode.NOT_UTF8,
            f"the {field} is not UTF-8: {shown} at character {error.start} of a cell",
            field=field,
            value=f"{shown} at character {error.start}",
            allowed="UTF-8",
        ) from None


def _wrong_width(width: int, expected: int | None) -> RequestError:
    allowed = f"{_count(expected)}, as the first row has" if expected else "id,text or text"
    return RequestError(
        ErrorCode.NOT_CSV,
        f"the row has {_count(width)}; it must have {allowed}. Put a text that holds commas in quotation marks",
        field="row",
        value=width,
        allowed=allowed,
    )


def _count(columns: int) -> str:
    return "1 column" if columns == 1 else f"{columns} columns"


def _not_csv(words: str) -> RequestError:
    end = "unexpected end" in words
    problem = "its quotation is not closed" if end else "a quotation mark stands where none may"
    return RequestError(
        ErrorCode.NOT_CSV,
        f"the row is not CSV: {problem}",
        field="row",
        value="an open quotation" if end else "a quotation mark",
        allowed='RFC 4180: a cell with commas, line ends or " is put in "…", and " within it doubled',
    )
