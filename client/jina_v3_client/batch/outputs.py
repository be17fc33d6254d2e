"""Outputs of a run: which there are, and the records that each of them has."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jina_v3.record_fields import RecordFields
from jina_v3_client.batch.lines import split_lines
from jina_v3_client.batch.records import BadRecord, BatchRecord
from jina_v3_client.batch.store import Stored
from jina_v3_client.batch.vectors import DamagedError, decode_chunks, decode_vector

FIRST_INDEX: Final = re.compile(r"records-(\d{12})\.(?:jsonl|parquet)")
"""The name of a file that this client made: the place of its first record among all."""

ANSWER_FIELDS: Final = ("embedding", "embeddings", "scale", "tokens", "truncated", "error")

Record = BatchRecord | BadRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a file's output must have: records that were embedded, their tokens, and bad ones that have an output."""

    embedded: int
    bad: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """One output: that of a ``file`` of the dataset, or of a shard of it, which has ``lines_before`` lines before it.

    ``aside`` are lines that were too large to be sent, and have no output. ``counts`` are what the run found when it
    verified the output, ``source`` is the file as it was sent, where it is still to be compared.
    """

    stored: Stored
    file: str
    lines_before: int = 0
    aside: frozenset[int] = frozenset()
    counts: Counts | None = None
    source: Stored | None = None

    @property
    def order(self) -> tuple[str, int, str]:
        """Sorts outputs as their records came."""
        return self.file, self.lines_before, self.stored.key

    def index(self, line: int) -> int | None:
        """Return the place of a record among all that were submitted, where this client sharded them."""
        return index_of(self.file, line)


@dataclass(frozen=True, slots=True)
class BadFile:
    """Bad records, one in a line; those of other files than ``only`` count no more: the files changed since."""

    stored: Stored
    only: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What a run has left: verified outputs, in the order of their records, and the form it asked for.

    ``bad_files`` have the bad records of text, one in a line; ``None`` where they are to be read from the outputs.
    ``names`` says where the records that went in have their texts and ids.
    """

    run: str
    format: str
    form: str
    files: tuple[OutputFile, ...]
    bad_files: tuple[BadFile, ...] | None = None
    names: RecordFields = field(default_factory=RecordFields)


def index_of(file: str, line: int) -> int | None:
    """Return the place of a record among all that were submitted, ``None`` of files that this client did not make."""
    found = FIRST_INDEX.fullmatch(file)
    return None if found is None else int(found[1]) + line - 1


@dataclass(slots=True)
class Seen:
    """What an output had so far."""

    embedded: int = 0
    tokens: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, record: Record) -> None:
        """Count a record."""
        if isinstance(record, BadRecord):
            self.errors[record.code] += 1
        else:
            self.embedded += 1
            self.tokens += record.tokens

    def check(self, counts: Counts | None) -> None:
        """Compare with what was verified. **Raises**: ``DamagedError``."""
        if counts is None:
            return
        found = Counts(embedded=self.embedded, bad=self.errors.total(), tokens=self.tokens)
        if found != counts:
            raise DamagedError(
                f"it has {found.embedded:,} vectors, {found.bad:,} errors and {found.tokens:,} tokens, and had "
                f"{counts.embedded:,}, {counts.bad:,} and {counts.tokens:,} when the run verified it"
            )


def read_lines(output: OutputFile, chunks: Iterable[bytes], form: str) -> Iterator[Record]:
    """Yield the records of an output of JSON lines. **Raises**: ``DamagedError``."""
    line = output.lines_before
    for number, data in split_lines(chunks):
        line += 1
        while line in output.aside:
            line += 1
        try:
            yield read_record(output, line, parse_line(data), form)
        except DamagedError as error:
            raise DamagedError(f"line {number}: {error}") from None


def parse_line(data: bytes) -> dict[str, Any]:
    """Parse a line of output. **Raises**: ``DamagedError``."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise DamagedError("it is not JSON") from None
    if not isinstance(value, dict):
        raise DamagedError("it is no object")
    return value


def read_record(output: OutputFile, line: int, value: Mapping[str, Any], form: str) -> Record:
    """Return a record of JSON lines. **Raises**: ``DamagedError``."""
    if value.get("error") is not None:
        return _bad(output, line, value.get("id"), value["error"])
    tokens, scale = value.get("tokens"), value.get("scale")
    if isinstance(tokens, bool) or not isinstance(tokens, int):
        raise DamagedError("it has neither tokens nor an error")
    several = "embeddings" in value
    decode = decode_chunks if several else decode_vector
    return BatchRecord(
        id=value.get("id"),
        vector=decode(value.get("embeddings" if several else "embedding"), form, scaled=scale is not None),
        tokens=tokens,
        file=output.file,
        line=line,
        metadata={name: one for name, one in value.items() if name != "id" and name not in ANSWER_FIELDS},
        index=output.index(line),
        truncated=bool(value.get("truncated")),
        scale=scale,
    )


def _bad(output: OutputFile, line: int, id: Any, error: Any) -> BadRecord:
    if not isinstance(error, Mapping) or not isinstance(error.get("code"), str):
        raise DamagedError("its error has no code")
    return BadRecord(
        file=output.file,
        line=line,
        id=id,
        code=error["code"],
        message=str(error.get("message", "")),
        index=output.index(line),
    )
