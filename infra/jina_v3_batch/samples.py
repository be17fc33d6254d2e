"""Samples of text files: what the first records of some files say about all of them."""

from __future__ import annotations

import codecs
import json
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from jina_v3_batch.dataset import DataFile
from jina_v3_batch.fields import RecordFields, read_row
from jina_v3_batch.places import Place
from jina_v3_batch.proposals import likely_text, show
from jina_v3_batch.records_in import read_id
from jina_v3_batch.store import Store
from jina_v3_batch.wording import count

FILES: Final = 50
HEAD_BYTES: Final = 64 * 1024
_MORE_BYTES: Final = 4 * 2**20
_THREADS: Final = 16


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a sample. ``text_bytes`` is None where it has no text, and then ``found`` says what it is instead.

    ``strings`` are the lengths of what else could be its text, by their fields' names. ``header`` is a cell that looks
    like a column's name; other cells of rows without names may be texts, which no message shows.
    """

    bytes: int
    text_bytes: int | None
    found: str = ""
    strings: Mapping[str, int] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    has_id: bool = True
    header: str | None = None
    has_wrong_id: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """The whole records at a file's beginning. ``expansion`` is what a stored byte unpacks to."""

    key: str
    records: tuple[Record, ...]
    expansion: float = 1.0
    problem: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Head:
    """A file's beginning, unpacked, up to a line end at least if it has one; ``whole`` where it is all of the file."""

    data: bytes
    whole: bool = True
    expansion: float = 1.0
    problem: str | None = None

    @property
    def lines(self) -> list[bytes]:
        """The lines that are not blank; the last one is left out where it may be cut."""
        lines = self.data.removeprefix(codecs.BOM_UTF8).split(b"\n")
        if not self.whole and len(lines) > 1:
            lines.pop()
        return [line for line in lines if line.strip()]


def choose(files: Sequence[DataFile], most: int = FILES) -> list[DataFile]:
    """Return files spread evenly over the listing, the first, the last and the largest among them."""
    if len(files) <= most:
        return list(files)
    step = (len(files) - 1) / (most - 2)
    chosen = {round(index * step) for index in range(most - 1)}
    chosen.add(max(range(len(files)), key=lambda index: files[index].bytes))
    return [files[index] for index in sorted(chosen)]


def take_samples(
    store: Store, place: Place, files: Sequence[DataFile], form: str, fields: RecordFields
) -> list[Sample]:
    """Read the beginnings of files, several at a time."""
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(lambda file: read_sample(file.key, read_head(store, place, file), form, fields), files))


def read_head(store: Store, place: Place, file: DataFile) -> Head:
    """Read a file's beginning; what cannot be text is a ``problem``."""
    for size in (HEAD_BYTES, _MORE_BYTES):
        stored = store.head(place.bucket, place.prefix + file.key, size)
        whole = len(stored) >= file.bytes
        try:
            data = _unpack(stored) if file.gzip else stored
        except zlib.error as error:
            return Head(b"", problem=f"{file.key} is named .gz and is not gzip ({error})")
        if whole or b"\n" in data:
            break
    problem = None
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or data[:400].count(0) > len(data[:400]) // 4:
        problem = f"{file.key} is UTF-16 or binary; write it as UTF-8 ({_ICONV})"
    return Head(data, whole, len(data) / len(stored), problem)


def _unpack(stored: bytes) -> bytes:
    """Unpack what is there of gzip'd files that may have been put together. **Raises**: ``zlib.error``."""
    parts = []
    while stored.strip(b"\0"):  # padding may follow
        member = zlib.decompressobj(wbits=31)
        parts.append(member.decompress(stored))
        stored = member.unused_data
    return b"".join(parts)


def read_sample(key: str, head: Head, form: str, fields: RecordFields) -> Sample:
    """Read the records of a file's beginning."""
    if head.problem:
        return Sample(key, (), head.expansion, head.problem)
    lines = head.lines
    if form == "jsonl" and lines and lines[0].lstrip()[:1] == b"[":
        problem = f"{key} is one JSON list; write each record on a line of its own (jq -c '.[]')"
        return Sample(key, (), head.expansion, problem)
    if form == "csv":
        return _read_csv(key, lines, head.expansion, fields)
    return Sample(key, tuple(_json_record(line, fields) for line in lines), head.expansion)


_ICONV: Final = "iconv -f UTF-16 -t UTF-8"


def _json_record(line: bytes, fields: RecordFields) -> Record:
    size = len(line) + 1
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError):
        return Record(size, None, "a line that is not JSON")
    if not isinstance(value, dict):
        return Record(size, None, "JSON, and no object")
    text = fields.text_of(value)
    if isinstance(text, list):
        text = "".join(chunk for chunk in text if isinstance(chunk, str))
    strings = {name: len(one) for name, one in value.items() if isinstance(one, str) and one.strip()}
    record_id = value.get(fields.id_name)
    has_id = record_id is not None
    is_wrong = has_id and read_id(record_id) is None
    found = f"an object with {show(value)}" if value else "an empty object"
    if isinstance(text, str) and text.strip():
        text_bytes = len(text.encode(errors="replace"))
        return Record(size, text_bytes, "", strings, tuple(value), has_id, has_wrong_id=is_wrong)
    if text is not None:
        found = f"an object whose text is {'blank' if isinstance(text, str) else 'no string'}"
    return Record(size, None, found, strings, tuple(value), has_id, has_wrong_id=is_wrong)


def _read_csv(key: str, lines: Sequence[bytes], expansion: float, fields: RecordFields) -> Sample:
    records: list[Record] = []
    for number, line in enumerate(lines):
        if line.count(b'"') % 2:
            return Sample(
                key,
                (),
                expansion,
                f"{key} has a quotation that goes on over a line end (row {number + 1} or so), and the service cuts "
                f"requests at line ends; write JSON lines instead, or take the line ends out of the texts",
            )
        cells = read_row(line)
        if fields.columns is None or tuple(cells) != fields.columns:
            records.append(_csv_record(len(line) + 1, cells, fields))
    return Sample(key, tuple(records), expansion)


def _csv_record(size: int, cells: list[str], fields: RecordFields) -> Record:
    columns = fields.columns or (fields.id_name, fields.text_name)[-len(cells) :]
    if not cells or len(cells) != len(columns):
        return Record(size, None, f"a row of {count(cells, 'column')}", has_id=False, header=likely_text(cells))
    value = dict(zip(columns, cells, strict=True))
    text, has_id = value[fields.text_name], bool(value.get(fields.id_name))
    strings = {name: len(cell) for name, cell in value.items() if cell.strip()} if fields.columns else {}
    text_bytes = len(text.encode(errors="replace")) if text.strip() else None
    found = "a row whose text is blank" if text_bytes is None else ""
    return Record(size, text_bytes, found, strings, tuple(value), has_id)
