"""Samples of text files: what the first records of some files say about all of them."""

from __future__ import annotations

import codecs
import csv
import json
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from jina_v3_batch.dataset import DataFile
from jina_v3_batch.places import Place
from jina_v3_batch.store import Store

FILES: Final = 50
HEAD_BYTES: Final = 64 * 1024
_MORE_BYTES: Final = 4 * 2**20
_THREADS: Final = 16


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a sample. ``text_bytes`` is None where it has no text, and then ``found`` says what it is instead."""

    bytes: int
    text_bytes: int | None
    found: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """The whole records at a file's beginning. ``expansion`` is what a stored byte unpacks to."""

    key: str
    records: tuple[Record, ...]
    expansion: float = 1.0
    problem: str | None = None
    notes: tuple[str, ...] = ()


def choose(files: Sequence[DataFile], most: int = FILES) -> list[DataFile]:
    """Return files spread evenly over the listing, the first, the last and the largest among them."""
    if len(files) <= most:
        return list(files)
    step = (len(files) - 1) / (most - 2)
    chosen = {round(index * step) for index in range(most - 1)}
    chosen.add(max(range(len(files)), key=lambda index: files[index].bytes))
    return [files[index] for index in sorted(chosen)]


def take_samples(store: Store, place: Place, files: Sequence[DataFile], form: str) -> list[Sample]:
    """Read the beginnings of files, several at a time."""
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(lambda file: _take(store, place, file, form), files))


def _take(store: Store, place: Place, file: DataFile, form: str) -> Sample:
    for size in (HEAD_BYTES, _MORE_BYTES):
        stored = store.head(place.bucket, place.prefix + file.key, size)
        whole = len(stored) >= file.bytes
        try:
            text = zlib.decompressobj(wbits=31).decompress(stored) if file.gzip else stored
        except zlib.error as error:
            return Sample(file.key, (), problem=f"{file.key} is named .gz and is not gzip ({error})")
        if whole or b"\n" in text:
            break
    return read_sample(file.key, text, form, whole=whole, expansion=len(text) / len(stored))


def read_sample(key: str, text: bytes, form: str, *, whole: bool, expansion: float = 1.0) -> Sample:
    """Read the records of a file's beginning; the last one is left out where it may be cut."""
    if text[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or text[:400].count(0) > len(text[:400]) // 4:
        return Sample(key, (), expansion, f"{key} is UTF-16 or binary; write it as UTF-8 ({_ICONV})")
    lines = text.removeprefix(codecs.BOM_UTF8).split(b"\n")
    if not whole and len(lines) > 1:
        lines.pop()
    lines = [line for line in lines if line.strip()]
    if form == "jsonl" and lines and lines[0].lstrip()[:1] == b"[":
        return Sample(
            key, (), expansion, f"{key} is one JSON list; write each record on a line of its own (jq -c '.[]')"
        )
    if form == "csv":
        return _read_csv(key, lines, expansion)
    return Sample(key, tuple(_json_record(line) for line in lines), expansion)


_ICONV: Final = "iconv -f UTF-16 -t UTF-8"
_NAMES: Final = 5  # of a record's fields, where they are told,
_NAME: Final = 40  # and of each name its first characters


def _json_record(line: bytes) -> Record:
    size = len(line) + 1
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError):
        return Record(size, None, "a line that is not JSON")
    if not isinstance(value, dict):
        return Record(size, None, "JSON, and no object")
    text = value.get("text", value.get("input"))
    if isinstance(text, list):
        text = "".join(chunk for chunk in text if isinstance(chunk, str))
    if isinstance(text, str):
        return Record(size, len(text.encode(errors="replace")))
    if text is not None:
        return Record(size, None, "an object whose text is no string")
    names = ", ".join(json.dumps(name[:_NAME]) for name in list(value)[:_NAMES])
    return Record(size, None, f"an object with {names}{', …' if len(value) > _NAMES else ''}" if value else "empty")


def _read_csv(key: str, lines: Sequence[bytes], expansion: float) -> Sample:
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
        cells = next(csv.reader([line.decode(errors="replace").strip("\r\n")]), [])
        if len(cells) in (1, 2):
            records.append(Record(len(line) + 1, len(cells[-1].encode())))
        else:
            records.append(Record(len(line) + 1, None, f"a row of {len(cells)} columns"))
    notes: tuple[str, ...] = ()
    if lines and lines[0].strip().strip(b'"').lower() in (b"id,text", b'id","text', b"text"):
        notes = (f"{key} begins with the names of its columns; batch CSV has none, so that row is embedded as a text",)
    return Sample(key, tuple(records), expansion, notes=notes)
