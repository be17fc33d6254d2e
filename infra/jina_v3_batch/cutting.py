"""Which files are cut into shards before anything is embedded, and into which pieces of work that cutting falls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from jina_v3_batch.dataset import DataFile, total_bytes
from jina_v3_batch.errors import PreflightError
from jina_v3_batch.sizing import MEBIBYTE, SHARD_BYTES, Density, largest_file, shard_bytes

_IDLE_BYTES: Final = 8 * MEBIBYTE
"""A file below this is not cut to keep machines busy: it is minutes of work."""
_SHARDS_PER_MACHINE: Final = 4
MAX_SHARDS: Final = 200_000
MAX_GZIP_BYTES: Final = 4 * 1024 * MEBIBYTE
"""One call of 15 minutes unpacks and writes about so much: gzip cannot be read from the middle."""
_PIECE_BYTES: Final = SHARD_BYTES


@dataclass(frozen=True, slots=True)
class Cuts:
    """What is cut, and how large the shards are to be."""

    files: tuple[DataFile, ...]
    shard_bytes: int


def choose_cuts(files: Sequence[DataFile], density: Density, machines: int) -> Cuts:
    """Choose the text files to be cut: those that are too large, and all if machines would idle.

    **Raises**: ``PreflightError`` where gzip is too large for one call, or shards would be too many.
    """
    most, target = largest_file(density), shard_bytes(density)
    unpacked = {file.key: file.unpacked(density.expansion) for file in files}
    if len(files) < machines and max(unpacked.values()) >= _IDLE_BYTES:
        most = min(most, _IDLE_BYTES)
        target = min(target, max(MEBIBYTE, int(sum(unpacked.values()) / (machines * _SHARDS_PER_MACHINE))))
    chosen = tuple(file for file in files if unpacked[file.key] >= most)
    _check(chosen, sum(unpacked[file.key] for file in chosen) / target)
    return Cuts(chosen, target)


def plan_pieces(cuts: Cuts) -> list[dict[str, Any]]:
    """Return the work of cutting: a range of bytes each, which becomes a shard or many, or a whole gzip'd file."""
    small = cuts.shard_bytes < MEBIBYTE
    pieces: list[dict[str, Any]] = []
    for file in cuts.files:
        step = file.bytes if file.gzip else _PIECE_BYTES if small else cuts.shard_bytes
        most = cuts.shard_bytes if small or file.gzip else None
        piece = {"key": file.key, "etag": file.etag, "shard_bytes": most}
        pieces += [
            {**piece, "first": first, "end": min(first + step, file.bytes)} for first in range(0, file.bytes, step)
        ]
    return pieces


def _check(chosen: Sequence[DataFile], shards: float) -> None:
    large = next((file for file in chosen if file.gzip and file.bytes > MAX_GZIP_BYTES), None)
    if large is not None:
        raise PreflightError(
            f"{large.key} has {large.bytes:,} bytes of gzip, which is read in one go and may have "
            f"{MAX_GZIP_BYTES:,}; unpack it, or write several files"
        )
    if shards > MAX_SHARDS:
        raise PreflightError(
            f"records are so small, and their vectors so large, that answers fit only from {shards:,.0f} shards, and "
            f"{MAX_SHARDS:,} are allowed ({total_bytes(chosen):,} bytes are to be cut); ask for a smaller "
            f'"embedding_type" (base64, int8, binary) or fewer "dimensions"'
        )
