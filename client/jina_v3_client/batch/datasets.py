"""What data is, and bringing it into S3: once, under a name that follows from its content."""

from __future__ import annotations

import csv
import gzip
import hashlib
import tempfile
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Final

from jina_v3.record_fields import RecordFields
from jina_v3_client.batch.places import DATASETS, Place
from jina_v3_client.batch.progress import uploading
from jina_v3_client.batch.sharding import LineShards, LocalFile, hash_file
from jina_v3_client.batch.sizes import VectorSize
from jina_v3_client.batch.store import Store
from jina_v3_client.batch.table_sharding import is_table, write_tables
from jina_v3_client.errors import ConfigurationError, InvalidInputError
from jina_v3_client.protocols import Progress

SUFFIXES: Final = {
    ".jsonl": "jsonl",
    ".jsonlines": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}
"""Formats by the names of files, of which any but Parquet may have ``.gz`` behind it."""
_DIGITS: Final = 12
_UPLOADS: Final = 4
_SHOWN: Final = 5
_LONGEST_HEAD: Final = 65_536
_SEPARATORS: Final = (";", "\t", "|")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalData:
    """Files of this machine by their names in the dataset. ``is_sharded``: they were made by this client."""

    name: str
    files: Mapping[str, LocalFile]
    is_sharded: bool = False

    @property
    def digest(self) -> str:
        """Follows from the names and the content of all files."""
        whole = hashlib.sha256()
        for name, file in sorted(self.files.items()):
            whole.update(f"{name}\0{file.sha256}\n".encode())
        return whole.hexdigest()[:_DIGITS]


def format_of(name: str) -> str | None:
    """Return the format that a file's name tells, ``None`` where it tells none."""
    plain = name.removesuffix(".gz").lower()
    return next((form for suffix, form in SUFFIXES.items() if plain.endswith(suffix)), None)


def is_hidden(name: str) -> bool:
    """Say whether a file is passed over: its name, or that of a folder it is in, begins with ``_`` or ``.``."""
    return any(part.startswith(("_", ".")) for part in name.split("/"))


@contextmanager
def prepared(
    data: object,
    size: VectorSize,
    fields: Mapping[str, Any],
    names: RecordFields,
    *,
    any_name: bool,
    most_bytes: int | None,
    heads: bool,
) -> Iterator[LocalData]:
    """Give data as files of this machine; those that are made for it go away afterwards.

    ``fields`` stand in every record, whose texts and ids are where ``names`` says; ``most_bytes`` is what one may have;
    ``any_name``: all files are data; ``heads``: CSV may begin with the names of its columns.

    **Raises**: ``InvalidInputError``, ``ConfigurationError``.
    """
    if isinstance(data, str | PathLike):
        _refuse_fields(fields, "a file")
        path = Path(data).expanduser()
        yield LocalData(name=_name(path), files=list_files(path, any_name=any_name, heads=heads))
        return
    with tempfile.TemporaryDirectory(prefix="jina-v3-batch-") as folder:
        if is_table(data):
            _refuse_fields(fields, "a table")
            yield LocalData(name="table", files=write_tables(data, Path(folder), size, names), is_sharded=True)
        elif isinstance(data, Iterable) and not isinstance(data, bytes | Mapping):
            shards = LineShards(Path(folder), size, fields, most_bytes, names)
            yield LocalData(name="records", files=shards.write(data), is_sharded=True)
        else:
            raise InvalidInputError(
                f"data is a {type(data).__name__}; it must be an s3:// place, a file or folder, texts, records, or a "
                "data frame",
                code="wrong_type",
                field="data",
            )


def _refuse_fields(fields: Mapping[str, Any], what: str) -> None:
    if fields:
        raise ConfigurationError(
            f"{', '.join(fields)} cannot be set for {what}", advice="let its records say so, in a field of that name"
        )


def list_files(path: Path, *, any_name: bool, heads: bool) -> dict[str, LocalFile]:
    """Return the data files under a path by their names from it; warn of those that are no data by their names.

    **Raises**: ``InvalidInputError`` where there are none.
    """
    if not path.exists():
        raise InvalidInputError(
            f"there is no {path} here",
            advice="data is an s3:// place, a file or folder, or texts: one text is a list of one",
            code="invalid_value",
            field="data",
        )
    found = {path.name: path}
    if path.is_dir():
        found = {one.relative_to(path).as_posix(): one for one in sorted(path.rglob("*")) if one.is_file()}
        found = {name: one for name, one in found.items() if not is_hidden(name)}
    data = {name: one for name, one in found.items() if any_name or format_of(name)}
    if not data:
        raise InvalidInputError(
            f"{path} has no data: files are {', '.join(SUFFIXES)}, any but Parquet with .gz behind it too",
            code="invalid_value",
            field="data",
            allowed=list(SUFFIXES),
        )
    if left_out := [name for name in found if name not in data]:
        more = ", …" if len(left_out) > _SHOWN else ""
        warnings.warn(
            f"left out, as no data by its name: {', '.join(left_out[:_SHOWN])}{more} ({len(left_out)} in all)",
            stacklevel=2,
        )
    for name, one in data.items():
        if format_of(name) == "csv" and not heads:
            _refuse_head(name, one)
    return {name: LocalFile(one, hash_file(one)) for name, one in data.items()}


def _refuse_head(name: str, path: Path) -> None:
    """Refuse CSV whose first row names its columns, where nothing looks at it before the names become a text."""
    try:
        with gzip.open(path) if name.endswith(".gz") else path.open("rb") as file:
            row = file.readline(_LONGEST_HEAD).decode("utf-8-sig", errors="replace").strip()
    except (OSError, EOFError, zlib.error):  # what is wrong with it the run itself tells
        return
    cells = next(csv.reader([row]), [])
    if cells in (["text"], ["id", "text"]) or (len(cells) > 2 and "text" in cells):  # a row is id,text
        raise InvalidInputError(
            f"{name} begins with the names of its columns ({', '.join(cells[:_SHOWN])}), which a transform "
            "job alone would take for a text",
            advice="submit csv.DictReader(file) instead, take them out, or give the client a state machine",
            code="not_csv",
            field="data",
        )
    for sign in _SEPARATORS:
        if "," not in row and sign in row and "text" in [one.strip('" ') for one in row.split(sign)]:
            raise InvalidInputError(
                f"{name} seems to have {sign!r} between its columns, and CSV has commas: each row would be one text",
                advice=f"submit csv.DictReader(file, delimiter={sign!r}) instead, or write the file with commas",
                code="not_csv",
                field="data",
            )


def _name(path: Path) -> str:
    name = path.resolve().name
    plain = name.partition(".")[0] if path.is_file() else name
    return "".join(one if one.isascii() and (one.isalnum() or one in "._-") else "-" for one in plain) or "data"


def upload(store: Store, bucket: str, data: LocalData, progress: Progress | None) -> Place:
    """Bring files to their place, which has a digest of them in its name; what is there already is not sent again."""
    place = Place(bucket, f"{DATASETS}{data.name}-{data.digest}/")
    there = {one.key.removeprefix(place.prefix): one.bytes for one in store.list(place)}
    missing = {name: file for name, file in data.files.items() if there.get(name) != file.bytes}
    with uploading(progress, sum(file.bytes for file in missing.values()), data.name) as advance:
        threads = ThreadPoolExecutor(_UPLOADS, "batch-upload")
        try:
            sent = [
                threads.submit(store.upload, file.path, bucket, place.prefix + name, advance)
                for name, file in missing.items()
            ]
            for one in sent:
                one.result()
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
    return place
