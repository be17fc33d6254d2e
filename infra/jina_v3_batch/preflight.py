"""What must hold before anything is embedded, found out from samples and footers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

from jina_v3_batch.dataset import DataFile
from jina_v3_batch.errors import PreflightError
from jina_v3_batch.parquet import fetch_footer
from jina_v3_batch.places import Place
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

    @property
    def expansion(self) -> float:
        """Unpacked bytes for one of gzip."""
        return 1.0 if self.density is None else self.density.expansion


def inspect(
    store: Store, place: Place, files: Sequence[DataFile], form: str, embedding_type: str, dimensions: int
) -> Findings:
    """Look into a dataset's files.

    **Raises**: ``PreflightError`` with every reason found.
    """
    if form == "parquet":
        return _inspect_parquet(store, place, files, embedding_type, dimensions)
    samples = take_samples(store, place, choose(files), form)
    problems = [sample.problem for sample in samples if sample.problem]
    _refuse(problems)
    records = [record for sample in samples for record in sample.records]
    if not records:
        raise PreflightError(f"none of {len(samples)} files looked into has a record; all their lines are blank")
    without = [record for record in records if record.text_bytes is None]
    shape = "rows of id,text or of text, without a header" if form == "csv" else 'objects with "text"'
    expected = f"the first of these is {without[0].found}, and records are {shape}" if without else ""
    if len(without) == len(records):
        raise PreflightError(f"none of the first {len(records)} records of {len(samples)} files has a text: {expected}")
    density = measure(samples, embedding_type, dimensions)
    notes = [note for sample in samples for note in sample.notes]
    if without:
        notes.append(
            f"{len(without)} of {len(records)} sampled records have no text, and will be errors of their own: "
            f"{expected}"
        )
    return Findings(
        tuple(files),
        text_requests(density),
        1 / density.record_bytes,
        density.text_bytes,
        density.output_ratio,
        tuple(notes),
        (f"records of {density.record_bytes:,.0f} bytes, as the first of {len(samples)} files are",),
        density,
    )


def _inspect_parquet(
    store: Store, place: Place, files: Sequence[DataFile], embedding_type: str, dimensions: int
) -> Findings:
    most = parquet_rows(embedding_type, dimensions)
    with ThreadPoolExecutor(_THREADS) as threads:
        read = list(threads.map(lambda file: _read_footer(store, place, file, most), files))
    _refuse([one for one in read if isinstance(one, str)])
    counted = tuple(one for one in read if isinstance(one, DataFile))
    rows = sum(file.rows or 0 for file in counted)
    if not rows:
        raise PreflightError(f"none of {len(counted)} Parquet files has a row")
    stored = sum(file.bytes for file in counted)
    return Findings(
        counted,
        parquet_requests(max(file.bytes for file in counted)),
        rows / stored,
        stored * _PARQUET_TEXT_SHARE / rows,
        1.0,  # outputs are verified by their footers
        (),
        (f"{_PARQUET_TEXT_SHARE} bytes of text for a byte of Parquet",),
    )


def _read_footer(store: Store, place: Place, file: DataFile, most_rows: int) -> DataFile | str:
    if file.bytes > MAX_PARQUET_BYTES:
        return (
            f"{file.key} has {file.bytes:,} bytes; a Parquet file is one request and may have {MAX_PARQUET_BYTES:,}. "
            f"Write files of at most {most_rows:,} rows"
        )
    try:
        footer = fetch_footer(store, place.bucket, place.prefix + file.key)
    except ValueError as error:
        return f"{file.key} is no Parquet that can be read: {error}"
    if "text" not in footer.columns:
        names = ", ".join(footer.columns[:8])
        return f"{file.key} has no column 'text'; it has {names}"
    if "text" not in footer.strings:
        return f"the column 'text' of {file.key} holds no strings; write it as text"
    if footer.rows > most_rows:
        return (
            f"{file.key} has {footer.rows:,} rows, and the answer to a Parquet file, which is one request, has room "
            f"for {most_rows:,}; write smaller files, or ask for fewer dimensions or a smaller embedding_type"
        )
    return replace(file, rows=footer.rows)


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        more = f"; and {len(problems) - _SHOWN} files more" if len(problems) > _SHOWN else ""
        raise PreflightError("; ".join(problems[:_SHOWN]) + more)
