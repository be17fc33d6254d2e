"""A result as a file: whole or not at all, and of one form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from jina_v3_client.batch.records import BatchRecord
from jina_v3_client.batch.writing import write_parquet
from jina_v3_client.errors import BatchError, ResponseError


def record(number: int, dtype: Any = np.float32, scale: float | None = None) -> BatchRecord:
    return BatchRecord(
        id=number, vector=np.full(4, number % 100, dtype), tokens=3, file="a.jsonl", line=number + 1, scale=scale
    )


def breaking(after: int) -> Iterator[BatchRecord]:
    yield from map(record, range(after))
    raise BatchError("the output of a.jsonl is damaged", run="docs-1")


@pytest.mark.parametrize("after", [0, 5, 1024, 3000])
def test_a_result_that_breaks_off_leaves_what_was_there_and_no_half_file(tmp_path: Path, after: int) -> None:
    target = tmp_path / "v.parquet"
    target.write_bytes(b"as it was")
    with pytest.raises(BatchError):
        write_parquet(breaking(after), target)
    assert target.read_bytes() == b"as it was"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("at", [1, 1023, 1024, 2500])
def test_records_of_another_form_are_refused_wherever_they_stand(tmp_path: Path, at: int) -> None:
    for other in (record(at, np.int8, 0.5), record(at, np.int8)):
        records = [*map(record, range(at)), other]
        with pytest.raises(ResponseError, match=f"record {at} has a vector of another form"):
            write_parquet(records, tmp_path / "v.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [0, 1, 1024, 1025, 2100])
def test_all_records_are_written_once(tmp_path: Path, count: int) -> None:
    assert write_parquet((record(number, np.int8, 0.5) for number in range(count)), tmp_path / "v.parquet") == count
    table = pq.read_table(tmp_path / "v.parquet").to_pydict()
    assert table["id"] == [str(number) for number in range(count)]
    assert table.get("scale", []) == [0.5] * count
