"""The first rows of CSV files, where they name the columns: every file's, since each row is read by them.

The service cuts a file at line ends, and only the first piece would have the names. So they are read here once and go
to the container as a setting; a file that begins with others would have its rows read wrongly, without any error.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from jina_v3_batch.dataset import DataFile
from jina_v3_batch.errors import PreflightError
from jina_v3_batch.fields import USUAL, RecordFields, can_be_told, read_row, write_row
from jina_v3_batch.places import Place
from jina_v3_batch.proposals import likely_id, likely_text, say, show
from jina_v3_batch.samples import Head, choose, read_head
from jina_v3_batch.store import Store
from jina_v3_batch.wording import count

_THREADS: Final = 32
_SHOWN: Final = 5
_LONGEST_SHOWN: Final = 40
_WORDS: Final = 4
_SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_ENOUGH_ROWS: Final = 10
_LONGEST: Final = 10_240
"""What a variable of a container's environment may have. **Source**: CreateTransformJob."""


def find_columns(store: Store, place: Place, files: Sequence[DataFile], fields: RecordFields) -> RecordFields:
    """Return the fields with the columns that the files' first rows name; without, where rows are ``id,text``.

    Files have names of columns where a field's name is asked for, or where the first row has one ``text``.

    **Raises**: ``PreflightError``.
    """
    if fields == USUAL:
        first_rows = _first_rows(store, place, choose(files), fields)
        if not any("text" in row for _, row in first_rows):
            return fields
    rows = _first_rows(store, place, files, fields)
    if not rows:
        return fields
    first, names = next((one for one in rows if fields.text_name in one[1]), rows[0])
    named = RecordFields(fields.text_name, fields.id, fields.columns or tuple(names))
    _check(first, named)
    columns = named.columns or ()
    others = [f"{key} {_differs(row, columns)}" for key, row in rows if tuple(row) != columns]
    if others:
        more = f"; and {count(len(others) - _SHOWN, 'file')} more" if len(others) > _SHOWN else ""
        raise PreflightError(
            f"the columns are {show(columns)}, and all files of a dataset must begin with these names: "
            f"{'; '.join(others[:_SHOWN])}{more}. Embed what differs as a dataset of its own"
        )
    return named


def note_names(store: Store, place: Place, files: Sequence[DataFile]) -> list[str]:
    """Return a note where the first row of rows of ``id,text`` looks as if it named columns.

    **Raises**: ``PreflightError`` where it seems to name them the other way round, and each id would be the text.
    """
    for key, row in _first_rows(store, place, files, USUAL):
        if len(row) == 2 and (name := likely_text(row[:1])) is not None and likely_id(row[1:]) is not None:
            raise PreflightError(
                f"{key} begins with {show(row)}, and rows without names are id,text: {say('text_field', name)}"
            )
        if len(row) in (1, 2) and (name := likely_text(row[-1:])) is not None:
            return [
                f"{key} begins with {show(row)}, which is embedded as a record; if these are the names of its "
                f"columns, {say('text_field', name)}"
            ]
    return []


def _first_rows(
    store: Store, place: Place, files: Sequence[DataFile], fields: RecordFields
) -> list[tuple[str, list[str]]]:
    """Return the first row of each file that has one, after the file's name.

    The beginnings are not kept for the samples, which read them again: of long lines in gzip they are tens of MB each.
    """

    def read(file: DataFile) -> tuple[str, list[str] | None]:
        return file.key, _first_row(file.key, read_head(store, place, file), fields)

    with ThreadPoolExecutor(_THREADS) as threads:
        return [(key, row) for key, row in threads.map(read, files) if row is not None]


def _first_row(key: str, head: Head, fields: RecordFields) -> list[str] | None:
    if head.problem:
        raise PreflightError(head.problem)
    lines = head.lines
    if not lines:
        return None
    row = read_row(lines[0])
    if fields.text_name not in row and (separator := _other_separator(lines, fields)) is not None:
        raise PreflightError(
            f"the rows of {key} seem to have {separator} between their columns, and CSV has commas: each row would be "
            f"one text as a whole; write the file with commas, or as JSON lines or Parquet"
        )
    return row


def _other_separator(lines: Sequence[bytes], fields: RecordFields) -> str | None:
    """Return the sign that separates columns, by its name, where it is no comma.

    Each row has it as often as the first, or oftener where the first looks like names.
    """
    first = lines[0].decode(errors="replace")
    for sign, name in _SEPARATORS.items():
        names = [one.strip().strip('"') for one in first.split(sign)]
        if len(names) == 1 or "," in first:
            continue
        counts = {line.count(sign.encode()) for line in lines}
        named = fields.text_name in names or likely_text(names) is not None
        if (named and min(counts) == len(names) - 1) or (len(counts) == 1 and len(lines) >= _ENOUGH_ROWS):
            return name
    return None


def _differs(row: list[str], columns: tuple[str, ...]) -> str:
    """Say how a first row differs; one that may be a record is not shown."""
    if sorted(row) == sorted(columns):
        return "has them in another order"
    missing = [name for name in columns if name not in row]
    return f"begins with a row of {count(row, 'column')}{f' without {show(missing)}' if missing else ''}"


def _shown(columns: tuple[str, ...]) -> str:
    """Write what should be names; what is too long for one may be a text, and no message shows those."""
    return show(name if len(name) <= _LONGEST_SHOWN and name.count(" ") < _WORDS else "…" for name in columns)


def _check(key: str, fields: RecordFields) -> None:
    columns = fields.columns or ()
    if not columns:
        raise PreflightError(
            f"the first row of {key} is no row of CSV on a line of its own, and it must name the columns; a name with "
            f'a line end has no place in batch, and one with " stands in quotation marks'
        )
    for field, name, likely in (("text_field", fields.text_name, likely_text), ("id_field", fields.id, likely_id)):
        if name is None or name in columns:
            continue
        near = likely(columns)
        hint = f": {say(field, near)}" if near else f'; say one of them as "{field}"'
        raise PreflightError(f"{field} is {name!r}, and the first row of {key} names {_shown(columns)}{hint}")
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise PreflightError(f"the first row of {key} names two columns {twice!r}; give each a name of its own")
    if not all(map(can_be_told, columns)) or len(write_row(columns)) > _LONGEST:
        raise PreflightError(
            f"the first row of {key} names columns that the container cannot be told: names are UTF-8 without control "
            f"characters, and of up to {_LONGEST:,} characters together; write JSON lines or Parquet instead"
        )
