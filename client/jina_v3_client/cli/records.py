"""Where texts come from: words of the command line, lines, JSON lines, CSV and Parquet, with ids and metadata.

A record that cannot be read has an error in the place of its text, and the others are read on.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from jina_v3.record_fields import RecordFields
from jina_v3_client.batch import datasets
from jina_v3_client.batch.tables import import_pyarrow
from jina_v3_client.cli.failures import CommandError
from jina_v3_client.results import TextError

SUFFIXES: Final = {".txt": "txt", **datasets.SUFFIXES}
FORMATS: Final = ("txt", "jsonl", "csv", "parquet")
STDIN: Final = "-"

_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_ROWS: Final = 256
_LONGEST_CELL: Final = 10**9  # characters; csv's own limit is 131,072, which a long document exceeds
_SHOWN: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One text, where it is from (``documents.jsonl:3``), and what goes with it to the output."""

    text: str
    place: str
    id: str | int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    error: TextError | None = None

    def __repr__(self) -> str:
        """No text."""
        return f"<Record {self.place}>"


Reader = Callable[[BinaryIO, str, RecordFields], Iterator[Record]]
"""Takes a file, what it is called, and where its texts and ids are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Something that has records: a file, standard input (``-``), or words of the command line."""

    name: str
    read: Callable[[], Iterator[Record]]


def from_words(texts: Sequence[str]) -> Source:
    """Return the texts that stand in the command line."""

    def read() -> Iterator[Record]:
        return (Record(text=text, place=f"text {number}") for number, text in enumerate(texts, 1))

    return Source(name="the command line", read=read)


def from_files(names: Sequence[str], text_format: str | None, fields: RecordFields) -> list[Source]:
    """Return the files, ``-`` for standard input, after a look at whether they can be read.

    **Raises**: ``CommandError``.
    """
    return [_from_file(name, _choose_format(name, text_format), fields) for name in names]


def _choose_format(name: str, text_format: str | None) -> str:
    if text_format is not None:
        return text_format
    if name == STDIN:
        return "txt"
    found = format_of(name)
    if found is None:
        told = f"its name does not say what it is; give --input-format {'|'.join(FORMATS)}"
        raise CommandError(f"{name}: {'it is a folder; name its files' if Path(name).is_dir() else told}", usage=True)
    return found


def format_of(name: str) -> str | None:
    """Return the form that a file's name says, of a gzip'd one that before ``.gz``.

    >>> format_of("documents.jsonl.gz")
    'jsonl'
    """
    return SUFFIXES.get(Path(name.lower().removesuffix(".gz")).suffix)


def has_head(name: str, fields: RecordFields) -> bool:
    """Say whether a file is CSV whose first row names the column of texts. **Raises**: ``OSError``."""
    if format_of(name) != "csv":
        return False
    with gzip.open(name) if name.lower().endswith(".gz") else Path(name).open("rb") as file:
        first = io.TextIOWrapper(cast(BinaryIO, file), encoding="utf-8-sig", errors="replace", newline="")
        try:
            return fields.text_name in next(csv.reader(first), [])
        except csv.Error:
            return False


def _from_file(name: str, text_format: str, fields: RecordFields) -> Source:
    shown = "stdin" if name == STDIN else name
    if name != STDIN:
        Path(name).open("rb").close()  # before anything is asked of anybody

    def read() -> Iterator[Record]:
        stdin = nullcontext(cast(io.BufferedReader, sys.stdin.buffer))
        with stdin if name == STDIN else Path(name).open("rb") as file:
            yield from _unpacked(file, shown, _READERS[text_format], fields)

    return Source(name=shown, read=read)


def _unpacked(file: io.BufferedReader, name: str, reader: Reader, fields: RecordFields) -> Iterator[Record]:
    """Read what may be gzip'd, of which its first bytes tell whatever its name is."""
    if not file.peek(2).startswith(_GZIP):
        yield from reader(file, name, fields)
        return
    try:
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield from reader(cast(BinaryIO, unpacked), name, fields)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CommandError(f"{name}: gzip that cannot be read to its end: {error}") from None


def _lines(file: BinaryIO, name: str) -> Iterator[tuple[str, str]]:
    """Yield each line that is not blank, and its place."""
    for number, raw in enumerate(file, 1):
        line = raw.removeprefix(_BOM) if number == 1 else raw
        place = f"{name}:{number}"
        try:
            text = line.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            what = f"the line is not UTF-8 (byte {error.start + 1} is 0x{line[error.start]:02x})"
            raise CommandError(f"{place}: {what}; {_advise_encoding(line)}") from None
        if text and not text.isspace():
            yield place, text


def _read_txt(file: BinaryIO, name: str, fields: RecordFields) -> Iterator[Record]:
    for number, (place, text) in enumerate(_lines(file, name)):
        if number == 0 and _is_object(text):
            warnings.warn(
                f"{place}: the line is embedded as it is, and looks like JSON; --input-format jsonl embeds its "
                f"{fields.text_name!r}",
                stacklevel=2,
            )
        yield Record(text=text, place=place)


