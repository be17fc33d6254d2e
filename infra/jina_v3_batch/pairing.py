"""Input and output side by side: each record that went in has exactly one output, in its place, with its id."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from jina_v3_batch.fields import USUAL, RecordFields, read_row
from jina_v3_batch.lines import Line, is_blank
from jina_v3_batch.records_in import Form, RecordIn, read_csv_record, read_json_record
from jina_v3_batch.records_out import RecordOut, read_output

_GENERATED: Final = re.compile(r"[0-9a-f]{32}")
"""The id of a record that brought none, or of which the container could not read one."""
_MESSAGE: Final = 500

Reader = Callable[[bytes, Form, RecordFields], RecordIn]
READERS: Final[dict[str, Reader]] = {"jsonl": read_json_record, "csv": read_csv_record}


class MismatchError(Exception):
    """An output does not belong to its input. ``permanent``: embedding the file again will not mend it."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


@dataclass(slots=True)
class Account:
    """What became of a file's records."""

    records: int = 0
    embedded: int = 0
    tokens: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    def describe(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "records": self.records,
            "embedded": self.embedded,
            "tokens": self.tokens,
            "errors": dict(self.errors),
        }


def pair(
    inputs: Iterable[Line],
    outputs: Iterable[Line],
    form: str,
    absent: Form,
    on_bad: Callable[[int, RecordOut], None],
    fields: RecordFields = USUAL,
) -> Account:
    """Compare a file's lines with its output's; ``on_bad`` gets each bad record with its line, counted from 1.

    **Raises**: ``MismatchError``.
    """

    def read(line: bytes) -> RecordIn:
        return READERS[form](line, absent, fields)

    if form != "csv":
        return _pair(_filled(inputs), _filled(outputs), read, on_bad)
    rows = _rows(inputs)
    quotations = _OpenQuotation(rows if fields.columns is None else _without_names(rows, fields.columns))
    try:
        return _pair(quotations, _filled(outputs), read, on_bad)
    except MismatchError as error:
        if not quotations.line:
            raise
        raise MismatchError(
            f"{error}; line {quotations.line} has a quotation that goes on over its end, which the service cuts: "
            f"write JSON lines, or take the line ends out of the texts",
            permanent=True,
        ) from None


def _pair(
    inputs: Iterable[tuple[int, bytes]],
    outputs: Iterator[tuple[int, bytes]],
    read: Callable[[bytes], RecordIn],
    on_bad: Callable[[int, RecordOut], None],
) -> Account:
    account = Account()
    for number, line in inputs:
        _, answer = next(outputs, (0, None))
        if answer is None:
            raise MismatchError(f"the output ends before the record of line {number}")
        asked = read(line)
        out = read_output(answer, asked)
        _check(number, asked, out)
        account.records += 1
        if out.error is None:
            account.embedded += 1
            account.tokens += out.tokens
        else:
            account.errors[str(out.error["code"])] += 1
            on_bad(number, out)
    if next(outputs, None) is not None:
        raise MismatchError(f"the output has more records than the {account.records} that went in")
    return account


class _OpenQuotation:
    """Passes lines on, and remembers the first whose quotation is not closed in it."""

    def __init__(self, lines: Iterable[tuple[int, bytes]]) -> None:
        self._lines = lines
        self.line = 0

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        for number, line in self._lines:
            if not self.line and line.count(b'"') % 2:
                self.line = number
            yield number, line


def _rows(lines: Iterable[Line]) -> Iterator[tuple[int, bytes]]:
    """Yield the rows of CSV, which a carriage return ends too, and which any script's spaces leave blank.

    A byte order mark goes away: each file of those that were put together may have brought its own.
    """
    for number, line in _filled(lines):
        rows: list[bytes] = []
        for part in line.split(b"\r"):
            if rows and rows[-1].count(b'"') % 2:
                rows[-1] += b"\r" + part
            else:
                rows.append(part)
        for row in (one.removeprefix(codecs.BOM_UTF8) for one in rows):
            if row.decode(errors="surrogateescape").strip():
                yield number, row


def _without_names(rows: Iterable[tuple[int, bytes]], columns: tuple[str, ...]) -> Iterator[tuple[int, bytes]]:
    """Leave out rows that are the names of the columns, which have no answer."""
    names, begin = list(columns), columns[0].partition('"')[0].encode()
    for number, row in rows:
        if not (row.removeprefix(b'"').startswith(begin) and read_row(row) == names):
            yield number, row


def _filled(lines: Iterable[Line]) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(lines, 1):
        data = line.data
        if number == 1 and data is not None:
            data = data.removeprefix(codecs.BOM_UTF8)
        if data is not None and not is_blank(data):
            yield number, data


def _check(number: int, asked: RecordIn, out: RecordOut) -> None:
    if out.fault:
        raise MismatchError(f"the output for line {number} cannot be right: {out.fault}")
    if asked.id is None or (asked.id == out.id and type(asked.id) is type(out.id)):
        return
    if out.error is not None and isinstance(out.id, str) and _GENERATED.fullmatch(out.id):
        return
    raise MismatchError(f"line {number} has the id {asked.id!r:.80}, and its output {out.id!r:.80}")


def bad_record(file: str, line: int, out: RecordOut) -> dict[str, Any]:
    """Return a bad record as the report and the ``bad/`` files have it."""
    error = out.error or {}
    return {
        "file": file,
        "line": line,
        "id": out.id,
        "code": error.get("code"),
        "message": str(error.get("message", ""))[:_MESSAGE],
    }
