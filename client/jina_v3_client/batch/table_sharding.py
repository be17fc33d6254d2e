"""Data frames and tables written as Parquet: their columns keep their types, and come back with the vectors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from jina_v3.record_fields import USUAL, RecordFields
from jina_v3_client.batch.sharding import LocalFile, hash_file, name_file
from jina_v3_client.batch.sizes import ANSWER_BYTES, FILE_BYTES, VectorSize
from jina_v3_client.batch.tables import import_pyarrow
from jina_v3_client.errors import InvalidInputError

_ROWS: Final = 10_000


def is_table(data: object) -> bool:
    """Say whether data is a frame of pandas or polars, or a table of pyarrow, without importing any of them."""
    return type(data).__module__.partition(".")[0] in ("pandas", "polars", "pyarrow") and type(data).__name__ in (
        "DataFrame",
        "Table",
    )


def write_tables(data: Any, folder: Path, size: VectorSize, names: RecordFields = USUAL) -> dict[str, LocalFile]:
    """Write a frame or a table into files; return them by name. What has no column of ids is given one, from 0.

    **Raises**: ``InvalidInputError`` where there is no column of texts; ``ConfigurationError`` without pyarrow.
    """
    pa = import_pyarrow("embedding a data frame")
    cut = _cutter(pa, data, names)
    rows = len(data)
    if not rows:
        raise InvalidInputError("there are no texts", code="empty_input", field="data", allowed="at least one row")
    files: dict[str, LocalFile] = {}
    first = 0
    while first < rows:
        part = cut(first, min(_ROWS, rows - first))
        while part.num_rows > 1 and not _fits(part, size):
            part = part.slice(0, part.num_rows // 2)
        path = folder / name_file(first, "parquet")
        pa.parquet.write_table(_with_ids(pa, part, first, names.id_name), path)
        files[path.name] = LocalFile(path, hash_file(path))
        first += part.num_rows
    return files


def _fits(part: Any, size: VectorSize) -> bool:
    stored: int = part.nbytes
    return stored <= FILE_BYTES and stored + size.row_bytes * part.num_rows <= ANSWER_BYTES


def _cutter(pa: Any, data: Any, names: RecordFields) -> Callable[[int, int], Any]:
    """Return what makes a table of some of the rows, all of one schema."""
    columns = list(getattr(data, "column_names", None) or data.columns)
    if len(set(columns)) < len(columns):
        raise InvalidInputError("the data frame has columns of the same name", code="wrong_type", field="data")
    try:
        if type(data).__module__.partition(".")[0] == "pandas":
            schema = pa.Schema.from_pandas(data, preserve_index=False)
            _check(pa, schema, names)
            return lambda first, rows: pa.Table.from_pandas(
                data.iloc[first : first + rows], schema=schema, preserve_index=False
            )
        if isinstance(data, pa.Table):
            _check(pa, data.schema, names)
            return lambda first, rows: data.slice(first, rows)
        _check(pa, data.head(0).to_arrow().schema, names)
        if any(str(kind) == "Object" for kind in data.dtypes):  # polars would write their addresses
            raise InvalidInputError("the data frame has a column of Python objects", code="wrong_type", field="data")
        return lambda first, rows: data.slice(first, rows).to_arrow()
    except pa.ArrowException as error:
        raise InvalidInputError(
            f"the data frame has a column that is no column of Parquet: {error}", code="wrong_type", field="data"
        ) from None


def _check(pa: Any, schema: Any, names: RecordFields) -> None:
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    text = names.text_name
    if names.id is not None and names.id not in schema.names:
        raise _missing(f"no column {names.id!r}", schema, "say which one has the ids, by id_field", names.id)
    if text in schema.names and any(kind(schema.field(text).type) for kind in kinds):
        return
    found = f"a column {text!r} of {schema.field(text).type}" if text in schema.names else f"no column {text!r}"
    raise _missing(found, schema, "say which column has the texts, by text_field; it must hold strings", text)


def _missing(found: str, schema: Any, advice: str, field: str) -> InvalidInputError:
    return InvalidInputError(
        f"the table has {found}; it has {', '.join(schema.names)}",
        advice=advice,
        code="missing_field",
        field=field,
        allowed="a column's name",
    )


def _with_ids(pa: Any, part: Any, first: int, name: str) -> Any:
    if name in part.schema.names:
        return part
    return part.add_column(0, name, pa.array(range(first, first + part.num_rows), pa.int64()))