def _is_object(line: str) -> bool:
    try:
        return line.startswith("{") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _read_jsonl(file: BinaryIO, name: str, fields: RecordFields) -> Iterator[Record]:
    for place, line in _lines(file, name):
        try:
            value = json.loads(line, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            yield _bad(place, "invalid_json", f"the line is no JSON: {error}")
            continue
        if not isinstance(value, dict):
            more = " (of a list, jq -c '.[]' makes lines)" if isinstance(value, list) else ""
            told = f"the line is {_shorten(value)}; it must be an object with {fields.text_name!r}{more}"
            yield _bad(place, "wrong_type", told)
            continue
        yield _record(place, value, fields)


def _record(place: str, members: dict[str, Any], fields: RecordFields) -> Record:
    is_there = fields.text_name in members
    text, given_id = members.pop(fields.text_name, None), members.get(fields.id_name)
    has_id = isinstance(given_id, str | int) and not isinstance(given_id, bool)
    if has_id:
        del members[fields.id_name]
    known: dict[str, Any] = {"place": place, "id": given_id if has_id else None, "metadata": members}
    if isinstance(text, str):
        return Record(text=text, **known)
    there = ", ".join(map(repr, members)) or "nothing"
    message = (
        f"{fields.text_name!r} is {_shorten(text)}; it must be a string"
        if is_there
        else f"there is no {fields.text_name!r}; the record has {there}; --text-field names the text's field"
    )
    code = "wrong_type" if is_there else "missing_field"
    return Record(text="", error=TextError(code=code, message=message), **known)


def _read_csv(file: BinaryIO, name: str, fields: RecordFields) -> Iterator[Record]:
    csv.field_size_limit(_LONGEST_CELL)
    text_file = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        rows = csv.reader((line.removeprefix("\ufeff") for line in text_file), strict=True)
        columns = next(rows, None)
        if columns is None:
            return
        if fields.text_name not in columns:
            raise CommandError(_no_column(name, fields, columns))
        if len(set(columns)) < len(columns):
            raise CommandError(f"{name}: two columns have the same name: {', '.join(map(repr, columns))}")
        first = rows.line_num + 1
        for row in rows:
            place, first = f"{name}:{first}", rows.line_num + 1  # where the row begins
            if row == columns:  # of files that were put together
                continue
            if len(row) == len(columns):
                yield _record(place, dict(zip(columns, row, strict=True)), fields)
            elif row:
                message = f"the row has {len(row)} cells; the head has {len(columns)} columns"
                yield _bad(place, "invalid_csv", message)
    except UnicodeDecodeError:
        raise CommandError(f"{name}: the file is not UTF-8; convert it, as by: iconv -f latin1 -t utf-8") from None
    except csv.Error as error:
        raise CommandError(f"{name}: the file is no CSV after line {rows.line_num}: {error}") from None
    finally:
        text_file.detach()  # the file is its opener's to close


def _read_parquet(file: BinaryIO, name: str, fields: RecordFields) -> Iterator[Record]:
    pa = import_pyarrow("reading Parquet")
    try:
        seekable = file if file.seekable() else io.BytesIO(file.read())
        with pa.parquet.ParquetFile(seekable) as table:
            columns = table.schema_arrow.names
            if fields.text_name not in columns:
                raise CommandError(_no_column(name, fields, columns))
            first = 1
            for batch in table.iter_batches(batch_size=_ROWS):
                for number, row in enumerate(batch.to_pylist(), first):
                    yield _record(f"{name}:{number}", row, fields)
                first += batch.num_rows
    except pa.ArrowException as error:
        raise CommandError(f"{name}: no Parquet that can be read: {error}") from None


def _no_column(name: str, fields: RecordFields, columns: Sequence[str]) -> str:
    there = ", ".join(map(repr, columns))
    return f"{name}: no column is named {fields.text_name!r}; there are {there}; --text-field names the text's column"


_READERS: Final[dict[str, Reader]] = {
    "txt": _read_txt,
    "jsonl": _read_jsonl,
    "csv": _read_csv,
    "parquet": _read_parquet,
}


def read_all(sources: Iterable[Source]) -> Iterator[Record]:
    """Yield the records of all sources, one source after the other."""
    for source in sources:
        yield from source.read()


def _bad(place: str, code: str, message: str) -> Record:
    return Record(text="", place=place, error=TextError(code=code, message=message))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _advise_encoding(line: bytes) -> str:
    if line.startswith(_UTF_16):
        return "convert the file: iconv -f utf-16 -t utf-8"
    return "is it a file of text? convert it, as by: iconv -f latin1 -t utf-8"


def _shorten(value: object) -> str:
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
