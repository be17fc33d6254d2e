"""Lines of a stream of bytes, in constant memory: only a line feed ends a line, whatever the chunks are."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

CHUNK_BYTES: Final = 2**20


class Line(NamedTuple):
    """A line with its end, if it has one; ``data`` is None of one longer than the limit, of which ``bytes`` remain."""

    data: bytes | None
    bytes: int


def split_lines(chunks: Iterable[bytes], most_bytes: int | None = None) -> Iterator[Line]:
    """Yield the lines of a stream. One longer than ``most_bytes`` is passed over, and told by its size."""
    waiting: list[bytes] = []
    size = 0
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start) + 1) > 0:
            size += end - start
            if most_bytes is not None and size > most_bytes:
                yield Line(None, size)
            elif waiting:
                waiting.append(chunk[start:end])
                yield Line(b"".join(waiting), size)
            else:
                yield Line(chunk[start:end], size)
            waiting, size, start = [], 0, end
        if start < len(chunk):
            size += len(chunk) - start
            if most_bytes is None or size <= most_bytes:
                waiting.append(chunk[start:])
            else:
                waiting.clear()
    if size:
        fits = most_bytes is None or size <= most_bytes
        yield Line(b"".join(waiting) if fits else None, size)


def read_chunks(body: Any) -> Iterator[bytes]:
    """Yield a body's bytes and close it, also when nobody wants the rest."""
    try:
        while chunk := body.read(CHUNK_BYTES):
            yield chunk
    finally:
        body.close()


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
            unpacked = member.decompress(data, CHUNK_BYTES)
            if unpacked:
                yield unpacked
            data = member.unconsumed_tail
            if member.eof:
                data, member, begun = member.unused_data, _new_member(), False
                data = data.lstrip(b"\0") if not data.strip(b"\0") else data  # padding after the last member
    if begun:
        raise EOFError("the gzip stream ends too early")


def is_blank(line: bytes) -> bool:
    """Say whether a line holds nothing, as the container sees it."""
    return not line.strip()


def _new_member() -> Any:
    return zlib.decompressobj(wbits=31)
