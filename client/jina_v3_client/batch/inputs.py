"""Inputs read beside outputs, where no state machine has done it: each record has one output, in its place."""

from __future__ import annotations

import csv
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from jina_v3_client.batch.lines import split_lines, unpack
from jina_v3_client.batch.outputs import OutputFile, Record, parse_line, read_record
from jina_v3_client.batch.records import BadRecord
from jina_v3_client.batch.vectors import DamagedError

_GENERATED: Final = re.compile(r"[0-9a-f]{32}")
"""The id of a record that brought none, or of which the container could not read one."""


def pair_lines(
    output: OutputFile,
    chunks: Iterable[bytes],
    source: Iterable[bytes],
    form: str,
    data_format: str,
    id_name: str = "id",
) -> Iterator[Record]:
    """Yield the records of an output, each compared with the line that went in. **Raises**: ``DamagedError``."""
    answers = split_lines(chunks)
    packed = output.file.endswith(".gz")
    try:
        for line, data in split_lines(unpack(source) if packed else source):
            _, answer = next(answers, (0, b""))
            if not answer:
                raise DamagedError(f"it ends before the record of line {line}")
            asked = read_csv(data) if data_format == "csv" else read_json(data, id_name)
            yield _pair(output, line, asked, answer, form)
    except (zlib.error, EOFError) as error:
        raise DamagedError(f"its input is gzip that cannot be read to its end: {error}") from None
    if next(answers, None) is not None:
        raise DamagedError("it has more records than went in")


def _pair(
    output: OutputFile, line: int, asked: tuple[str | int | None, str | None], answer: bytes, form: str
) -> Record:
    id, own_form = asked
    try:
        record = read_record(output, line, parse_line(answer), own_form or form)
    except DamagedError as error:
        raise DamagedError(f"the output for line {line}: {error}") from None
    if id is None or (id == record.id and type(id) is type(record.id)):
        return record
    if isinstance(record, BadRecord) and isinstance(record.id, str) and _GENERATED.fullmatch(record.id):
        return replace(record, id=id)
    raise DamagedError(f"line {line} has the id {id!r:.80}, and its output {record.id!r:.80}")


def read_json(data: bytes, id_name: str = "id") -> tuple[str | int | None, str | None]:
    """Return a line's id, and the form it asks for by itself; nothing of a line that cannot be read."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(value, dict):
        return None, None
    id, form = value.get(id_name), value.get("embedding_type", value.get("encoding_format"))
    return (
        id if isinstance(id, str | int) and not isinstance(id, bool) else None,
        form if isinstance(form, str) else None,
    )


def read_csv(data: bytes) -> tuple[str | None, Any]:
    """Return the id of a row of ``id,text``."""
    try:
        cells = next(csv.reader([data.decode(errors="surrogateescape").rstrip("\r\n")], strict=True), [])
    except csv.Error:
        cells = []
    return (cells[0] or None) if len(cells) == 2 else None, None


def count_rows(chunks: Iterable[bytes]) -> int:
    """Return how many rows a Parquet file has. **Raises**: ``DamagedError``."""
    import io

    from jina_v3_client.batch.tables import import_pyarrow

    pa = import_pyarrow("reading Parquet")
    try:
        return int(pa.parquet.read_metadata(io.BytesIO(b"".join(chunks))).num_rows)
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(f"its input is no Parquet that can be read: {error}") from None
