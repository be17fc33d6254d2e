"""A Parquet file in memory: checked, and read in batches of rows.

A file can claim or unfold to far more than its bytes, so what it holds is bounded before it is read: rows and sizes by
its metadata, and strings, which are read as dictionaries first, by their lengths. pyarrow is imported when the first
such body comes; it takes up to a tenth of a second and some 30 MB.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from jina_v3.contract import ErrorCode, Limits
from jina_v3.errors import RequestError, shorten
from jina_v3.record_fields import RecordFields
from jina_v3.serving.formats.media_types import RECORDS_OFFER
from jina_v3.serving.formats.parquet_footer import ColumnChunk, read_footer

_EXPANSION: Final = 8
"""How many times the largest body a file may take up when it is decoded."""

_WIDTHS: Final = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 4}
"""Bytes a value takes up decoded, at the least; a value of its own width has that."""

_MAX_DEPTH: Final = 32
"""How deep a column may be nested: what is written as JSON has an end."""


def import_pyarrow(code: ErrorCode, field: str, value: str | None) -> Any:
    """Import pyarrow with its Parquet part.

    **Raises**: ``RequestError`` (the code) where it is not installed.
    """
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ImportError:
        raise RequestError(
            code,
            "Parquet needs the package pyarrow, which this container lacks; install it, or use JSON lines",
            field=field,
            value=value,
            allowed=[offer for offer in RECORDS_OFFER if "parquet" not in offer],
        ) from None


class ParquetBody:
    """A Parquet file in memory.

    **Raises**: ``RequestError`` (400 no such file, 413 too large when decoded, 422 columns).
    """

    def __init__(self, pa: Any, body: bytes, limits: Limits, names: RecordFields) -> None:
        self._pa, self._names = pa, names
        self._most_bytes = _EXPANSION * limits.max_body_bytes
        if body[:4] == b"PARE" or body[-4:] == b"PARE":
            raise _not_parquet("the Parquet file is encrypted; send it as it was before", "an encrypted file")
        if len(body) < 12 or body[:4] != b"PAR1" or body[-4:] != b"PAR1":
            raise _not_parquet("the body is no Parquet file: it must begin and end with PAR1", f"{len(body)} bytes")
        plain = self._open(body, None)
        self._schema = self._try(lambda: plain.schema_arrow)
        self._check_schema()
        self._check_size(self._try(lambda: read_footer(body)), plain.schema)
        self.rows = int(plain.metadata.num_rows)
        strings = [column.name for column in self._schema if _is_flat_string(pa.types, column.type)]
        self._file = self._open(body, strings)

    def batches(self, rows: int) -> Iterator[Any]:
        """Yield the rows as record batches with the file's own types, at least one.

        **Raises**: ``RequestError`` where the file is damaged, or strings unfold to too much.
        """
        batches = self._file.iter_batches(batch_size=rows, use_threads=False)
        found = False
        while (batch := self._try(lambda: next(batches, None))) is not None:
            found = True
            yield self._try(lambda batch=batch: self._unfold(batch))
        if not found:
            yield self._pa.RecordBatch.from_pylist([], schema=self._schema)

    def _open(self, body: bytes, strings: Sequence[str] | None) -> Any:
        parquet = self._pa.parquet
        return self._try(lambda: parquet.ParquetFile(self._pa.BufferReader(body), read_dictionary=strings))

    def _unfold(self, batch: Any) -> Any:
        """Return a batch with the file's own types, unless its strings are too long in all."""
        pa, compute = self._pa, importlib.import_module("pyarrow.compute")
        size = sum(
            compute.sum(compute.binary_length(column.dictionary).take(column.indices)).as_py() or 0
            for column in batch.columns
            if pa.types.is_dictionary(column.type) and _is_text(pa.types, column.type.value_type)
        )
        if size > self._most_bytes:
            raise _too_large(size, self._most_bytes)
        return pa.RecordBatch.from_arrays(
            [_as_type(*pair, self._names.text_name) for pair in zip(batch.columns, self._schema, strict=True)],
            schema=self._schema,
        )

    def _try(self, read: Any) -> Any:
        try:
            return read()
        except RequestError:
            raise
        except (self._pa.ArrowException, OSError, ValueError, KeyError, IndexError, MemoryError, OverflowError):
            # pyarrow's words may hold what the file holds
            raise _not_parquet(
                "the Parquet file is damaged, encrypted, or uses what this server cannot read", "a file"
            ) from None

    def _check_schema(self) -> None:
        names, types = self._schema.names, self._pa.types
        if len(set(names)) < len(names):
            name = next(name for name in names if names.count(name) > 1)
            raise _bad_columns(ErrorCode.INVALID_VALUE, f"two columns are named {shorten(name)!r}", name, names)
        text_name, id_name = self._names.text_name, self._names.id
        for name in (text_name, id_name):
            if name is not None and name not in names:
                there = ", ".join(names)[:400]
                told = f"there is no column {shorten(name)!r}; there are {there}"
                raise _bad_columns(ErrorCode.MISSING_FIELD, told, there, [name], name)
        text_type = self._schema.field(text_name).type
        if types.is_dictionary(text_type):
            text_type = text_type.value_type
        if not _is_text(types, text_type) or types.is_binary(text_type) or types.is_large_binary(text_type):
            raise _bad_columns(
                ErrorCode.WRONG_TYPE,
                f"the column {shorten(text_name)!r} is of {shorten(str(text_type))}; it must be of strings",
                str(text_type),
                "string, large_string or a dictionary of them",
                text_name,
            )
        for field in self._schema:
            if _depth(field.type, _MAX_DEPTH) > _MAX_DEPTH:
                raise _bad_columns(
                    ErrorCode.INVALID_VALUE,
                    f"the column {shorten(field.name)!r} is nested too deep",
                    field.name,
                    f"at most {_MAX_DEPTH} levels",
                )

    def _check_size(self, groups: Sequence[Sequence[ColumnChunk]], schema: Any) -> None:
        columns = [schema.column(index) for index in range(len(schema))]
        widths = [_WIDTHS.get(column.physical_type, column.length) for column in columns]
        if any(len(chunks) != len(widths) for chunks in groups):
            raise _not_parquet("the Parquet file is damaged: its row groups have other columns", "a file")
        size = sum(
            max(chunk.uncompressed_bytes, chunk.values * max(1, width))
            for chunks in groups
            for chunk, width in zip(chunks, widths, strict=True)
        )
        if size > self._most_bytes:
            raise _too_large(size, self._most_bytes)


