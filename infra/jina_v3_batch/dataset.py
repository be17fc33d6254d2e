"""Files of a dataset: what they are, how one is described in a run's working files, and how a folder is listed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jina_v3_batch.errors import PreflightError
from jina_v3_batch.places import Place
from jina_v3_batch.store import Listed, Store

_SUFFIXES: Final = {
    ".jsonl": "jsonl",
    ".jsonlines": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}
MAX_FILES: Final = 500_000
"""Of a dataset: the listing of so many takes about two minutes and 200 MB; more are to be put into larger files."""
_COUNTS: Final = ("bytes", "rows")
"""Where none is not the same as nothing known: a Parquet file may have no rows."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One input of transform jobs.

    ``key`` is relative to its job's prefix. A shard has a ``source``, the key of the file it was cut from, which has
    ``lines_before`` lines before it. ``aside`` are records that were too large to be sent: line of the source, bytes.
    """

    key: str
    bytes: int
    etag: str = ""
    rows: int | None = None
    source: str | None = None
    lines_before: int = 0
    aside: tuple[tuple[int, int], ...] = field(default=())

    @property
    def original(self) -> str:
        """The key of the file that the caller knows, relative to the dataset."""
        return self.source or self.key

    @property
    def gzip(self) -> bool:
        """Say whether it is compressed as a whole."""
        return self.key.endswith(".gz")

    def unpacked(self, expansion: float) -> float:
        """Return how many bytes it has unpacked, where a byte of gzip becomes so many."""
        return self.bytes * expansion if self.gzip else float(self.bytes)

    def describe(self) -> dict[str, Any]:
        """Return it as JSON, without what is as always."""
        whole = {
            "key": self.key,
            "bytes": self.bytes,
            "etag": self.etag,
            "rows": self.rows,
            "source": self.source,
            "lines_before": self.lines_before,
            "aside": [list(pair) for pair in self.aside],
        }
        usual = {
            name for name, value in whole.items() if value in (None, "", []) or (value == 0 and name not in _COUNTS)
        }
        return {name: value for name, value in whole.items() if name not in usual}


def read_file(value: dict[str, Any]) -> DataFile:
    """Read what ``describe`` wrote."""
    aside = tuple((line, size) for line, size in value.get("aside", ()))
    return DataFile(**{**value, "aside": aside})


def list_dataset(store: Store, place: Place) -> list[DataFile]:
    """List a dataset's files; empty ones and those whose names begin with ``_`` or ``.`` are passed over.

    **Raises**: ``PreflightError`` where there are none, or more than ``MAX_FILES``.
    """
    files: list[DataFile] = []
    for item in store.list(place):
        if item.bytes and not _is_hidden(item.key.removeprefix(place.prefix)):
            files.append(_data_file(item, place))
        if len(files) > MAX_FILES:
            raise PreflightError(
                f"{place.uri} holds more than {MAX_FILES:,} files; put the records into fewer, larger ones "
                f"(64 MB each serve best), or embed its folders one by one"
            )
    if not files:
        raise PreflightError(
            f"{place.uri} holds no file with anything in it; names that begin with _ or . do not count. "
            f"Look at the bucket and the prefix"
        )
    return files


def find_format(files: Sequence[DataFile], asked: str) -> str:
    """Return the one format that all files have, by their names or as asked for.

    **Raises**: ``PreflightError`` for names that say nothing or differ, and for compressed Parquet.
    """
    formats: dict[str, str] = {}
    for file in files:
        formats.setdefault(_format_of(file.key, asked), file.key)
    if asked == "auto" and "" in formats:
        raise PreflightError(
            f"the name of {formats['']} says nothing of its format; name files .jsonl, .csv or .parquet (.gz after "
            f'it if compressed), or say "format". What is no data does not count where its name begins with _ or .'
        )
    if asked == "auto" and len(formats) > 1:
        found = ", ".join(f"{name} ({key})" for name, key in sorted(formats.items()))
        raise PreflightError(
            f"the dataset mixes formats: {found}; keep each format in a folder of its own, or say which one all are "
            f'by "format"'
        )
    (name,) = formats if asked == "auto" else (asked,)
    compressed = next((file.key for file in files if file.gzip), None)
    if name == "parquet" and compressed:
        raise PreflightError(f"{compressed} is gzip'd Parquet; Parquet compresses its columns itself, so unpack it")
    return name


def _is_hidden(relative: str) -> bool:
    return any(part[:1] in ("_", ".") for part in relative.split("/")) or relative.endswith("/")


def _data_file(item: Listed, place: Place) -> DataFile:
    return DataFile(item.key.removeprefix(place.prefix), item.bytes, item.etag)


def _format_of(key: str, asked: str) -> str:
    if asked != "auto":
        return asked
    name = key.removesuffix(".gz").lower()
    return next((form for suffix, form in _SUFFIXES.items() if name.endswith(suffix)), "")


def total_bytes(files: Iterable[DataFile]) -> int:
    """Return the bytes of files."""
    return sum(file.bytes for file in files)
