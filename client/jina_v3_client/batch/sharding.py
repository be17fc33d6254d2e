"""Texts and records written into files on disk, each of a sensible size: memory is that of one record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from jina_v3.record_fields import USUAL, RecordFields
from jina_v3_client.batch.sizes import ANSWER_BYTES, FILE_BYTES, VectorSize
from jina_v3_client.errors import InvalidInputError, TooLargeError


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that is to be uploaded, and the SHA-256 of its content."""

    path: Path
    sha256: str

    @property
    def bytes(self) -> int:
        """How large it is."""
        return self.path.stat().st_size


@dataclass(slots=True)
class LineShards:
    """Writes records as JSON lines. ``most_bytes`` is what one record may have, ``None`` without a limit.

    ``fields`` stand in each record that has not its own; ``names`` says where texts and ids are.
    """

    folder: Path
    size: VectorSize
    fields: Mapping[str, Any] = field(default_factory=dict)
    most_bytes: int | None = None
    names: RecordFields = field(default_factory=RecordFields)
    files: dict[str, LocalFile] = field(default_factory=dict)
    _file: IO[bytes] | None = None
    _digest: Any = None
    _bytes: int = 0
    _answer_bytes: float = 0.0

    def write(self, records: Iterable[object]) -> dict[str, LocalFile]:
        """Write all records; return the files by name.

        **Raises**: ``InvalidInputError`` with the record's ``index``.
        """
        try:
            for index, record in enumerate(records):
                self._write(index, *encode_record(index, record, self.fields, self.names))
        finally:
            self._end()
        if not self.files:
            raise InvalidInputError("there are no texts", code="empty_input", field="data", allowed="at least one")
        return self.files

    def _write(self, index: int, line: bytes, metadata_bytes: int) -> None:
        if self.most_bytes is not None and len(line) > self.most_bytes:
            raise TooLargeError(
                f"record {index} has {len(line):,} bytes; a request may have {self.most_bytes:,}",
                advice="shorten it, or split its text",
                code="body_too_large",
                value=len(line),
                allowed=self.most_bytes,
                index=index,
            )
        answer_bytes = self.size.line_bytes + metadata_bytes
        if self._bytes + len(line) > FILE_BYTES or self._answer_bytes + answer_bytes > ANSWER_BYTES:
            self._end()
        if self._file is None:
            self._file = (self.folder / name_file(index, "jsonl")).open("wb")
            self._digest, self._bytes, self._answer_bytes = hashlib.sha256(), 0, 0.0
        self._file.write(line)
        self._digest.update(line)
        self._bytes += len(line)
        self._answer_bytes += answer_bytes

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
            path = Path(self._file.name)
            self.files[path.name] = LocalFile(path, self._digest.hexdigest())
            self._file = None


def name_file(first_index: int, suffix: str) -> str:
    """Return the name of a file by the place of its first record, so that names sort as the records came."""
    return f"records-{first_index:012d}.{suffix}"


def encode_record(
    index: int, record: object, fields: Mapping[str, Any], names: RecordFields = USUAL
) -> tuple[bytes, int]:
    """Return a record's line, and how many bytes of it are not its text. **Raises**: ``InvalidInputError``."""
    if isinstance(record, str):
        value: dict[str, Any] = {names.id_name: index, names.text_name: record, **fields}
    elif isinstance(record, Mapping):
        value = {names.id_name: index, **fields, **record}
        if value[names.id_name] is None:
            value[names.id_name] = index
    else:
        raise _wrong(index, f"is a {type(record).__name__}", "a text, or a dict with a text")
    text = value.get("text", value.get("input")) if names.text is None else value.get(names.text)
    if not isinstance(text, str) and not _is_chunks(value, text):
        name = json.dumps(names.text_name, ensure_ascii=False)
        raise _wrong(index, "has no text", f"a text, or a dict with {name}; {name} may be a list with late_chunking")
    try:
        line = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise InvalidInputError(
            f"record {index} has half of a surrogate pair, which is no Unicode text",
            code="invalid_text",
            field=names.text_name,
            index=index,
        ) from None
    except (TypeError, ValueError) as error:
        raise _wrong(index, f"cannot be JSON ({error})", "numbers, strings, lists and objects of them") from None
    text_bytes = len(text.encode()) if isinstance(text, str) else 0
    return line + b"\n", max(0, len(line) - text_bytes)


def _is_chunks(value: Mapping[str, Any], text: object) -> bool:
    return value.get("late_chunking") is True and isinstance(text, list) and all(isinstance(one, str) for one in text)


def _wrong(index: int, what: str, allowed: str) -> InvalidInputError:
    return InvalidInputError(
        f"record {index} {what}; records are {allowed}", code="wrong_type", field="data", allowed=allowed, index=index
    )


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