def _as_type(column: Any, field: Any, text_name: str) -> Any:
    """Return a column that was read as a dictionary with the type that it has in the file."""
    if column.type != field.type:
        column = column.cast(column.type.value_type).cast(field.type)
        if field.name != text_name:  # whose strings are looked at one by one
            column.validate(full=True)  # strings are UTF-8
    return column


def _is_text(types: Any, kind: Any) -> bool:
    tests = (
        types.is_string,
        types.is_large_string,
        types.is_string_view,
        types.is_binary,
        types.is_large_binary,
        types.is_binary_view,
    )
    return any(test(kind) for test in tests)


def _is_flat_string(types: Any, kind: Any) -> bool:
    return _is_text(types, kind) or (types.is_dictionary(kind) and _is_text(types, kind.value_type))


def _depth(kind: Any, most: int) -> int:
    if most < 0:
        return 1
    return 1 + max((_depth(kind.field(index).type, most - 1) for index in range(kind.num_fields)), default=0)


def _not_parquet(message: str, value: str) -> RequestError:
    allowed = "a whole Parquet file that is not encrypted"
    return RequestError(ErrorCode.NOT_PARQUET, message, field="body", value=value, allowed=allowed)


def _bad_columns(code: ErrorCode, message: str, value: str, allowed: Any, field: str = "body") -> RequestError:
    return RequestError(code, message, field=str(shorten(field)), value=value, allowed=allowed)


def _too_large(size: int, most: int) -> RequestError:
    return RequestError(
        ErrorCode.BODY_TOO_LARGE,
        f"the Parquet file holds some {size} bytes when it is decoded; {most} are allowed. Send fewer rows a request",
        field="body",
        value=size,
        allowed=f"at most {most} bytes decoded",
    )
