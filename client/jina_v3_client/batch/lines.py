"""Lines of a stream of bytes, in constant memory: only a line feed ends a line, whatever the chunks are."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

_UNPACKED_BYTES: Final = 2**20


def split_lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, each with its number from 1, without a byte order mark before the first."""
    for number, line in enumerate(_lines(chunks), 1):
        whole = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if whole.strip():
            yield number, whole


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start) + 1) > 0:
            waiting.append(chunk[start:end])
            yield b"".join(waiting)
            waiting.clear()
            start = end
        if start < len(chunk):
            waiting.append(chunk[start:])
    if waiting:
        yield b"".join(waiting)


def unpack(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what gzip'd bytes unpack to; several members follow each other as one.

    **Raises**: ``zlib.error`` or ``EOFError`` where they are not gzip or end too early.
    """
    member = _new_member()
    begun = False
    for chunk in chunks:
        data = chunk
        while data:
            begun = True
            if unpacked := member.decompress(data, _UNPACKED_BYTES):
                yield unpacked
            data = member.unconsumed_tail
            if member.eof:
                data, member, begun = member.unused_data, _new_member(), False
    if begun:
        raise EOFError("the gzip stream ends too early")


def _new_member() -> Any:
    return zlib.decompressobj(wbits=31)
