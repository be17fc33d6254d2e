"""Which files go into which transform job, and which of a job's files are verified together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from jina_v3_batch.dataset import DataFile, read_file
from jina_v3_batch.outputs import kept_parts
from jina_v3_batch.places import Place, read_place

FILES_PER_JOB: Final = 2000
"""At most: what a failed or lost job puts at stake, and a manifest of a few hundred KB."""
OUTPUT_BYTES_PER_JOB: Final = 2_000_000_000_000
HOURS_PER_JOB: Final = 24.0
_LEAST_HOURS_PER_JOB: Final = 0.5
"""Less work than this is not worth a further job, whose machines start for ten minutes."""

GROUPS: Final = 100
"""Of a job at most: the results of an inline Map stay far below Step Functions' 256 KB and 25,000 events."""
GROUP_BYTES: Final = 2_000_000_000
"""At least, where there is so much: half a minute's reading."""


@dataclass(frozen=True, slots=True)
class FileSet:
    """Files below one place, which is the prefix of their jobs' manifests."""

    place: Place
    files: tuple[DataFile, ...]


@dataclass(frozen=True, slots=True)
class JobFiles:
    """The files of one transform job; all are gzip'd, or none.

    ``kept`` are the parts of the prefix that may stand in the names of outputs.
    """

    place: Place
    gzip: bool
    files: tuple[DataFile, ...]
    kept: tuple[str, ...] = ("",)

    def describe(self) -> dict[str, Any]:
        """Return it as JSON."""
        files = [file.describe() for file in self.files]
        return {"prefix": self.place.uri, "gzip": self.gzip, "kept": list(self.kept), "files": files}


def read_job(value: dict[str, Any]) -> JobFiles:
    """Read what ``describe`` wrote."""
    files = tuple(read_file(file) for file in value["files"])
    return JobFiles(read_place(value["prefix"], "prefix"), value["gzip"], files, tuple(value["kept"]))


def plan_jobs(
    sets: Sequence[FileSet], *, lanes: int, instances: int, expansion: float, output_ratio: float, hours_per_byte: float
) -> list[JobFiles]:
    """Deal files into jobs of about the same bytes.

    ``lanes`` jobs run at a time. ``expansion`` is unpacked bytes for one of gzip, ``output_ratio`` bytes out for an
    unpacked one, ``hours_per_byte`` of one machine for an unpacked one.
    """
    jobs: list[JobFiles] = []
    for one in sets:
        kept = kept_parts(one.place, (file.key for file in one.files))
        for gzip in (False, True):
            files = [file for file in one.files if file.gzip is gzip]
            if files:
                unpacked = sum(file.unpacked(expansion) for file in files)
                hours, output = unpacked * hours_per_byte / instances, unpacked * output_ratio
                count = max(
                    math.ceil(len(files) / FILES_PER_JOB),
                    math.ceil(output / OUTPUT_BYTES_PER_JOB),
                    math.ceil(hours / HOURS_PER_JOB),
                    min(lanes, math.ceil(hours / _LEAST_HOURS_PER_JOB), math.ceil(len(files) / instances)),
                )
                count = count if count <= lanes else math.ceil(count / lanes) * lanes  # no lane ends before the others
                jobs += [JobFiles(one.place, gzip, part, kept) for part in deal(files, min(count, len(files)))]
    return jobs


def deal(files: Sequence[DataFile], count: int) -> list[tuple[DataFile, ...]]:
    """Deal files into so many parts, to and fro from the largest down: as many to each, and about as many bytes."""
    parts: list[list[DataFile]] = [[] for _ in range(count)]
    ordered = sorted(files, key=lambda file: (-file.bytes, file.key))
    for index, file in enumerate(ordered):
        turn, at = divmod(index, count)
        parts[at if turn % 2 == 0 else count - 1 - at].append(file)
    return [tuple(sorted(part, key=lambda file: file.key)) for part in parts]


def group_files(sizes: Sequence[tuple[int, float]], output_ratio: float) -> list[list[int]]:
    """Put a job's files, each an index and its bytes, into at most ``GROUPS`` groups to be verified together."""
    weights = [size * (1 + output_ratio) for _, size in sizes]
    most = max(GROUP_BYTES, sum(weights) / (GROUPS - 1))
    groups: list[list[int]] = []
    held = most
    for (index, _), weight in zip(sizes, weights, strict=True):
        if held >= most:
            groups.append([])
            held = 0.0
        groups[-1].append(index)
        held += weight
    return groups
