"""The step ``reshard``: a piece of a large text file becomes shards that end at line ends, in constant memory.

A record that is too large to be sent is set aside and leaves a blank line, so that the lines after it keep their
numbers. How many lines come before a piece is known once all pieces are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from jina_v3_batch.dataset import DataFile
from jina_v3_batch.errors import RunStateError
from jina_v3_batch.lines import Line, is_blank, read_chunks, split_lines, unpack
from jina_v3_batch.outputs import SHARDS
from jina_v3_batch.places import Place, read_place
from jina_v3_batch.run import Run

_FOLDER: Final = "shards"


def shards_place(run: Run) -> Place:
    """Return where a run's shards are."""
    return run.place.below(_FOLDER)


def reshard(run: Run, event: Mapping[str, Any]) -> dict[str, Any]:
    """Cut one piece; ``event`` is an item of ``pieces.json``. Doing it again writes the same again."""
    lines = _open_piece(run, event)
    cutter = _Cutter(run, event)
    with cutter:
        for line in lines:
            cutter.take(line)
    result = {"shards": cutter.shards, "lines": cutter.lines}
    run.write(f"pieces/{event['piece']}.json", result)
    return {"piece": event["piece"], "shards": len(cutter.shards), "lines": cutter.lines}


def gather_shards(run: Run, pieces: Sequence[Mapping[str, Any]]) -> list[DataFile]:
    """Return the shards of all pieces, in order, each with the lines before it in its source.

    **Raises**: ``RunStateError`` where a piece was not cut.
    """
    shards: list[DataFile] = []
    lines_before: dict[str, int] = {}
    for number, piece in enumerate(pieces):
        result = run.find(f"pieces/{number}.json")
        if result is None:
            raise RunStateError(
                f"bytes {piece['first']:,} to {piece['end']:,} of {piece['key']} could not be cut into shards; the "
                f"log of the function says why"
            )
        before = lines_before.get(piece["key"], 0)
        shards += [_shard(shard, piece, before) for shard in result["shards"]]
        lines_before[piece["key"]] = before + result["lines"]
    return shards


def _shard(shard: Mapping[str, Any], piece: Mapping[str, Any], before: int) -> DataFile:
    return DataFile(
        key=shard["key"],
        bytes=shard["bytes"],
        etag=piece["etag"],
        source=piece["key"],
        lines_before=before + shard["first_line"],
        aside=tuple((before + line, size) for line, size in shard["aside"]),
    )


def piece_lines(chunks: Iterator[bytes], first: int, end: int, most_bytes: int) -> Iterator[Line]:
    """Yield the lines that begin in a range of bytes; ``chunks`` begin one byte before it, but at a file's beginning.

    The line to which the byte before the range belongs is the piece's before it.
    """
    at = max(0, first - 1)
    lines = split_lines(chunks, most_bytes)
    if first:
        at += next(lines, Line(b"", 0)).bytes
    for line in lines:
        if at >= end:
            return
        yield line
        at += line.bytes


def _open_piece(run: Run, event: Mapping[str, Any]) -> Iterator[Line]:
    dataset = read_place(event["dataset"], "dataset")
    first, end, most = event["first"], event["end"], event["largest_record"]
    key = dataset.prefix + event["key"]
    chunks = read_chunks(run.store.stream(dataset.bucket, key, max(0, first - 1), event["etag"]))
    if event["key"].endswith(".gz"):
        return split_lines(unpack(chunks), most)
    return piece_lines(chunks, first, end, most)


class _Cutter:
    """Writes lines into shards; one that holds nothing but blank lines is not kept."""

    def __init__(self, run: Run, event: Mapping[str, Any]) -> None:
        self._run = run
        suffix = event["key"].removesuffix(".gz").rpartition(".")[2]
        self._name = f"{event['key']}{SHARDS}{event['piece']:06d}-{{:05d}}.{suffix}"
        self._most: int | None = event["shard_bytes"]
        self._writer: Any = None
        self._key = ""
        self._aside: list[list[int]] = []
        self._filled = False
        self._first_line = 0
        self.shards: list[dict[str, Any]] = []
        self.lines = 0

    def __enter__(self) -> _Cutter:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            self._end()
        elif self._writer is not None:
            self._writer.__exit__(kind, error, trace)

    def take(self, line: Line) -> None:
        """Write a line; a shard that is full ends before it."""
        if self._most and self._writer is not None and self._writer.bytes + line.bytes > self._most:
            self._end()
        if self._writer is None:
            self._begin_shard()
        self.lines += 1
        if line.data is None:
            self._aside.append([self.lines, line.bytes])
            self._writer.write(b"\n")
            return
        self._filled = self._filled or not is_blank(line.data)
        self._writer.write(line.data if line.data.endswith(b"\n") else line.data + b"\n")

    def _begin_shard(self) -> None:
        self._aside, self._filled = [], False
        self._first_line = self.lines
        self._key = self._name.format(len(self.shards))
        place = shards_place(self._run)
        self._writer = self._run.store.writer(place.bucket, place.prefix + self._key)

    def _end(self) -> None:
        if self._writer is None:
            return
        self._writer.__exit__(None, None, None)
        if self._filled or self._aside:
            self.shards.append(
                {"key": self._key, "bytes": self._writer.bytes, "first_line": self._first_line, "aside": self._aside}
            )
        self._writer = None
