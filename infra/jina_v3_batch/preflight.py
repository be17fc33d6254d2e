"""What must hold before anything is embedded, found out from samples and footers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

from jina_v3_batch.dataset import DataFile
from jina_v3_batch.errors import PreflightError
from jina_v3_batch.fields import USUAL, RecordFields
from jina_v3_batch.headers import find_columns, note_names
from jina_v3_batch.missing import check_columns, check_ids, check_texts, note_left_out
from jina_v3_batch.parquet import fetch_footer
from jina_v3_batch.places import Place
from jina_v3_batch.proposals import show
from jina_v3_batch.samples import choose, take_samples
from jina_v3_batch.sizing import (
    MAX_PARQUET_BYTES,
    Density,
    RequestSize,
    measure,
    parquet_requests,
    parquet_rows,
    text_requests,
)
from jina_v3_batch.store import Store
from jina_v3_batch.wording import count

_THREADS: Final = 32
_SHOWN: Final = 5
_PARQUET_TEXT_SHARE: Final = 1.8
"""Bytes of text for a stored byte of Parquet, which compresses."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known of a dataset that may be embedded.

    **Units**: ``records_per_byte`` and ``output_ratio`` for a byte of input, unpacked; ``text_bytes`` of a record;
    ``expansion`` unpacked bytes for one of gzip.
    """

    files: tuple[DataFile, ...]
    requests: RequestSize
    records_per_byte: float
    text_bytes: float
    output_ratio: float
    notes: tuple[str, ...]
    assumed: tuple[str, ...]
    density: Density | None = None
    fields: RecordFields = field(default_factory=RecordFields)

    @property
    def expansion(self) -> float:
        """Unpacked bytes for one of gzip."""
        return 1.0 if self.density is None else self.density.expansion


def inspect(
    store: Store,
    place: Place,
    files: Sequence[DataFile],
    form: str,
    embedding_type: str,
    dimensions: int,
    asked: RecordFields = USUAL,
    *,
    allow_missing_text: bool = False,
) -> Findings:
    """Look into a dataset's files; ``asked`` says where texts and ids are.

    **Raises**: ``PreflightError`` with every reason found.
    """
    if form == "parquet":
        return _inspect_parquet(store, place, files, embedding_type, dimensions, asked)
    fields = find_columns(store, place, files, asked) if form == "csv" else asked
    chosen = choose(files)
    samples = take_samples(store, place, chosen, form, fields)
    _refuse([sample.problem for sample in samples if sample.problem])
    records = [record for sample in samples for record in sample.records]
    if not records:
        what = "all their lines are blank" if fields.columns is None else "they have no more than names of columns"
        raise PreflightError(f"none of {count(samples, 'file')} looked into has a record; {what}")
    found = check_texts(records, samples, form, fields, allow_missing_text=allow_missing_text)
    notes = [*found, *check_ids(records, fields), *note_left_out(records, fields)]
    if form == "csv" and fields.columns is None:
        notes += note_names(store, place, chosen)
    elif form == "csv" and asked.text is None:
        notes.append(f"the first row of the files names the columns, and is no record: {show(fields.columns or ())}")
    density = measure(samples, embedding_type, dimensions)
    return Findings(
        tuple(files),
        text_requests(density),
        1 / density.record_bytes,
        density.text_bytes,
        density.output_ratio,
        tuple(notes),
        (f"records of {density.record_bytes:,.0f} bytes, as the first of {count(samples, 'file')} are",),
        density,
        fields,
    )


def _inspect_parquet(
    store: Store,
    place: Place,
    files: Sequence[DataFile],
    embedding_type: str,
    dimensions: int,
    fields: RecordFields,
) -> Findings:
    most = parquet_rows(embedding_type, dimensions)
    with ThreadPoolExecutor(_THREADS) as threads:
        read = list(threads.map(lambda file: _read_footer(store, place, file, most, fields), files))
    _refuse([one for one in read if isinstance(one, str)])
    counted = tuple(one for one in read if isinstance(one, DataFile))
    rows = sum(file.rows or 0 for file in counted)
    if not rows:
        raise PreflightError(f"none of {count(counted, 'Parquet file')} has a row")
    stored = sum(file.bytes for file in counted)
    return Findings(
        counted,
        parquet_requests(max(file.bytes for file in counted)),
        rows / stored,
        stored * _PARQUET_TEXT_SHARE / rows,
        1.0,  # outputs are verified by their footers
        (),
        (f"{_PARQUET_TEXT_SHARE} bytes of text for a byte of Parquet",),
        fields=fields,
    )


def _read_footer(store: Store, place: Place, file: DataFile, most_rows: int, fields: RecordFields) -> DataFile | str:
    if file.bytes > MAX_PARQUET_BYTES:
        return (
            f"{file.key} has {file.bytes:,} bytes; a Parquet file is one request and may have {MAX_PARQUET_BYTES:,}. "
            f"Write files of at most {most_rows:,} rows"
        )
    try:
        footer = fetch_footer(store, place.bucket, place.prefix + file.key)
    except ValueError as error:
        return f"{file.key} is no Parquet that can be read: {error}"
    if (fault := check_columns(file.key, footer, fields)) is not None:
        return fault
    if footer.rows > most_rows:
        return (
            f"{file.key} has {footer.rows:,} rows, and the answer to a Parquet file, which is one request, has room "
            f"for {most_rows:,}; write smaller files, or ask for fewer dimensions or a smaller embedding_type"
        )
    return replace(file, rows=footer.rows)


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        more = f"; and {count(len(problems) - _SHOWN, 'file')} more" if len(problems) > _SHOWN else ""
        raise PreflightError("; ".join(problems[:_SHOWN]) + more)
