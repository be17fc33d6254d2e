"""A result as an array, a file, a data frame; numpy, pyarrow and pandas are imported when they are asked for."""

from __future__ import annotations

import importlib
import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from jina_v3_client.batch.records import BatchRecord
from jina_v3_client.batch.tables import import_pyarrow
from jina_v3_client.errors import ConfigurationError, ResponseError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS: Final = 1024


def write_numpy(records: Iterable[BatchRecord], count: int | None) -> tuple[list[str | int | None], NDArray[Any]]:
    """Return ids, and vectors as one array; ``count`` is how many there are, where it is known."""
    import numpy as np

    ids: list[str | int | None] = []
    vectors: NDArray[Any] | None = None
    for record in records:
        _check_flat(record)
        if vectors is None:
            vectors = np.empty((count or _ROWS, len(record.vector)), record.vector.dtype)
        if record.vector.shape != vectors.shape[1:] or record.vector.dtype != vectors.dtype:
            raise ResponseError(
                f"record {record.id!r} has a vector of {len(record.vector)} {record.vector.dtype}, others have "
                f"{vectors.shape[1]} {vectors.dtype}",
                advice="iterate the result instead",
            )
        if len(ids) == len(vectors):
            vectors = np.concatenate([vectors, np.empty_like(vectors)])
        vectors[len(ids)] = record.vector
        ids.append(record.id)
    return ids, np.empty((0, 0), np.float32) if vectors is None else vectors[: len(ids)]


def write_parquet(records: Iterable[BatchRecord], path: str | PathLike[str]) -> int:
    """Write records into a Parquet file, which has its name once it is whole; return how many."""
    pa = import_pyarrow("writing Parquet")
    coming = iter(records)
    first = list(islice(coming, _ROWS))
    like, count = first[0] if first else None, len(first)
    with _whole_file(Path(path)) as file:
        table = _table(pa, first, like)
        with pa.parquet.ParquetWriter(file, table.schema, use_dictionary=["file"]) as writer:
            writer.write_table(table)
            while part := list(islice(coming, _ROWS)):
                writer.write_table(_table(pa, part, like))
                count += len(part)
    return count


@contextmanager
def _whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Give a file beside this one, which takes its place if all goes well: half of one could pass for a whole one."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_pandas(records: Iterable[BatchRecord]) -> Any:
    """Return records as a data frame."""
    try:
        pandas = importlib.import_module("pandas")
    except ImportError:
        raise ConfigurationError(
            "to_pandas needs pandas, which is not installed",
            advice="pip install pandas",
        ) from None
    rows = [
        {
            "id": one.id,
            **{name: value for name, value in one.metadata.items() if name != "id"},
            "embedding": one.vector,
            **({} if one.scale is None else {"scale": one.scale}),
            "tokens": one.tokens,
        }
        for one in records
    ]
    return pandas.DataFrame(rows, columns=None if rows else ["id", "embedding", "tokens"])


def _table(pa: Any, part: list[BatchRecord], like: BatchRecord | None) -> Any:
    """Return a table of records that are all of one form, that of the first record of all."""
    for one in part:
        _check_flat(one)
        if like is None or _form(one) != _form(like):
            raise ResponseError(
                f"record {one.id!r} has a vector of another form than those before it",
                advice="iterate the result instead",
            )
    columns = {
        "id": pa.array([None if one.id is None else str(one.id) for one in part], pa.string()),
        "embedding": _vectors(pa, part, like),
        "tokens": pa.array([one.tokens for one in part], pa.int32()),
        "truncated": pa.array([one.truncated for one in part], pa.bool_()),
        "file": pa.array([one.file for one in part], pa.string()),
        "line": pa.array([one.line for one in part], pa.int64()),
        "metadata": pa.array([_json(one.metadata) for one in part], pa.string()),
    }
    if like is not None and like.scale is not None:
        columns["scale"] = pa.array([one.scale for one in part], pa.float32())
    return pa.table(columns)


def _vectors(pa: Any, part: list[BatchRecord], like: BatchRecord | None) -> Any:
    import numpy as np

    kind = pa.from_numpy_dtype(np.float32 if like is None else like.vector.dtype)
    offsets = np.cumsum([0, *(len(one.vector) for one in part)], dtype=np.int32)
    values = np.concatenate([one.vector for one in part]) if part else np.empty(0, np.float32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values, kind))


def _form(record: BatchRecord) -> tuple[str, bool]:
    return record.vector.dtype.str, record.scale is not None


def _check_flat(record: BatchRecord) -> None:
    if record.vector.ndim != 1:
        raise ResponseError(
            f"record {record.id!r} is a document of {len(record.vector)} chunks, which have no place in one row",
            advice="iterate the result instead",
        )


def _json(metadata: Any) -> str:
    return json.dumps(metadata, ensure_ascii=False, default=str)
