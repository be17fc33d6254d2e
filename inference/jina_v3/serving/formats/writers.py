"""Answers as bytes, whole or part by part: what a writer is, and those of JSON.

A writer is opened once for a response and given its answer, or the answers of its parts in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import orjson

from jina_v3.serving.exchange import Answer, Layout, Row
from jina_v3.serving.formats.json_values import write_unknown

_JSON_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY
_LINE_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE


class ResponseWriter(Protocol):
    """A response that is being written; everything it is of is what ``part`` and ``end`` return, in order.

    ``headers`` belong to the response besides its content type; they are there once ``end`` has been called, and only
    where one answer is the whole.
    """

    media_type: str
    headers: Mapping[str, str]

    def part(self, answer: Answer) -> bytes:
        """Write the next rows; what cannot be written before the end is kept."""

    def end(self) -> bytes:
        """Write what comes after the last row."""


class JsonLinesWriter:
    """Each row on a line of its own, every line ended."""

    def __init__(self, media_type: str) -> None:
        self.media_type = media_type
        self.headers: Mapping[str, str] = {}

    def part(self, answer: Answer) -> bytes:
        """Write the rows' lines."""
        return b"".join([orjson.dumps(item, write_unknown, _LINE_OPTIONS) for item in answer.items()])

    def end(self) -> bytes:
        """Write nothing more."""
        return b""


class JsonWriter:
    """One JSON value. Items that stand in a frame are written as they come; else everything waits for the end."""

    def __init__(self, media_type: str) -> None:
        self.media_type = media_type
        self.headers: Mapping[str, str] = {}
        self._layout: Layout | None = None
        self._dimensions: int | None = None
        self._waiting: list[Row] = []
        self._items = 0

    def part(self, answer: Answer) -> bytes:
        """Write the rows if their layout has a frame."""
        layout, first = answer.layout, self._layout is None
        self._layout = layout
        self._dimensions = answer.dimensions or self._dimensions  # a part may have errors alone
        if layout.frame is None:
            self._waiting += answer.rows
            return b""
        items = answer.items(framed=True)
        written = orjson.dumps(items, write_unknown, _JSON_OPTIONS)[1:-1]
        before = layout.frame(self._dimensions)[0] if first else b"," if items and self._items else b""
        self._items += len(items)
        return before + written

    def end(self) -> bytes:
        """Write the rest, or everything."""
        if self._layout is None:
            return b"[]"
        if self._layout.frame is not None:
            return self._layout.frame(self._dimensions)[1]
        whole = self._layout.whole(self._waiting, self._dimensions) if self._layout.whole else []
        return orjson.dumps(whole, option=_JSON_OPTIONS)


def list_frame(_dimensions: int | None) -> tuple[bytes, bytes]:
    """Return the frame of items that are one list."""
    return b"[", b"]"


def data_frame(parameters: Callable[[int | None], Mapping[str, Any]]) -> Callable[[int | None], tuple[bytes, bytes]]:
    """Return the frame of jina-sagemaker's shape: the items are ``data``, and the parameters follow them."""

    def frame(dimensions: int | None) -> tuple[bytes, bytes]:
        return b'{"data":[', b'],"parameters":' + orjson.dumps(parameters(dimensions)) + b"}"

    return frame


def in_groups(counts: Sequence[int], most: int) -> list[slice]:
    """Cut things that count for so much each into runs of at most ``most``; one that counts for more is alone."""
    groups: list[slice] = []
    start = total = 0
    for index, count in enumerate(counts):
        if total + count > most and index > start:
            groups.append(slice(start, index))
            start, total = index, 0
        total += count
    return [*groups, slice(start, len(counts))]
