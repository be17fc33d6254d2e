"""Cutting a stream of records into blocks that each hold some whole records, so that none waits for all."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

from jina_v3.serving.formats.media_types import JSON_LINES_NAMES

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
    _rest: bytes = b""
    _searched: int = 0  # how many bytes of the rest have no end of a record
    _lines_passed: int = 0  # line ends within them, in quotations
    _in_quotes: bool = False

    def feed(self, part: bytes) -> Iterator[Block]:
        """Yield the blocks that are full."""
        data = self._rest + part
        start, records, line = 0, 0, self._line
        lines, end = self._lines_passed, 0
        for found in (_LINE_END_OR_QUOTE if self.quoted else _LINE_END).finditer(data, self._searched):
            if data[found.start()] == ord('"'):
                self._in_quotes = not self._in_quotes
                continue
            lines += 1
            if self._in_quotes:
                continue
            records, end = records + 1, found.end()
            if records >= self.most_records or end - start >= self.most_bytes:
                yield Block(line, data[start:end])
                start, records, line, lines = end, 0, line + lines, 0
        self._rest, self._searched = data[start:], len(data) - start
        self._line, self._lines_passed = line, lines

    def rest(self) -> Iterator[Block]:
        """Yield what is left at the end; its last line may have no end."""
        if self._rest:
            yield Block(self._line, self._rest)


def cutter_for(content_type: str | None) -> Cutter | None:
    """Return what cuts bodies of a content type, or None where a body is no stream of records."""
    media_type, *parameters = (part.strip().lower() for part in (content_type or "").split(";"))
    if media_type in JSON_LINES_NAMES:
        return Cutter(quoted=False)
    if media_type == "text/csv" and "header=present" not in parameters:  # only the first block would have the header
        return Cutter(quoted=True)
    return None


async def cut(parts: AsyncIterator[bytes], cutter: Cutter) -> AsyncIterator[Block]:
    """Cut a body as it comes into blocks."""
    async for part in parts:
        for block in cutter.feed(part):
            yield block
    for block in cutter.rest():
        yield block
