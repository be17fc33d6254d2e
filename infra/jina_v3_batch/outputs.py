"""Where a transform job puts the output of an input file.

AWS's documents do not agree on how much of the input's prefix comes before the file's own name, so every possibility is
looked at, the plain one first.

**Source**: ``TransformOutput.S3OutputPath``: ``s3://bucket-name/input-name-prefix/dataset01/data.csv`` becomes
``s3://bucket-name/output-name-prefix/input-name-prefix/data.csv.out``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from jina_v3_batch.places import Place
from jina_v3_batch.store import Store

SUFFIX: Final = ".out"
SHARDS: Final = ".shards/"
"""Stands between the name of a file that was cut and those of its shards."""


def kept_parts(source: Place, keys: Iterable[str]) -> tuple[str, ...]:
    """Return which parts of a manifest's prefix may stand before a file's key in its output's name.

    A part that also begins a file's key is left out: the output of one file would be taken for another's.
    """
    folders = source.prefix.rstrip("/").split("/") if source.prefix else []
    parts = ["/".join(folders[at:]) + "/" for at in range(len(folders) - 1, -1, -1)]
    parts.append(source.uri.removeprefix("s3://"))
    begun = {part for key in keys for part in parts if key.startswith(part)}
    return ("", *(part for part in dict.fromkeys(parts) if part not in begun))


def candidates(output: Place, kept: Sequence[str], key: str) -> list[str]:
    """Return the keys an output may have, for a file's key relative to its manifest's prefix."""
    return [f"{output.prefix}{part}{key}{SUFFIX}" for part in kept]


def whole_output(key: str) -> str:
    """Return the name that the output of a shard's file would have if it had not been cut."""
    name, cut, _ = key.partition(SHARDS)
    return f"{name}{SUFFIX}" if cut else key


def find_output(store: Store, output: Place, kept: Sequence[str], key: str) -> str | None:
    """Return the key of a file's output, None where there is none."""
    return next((one for one in candidates(output, kept, key) if store.size(output.bucket, one) is not None), None)
