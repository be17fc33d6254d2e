"""Files that a record too large to be sent has killed: found, and written again without it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from jina_v3_batch.dataset import DataFile
from jina_v3_batch.lines import Line
from jina_v3_batch.places import Place
from jina_v3_batch.store import Store


def find_too_large(lines: Iterable[Line]) -> list[tuple[int, int]]:
    """Return the records that are too large: the line, counted from 1, and its bytes."""
    return [(number, line.bytes) for number, line in enumerate(lines, 1) if line.data is None]


def rewrite(store: Store, place: Place, file: DataFile, lines: Iterable[Line]) -> int:
    """Write a file's lines under its own name elsewhere, a blank one for each that is too large; return its bytes."""
    packer = zlib.compressobj(1, wbits=31) if file.gzip else None
    with store.writer(place.bucket, place.prefix + file.key) as writer:
        for line in lines:
            data = b"\n" if line.data is None else line.data
            writer.write(data if packer is None else packer.compress(data))
        if packer is not None:
            writer.write(packer.flush())
    return writer.bytes
