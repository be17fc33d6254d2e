"""How much each part of a Parquet file holds, read from its footer by ourselves.

pyarrow knows it too, but ends the whole process where a footer contradicts itself: ``RowGroupMetaData.column`` lets an
exception of C++ go through ("Repetition level histogram size mismatch"; pyarrow 26.0.1).

**Source**: Thrift's compact protocol; ``FileMetaData`` in Parquet's ``parquet.thrift``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

_MAX_DEPTH: Final = 32

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = 1, 2, 3, 7, 8, 9, 10, 11, 12, 13
_WHOLE_NUMBERS: Final = (4, 5, 6)
_WIDTHS: Final = {_TRUE: 1, _FALSE: 1, _BYTE: 1, _DOUBLE: 8, _UUID: 16}
_MANY: Final = 15  # in a list's header: its size stands behind it

# what is wanted of FileMetaData: row_groups → columns → meta_data → num_values, total_uncompressed_size
_VALUES, _BYTES = 5, 6
_WANTED: Final[Any] = {4: [{1: [{3: {_VALUES: int, _BYTES: int}}]}]}


class ColumnChunk(NamedTuple):
    """A column's part in a row group. **Units**: values, and bytes before they were compressed."""

    values: int
    uncompressed_bytes: int


def read_footer(body: bytes) -> list[list[ColumnChunk]]:
    """Return the column chunks of each row group.

    **Raises**: ``ValueError`` where the footer cannot be read so far.
    """
    (size,) = struct.unpack("<I", body[-8:-4])
    footer = body[max(0, len(body) - 8 - size) : -8]
    try:
        groups = _Reader(footer).struct(_WANTED, 0)[4]
        return [[_chunk(column[3]) for column in group[1]] for group in groups]
    except (IndexError, KeyError) as error:
        raise ValueError("the footer ends too early, or lacks something") from error


def _chunk(column: Mapping[int, int]) -> ColumnChunk:
    return ColumnChunk(column[_VALUES], column[_BYTES])


class _Reader:
    """Reads values one after the other; what is not wanted is passed over."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self, wanted: Mapping[int, Any], depth: int) -> dict[int, Any]:
        """Read the wanted fields of a struct; one of another type than is wanted is passed over, as Thrift does."""
        if depth > _MAX_DEPTH:
            raise ValueError("the footer is nested too deep")
        found: dict[int, Any] = {}
        field = 0
        while (header := self._byte()) != 0:
            delta, kind = header >> 4, header & 15
            field = field + delta if delta else self._number()
            if kind in (_TRUE, _FALSE):
                continue  # the header is the value
            form = wanted.get(field)
            if isinstance(form, Mapping) and kind == _STRUCT:
                found[field] = self.struct(form, depth + 1)
            elif isinstance(form, list) and kind == _LIST:
                found[field] = self._list(form, depth)
            elif form is int and kind in _WHOLE_NUMBERS:
                found[field] = self._number()
            else:
                self._skip(kind, depth)
        return found

    def _list(self, form: Sequence[Mapping[int, Any]], depth: int) -> list[dict[int, Any]]:
        size, kind = self._list_header()
        if kind != _STRUCT:
            raise ValueError("the footer has a list of something else")
        return [self.struct(form[0], depth + 1) for _ in range(size)]

    def _skip(self, kind: int, depth: int) -> None:
        if kind in _WIDTHS:
            self._at += _WIDTHS[kind]
        elif kind in _WHOLE_NUMBERS:
            self._varint()
        elif kind == _BINARY:
            size = self._varint()
            self._at += size
        elif kind in (_LIST, _SET):
            size, item = self._list_header()
            for _ in range(size):
                self._skip(item, depth + 1)
        elif kind == _MAP:
            size = self._varint()
            kinds = self._byte() if size else 0
            for _ in range(size):
                self._skip(kinds >> 4, depth + 1)
                self._skip(kinds & 15, depth + 1)
        elif kind == _STRUCT:
            self.struct({}, depth + 1)
        else:
            raise ValueError("the footer has a value of no known type")
        if self._at > len(self._data):
            raise ValueError("the footer ends within a value")

    def _list_header(self) -> tuple[int, int]:
        header = self._byte()
        size = header >> 4
        return (self._varint() if size == _MANY else size), header & 15

    def _byte(self) -> int:
        byte = self._data[self._at]
        self._at += 1
        return byte

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise ValueError("the footer has a number that is too long")

    def _number(self) -> int:
        """Read a whole number, whose sign is its lowest bit."""
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
