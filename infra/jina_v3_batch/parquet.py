"""What a Parquet file's footer says, read from the file's last bytes: rows, columns, and what its writer left there.

**Source**: Thrift's compact protocol; ``FileMetaData`` in Parquet's ``parquet.thrift``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jina_v3_batch.store import Store

MAGIC: Final = b"PAR1"
_TAIL_BYTES: Final = 64 * 1024
_MAX_DEPTH: Final = 32

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = 1, 2, 3, 7, 8, 9, 10, 11, 12, 13
_WHOLE_NUMBERS: Final = (4, 5, 6)
_WIDTHS: Final = {_TRUE: 1, _FALSE: 1, _BYTE: 1, _DOUBLE: 8, _UUID: 16}
_MANY: Final = 15

_BYTE_ARRAY: Final = 6
_UTF8: Final = 0
_STRING: Final = 1

# FileMetaData: 2 schema (1 type, 4 name, 5 num_children, 6 converted_type, 10 logicalType), 3 num_rows,
# 5 key_value_metadata (1 key, 2 value)
_WANTED: Final[Any] = {2: [{1: int, 4: bytes, 5: int, 6: int, 10: {_STRING: {}}}], 3: int, 5: [{1: bytes, 2: bytes}]}


@dataclass(frozen=True, slots=True)
class Footer:
    """A file as its footer has it: rows, the columns and which of them hold strings, and the key-value metadata."""

    rows: int
    columns: tuple[str, ...]
    strings: frozenset[str]
    metadata: Mapping[str, str]


def fetch_footer(store: Store, bucket: str, key: str) -> Footer:
    """Read the footer of an object.

    **Raises**: ``ValueError`` for what is no Parquet, or an encrypted footer.
    """
    tail = store.tail(bucket, key, _TAIL_BYTES)
    if len(tail) < 12 or tail[-4:] != MAGIC:
        raise ValueError("it does not end as Parquet does")
    size = struct.unpack("<I", tail[-8:-4])[0] + 8
    if size > len(tail):
        tail = store.tail(bucket, key, size)
    if size > len(tail):
        raise ValueError("its footer is longer than the file")
    return read_footer(tail[-size:-8])


def read_footer(footer: bytes) -> Footer:
    """Read the bytes of a footer.

    **Raises**: ``ValueError`` where they contradict themselves.
    """
    try:
        found = _Reader(footer).struct(_WANTED, 0)
        columns = _top_columns(found[2])
        metadata = {_text(pair[1]): _text(pair.get(2, b"")) for pair in found.get(5, ())}
        strings = frozenset(_text(one[4]) for one in columns if _is_string(one))
        return Footer(found[3], tuple(_text(one[4]) for one in columns), strings, metadata)
    except (IndexError, KeyError) as error:
        raise ValueError("its footer ends too early, or lacks something") from error


def _top_columns(schema: list[dict[int, Any]]) -> list[dict[int, Any]]:
    """Return the root's children; the schema is the tree in depth-first order."""
    found: list[dict[int, Any]] = []
    at = 1
    for _ in range(schema[0].get(5, 0)):
        found.append(schema[at])
        to_skip = 1
        while to_skip:
            to_skip += schema[at].get(5, 0) - 1
            at += 1
    return found


def _is_string(column: Mapping[int, Any]) -> bool:
    """Say whether a column's bytes are told to be text; writers tell it in one way, or the other, or both."""
    return column.get(1) == _BYTE_ARRAY and (column.get(6) == _UTF8 or _STRING in column.get(10, {}))


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


class _Reader:
    """Reads values one after the other; what is not wanted is passed over."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self, wanted: Mapping[int, Any], depth: int) -> dict[int, Any]:
        if depth > _MAX_DEPTH:
            raise ValueError("its footer is nested too deep")
        found: dict[int, Any] = {}
        field = 0
        while (header := self._byte()) != 0:
            delta, kind = header >> 4, header & 15
            field = field + delta if delta else self._number()
            if kind in (_TRUE, _FALSE):
                continue  # the header is the value
            form = wanted.get(field)
            if isinstance(form, list) and kind == _LIST:
                found[field] = self._list(form[0], depth)
            elif isinstance(form, dict) and kind == _STRUCT:
                found[field] = self.struct(form, depth + 1)
            elif form is int and kind in _WHOLE_NUMBERS:
                found[field] = self._number()
            elif form is bytes and kind == _BINARY:
                found[field] = self._binary()
            else:
                self._skip(kind, depth)
        return found

    def _list(self, form: Mapping[int, Any], depth: int) -> list[dict[int, Any]]:
        size, kind = self._list_header()
        if kind != _STRUCT:
            raise ValueError("its footer has a list of something else")
        return [self.struct(form, depth + 1) for _ in range(size)]

    def _binary(self) -> bytes:
        size = self._varint()
        self._at += size
        if self._at > len(self._data):
            raise ValueError("its footer ends within a value")
        return self._data[self._at - size : self._at]

    def _skip(self, kind: int, depth: int) -> None:
        if kind in _WIDTHS:
            self._at += _WIDTHS[kind]
        elif kind in _WHOLE_NUMBERS:
            self._varint()
        elif kind == _BINARY:
            self._binary()
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
            raise ValueError("its footer has a value of no known type")

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
                raise ValueError("its footer has a number that is too long")

    def _number(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
