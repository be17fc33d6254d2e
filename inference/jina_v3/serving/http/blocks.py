"""Cutting a stream of records into blocks that each hold some whole records, so that none waits for all."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from jina_v3.serving.formats.media_types import JSON_LINES_NAMES

_QUOTE: Final = ord('"')
_LINE_END: Final = re.compile(rb"\n")
_LINE_END_OR_QUOTE: Final = re.compile(rb'[\n"]')


@dataclass(frozen=True, slots=True)
class Block:
    """Some records of a body. ``first_line`` is the number of its first line in the body, from 1."""

    first_line: int
    data: bytes


@dataclass(slots=True)
class Cutter:
    """Cuts after a line end. With ``quoted`` only where no quotation is open, as CSV has it (RFC 4180).

    **Units**: a block is full with ``most_records`` or ``most_bytes``, and one record alone may have more bytes.
    """

    quoted: bool
    most_records: int = 512
    most_bytes: int = 2**20
    _line: int = 1
    _rest: bytearray = field(default_factory=bytearray)
    _searched: int = 0  # how many bytes of the rest have been looked at
    _records: int = 0  # that are whole in the rest
    _lines: int = 0  # line ends in the rest
    _in_quotes: bool = False

    def feed(self, part: bytes) -> Iterator[Block]:
        """Yield the blocks that are full."""
        data, start = self._rest, 0
        data += part
        for found in (_LINE_END_OR_QUOTE if self.quoted else _LINE_END).finditer(data, self._searched):
            if data[found.start()] == _QUOTE:
                self._in_quotes = not self._in_quotes
                continue
            self._lines += 1
            if self._in_quotes:
                continue
            self._records += 1
            if self._records >= self.most_records or found.end() - start >= self.most_bytes:
                yield Block(self._line, bytes(data[start : found.end()]))
                start = found.end()
                self._line += self._lines
                self._records = self._lines = 0
        del data[:start]
        self._searched = len(data)

    def rest(self) -> Block:
        """Return what is left at the end, which may be nothing; its last line may have no end."""
        return Block(self._line, bytes(self._rest))


def cutter_for(content_type: str | None) -> Cutter | None:
    """Return what cuts bodies of a content type, or None where a body is no stream of records."""
    media_type, *parameters = (part.strip().lower() for part in (content_type or "").split(";"))
    if media_type in JSON_LINES_NAMES:
        return Cutter(quoted=False)
    if media_type == "text/csv" and "header=present" not in parameters:  # only the first block would have the header
        return Cutter(quoted=True)
    return None


async def cut(parts: AsyncGenerator[bytes], cutter: Cutter) -> AsyncGenerator[Block]:
    """Cut a body as it comes into blocks: at least one, for a body without records is answered too."""
    cut_any = False
    async with aclosing(parts):
        async for part in parts:
            for block in cutter.feed(part):
                yield block
                cut_any = True
    last = cutter.rest()
    if last.data or not cut_any:
        yield last
