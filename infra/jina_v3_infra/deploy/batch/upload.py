"""A dataset of this machine into the deployment's bucket, under a name that follows from its content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from jina_v3_infra.checksums import sha256
from jina_v3_infra.deploy.failures import CommandError, absent
from jina_v3_infra.prefixes import BATCH_DATASETS
from jina_v3_infra.progress import ByteProgress

SUFFIXES: Final = (".jsonl", ".jsonlines", ".ndjson", ".json", ".csv", ".parquet")
_DIGITS: Final = 12


def list_files(path: Path, *, any_name: bool = False) -> tuple[dict[str, Path], list[str]]:
    """Return the data files under a path by their names from it, and the names of what is no data by its name.

    Hidden ones, and those behind ``_``, are in neither. ``any_name``: all are data, as their format is said.

    **Raises**: ``CommandError`` where there are none.
    """
    if path.is_file():
        found = {path.name: path}
    else:
        found = {
            one.relative_to(path).as_posix(): one
            for one in sorted(path.rglob("*"))
            if one.is_file() and not any(part.startswith((".", "_")) for part in one.relative_to(path).parts)
        }
    data = {name: one for name, one in found.items() if any_name or name.removesuffix(".gz").lower().endswith(SUFFIXES)}
    if not data:
        raise CommandError(
            f"{path} has no data: files are {', '.join(SUFFIXES)}, any but Parquet with .gz behind it too, "
            f"and here {'is ' + ', '.join(list(found)[:3]) if found else 'is nothing'}"
        )
    return data, [name for name in found if name not in data]


def upload_dataset(
    s3: Any, bucket: str, path: Path, files: Mapping[str, Path], *, progress: bool = True
) -> tuple[str, int]:
    """Bring files of a path there; return their place, and how many were sent.

    The place has a digest of the content in its name: the same data is sent once, and another is not mixed with it.
    """
    whole = hashlib.sha256()
    for name, one in sorted(files.items()):
        whole.update(f"{name}\0{sha256(one)}\n".encode())
    name = path.resolve().name.partition(".")[0] if path.is_file() else path.resolve().name
    shown = "".join(one if one.isascii() and (one.isalnum() or one in "._-") else "-" for one in name)
    prefix = f"{BATCH_DATASETS}{shown or 'data'}-{whole.hexdigest()[:_DIGITS]}/"
    missing = {key: one for key, one in files.items() if _size(s3, bucket, prefix + key) != one.stat().st_size}
    total_bytes = sum(one.stat().st_size for one in missing.values())
    with ByteProgress(total_bytes, name, verb="uploaded", enabled=progress) as shown_bytes:
        for key, one in missing.items():
            s3.upload_file(str(one), bucket, prefix + key)
            shown_bytes.advance(one.stat().st_size)
    return f"s3://{bucket}/{prefix}", len(missing)


def _size(s3: Any, bucket: str, key: str) -> int | None:
    try:
        return int(s3.head_object(Bucket=bucket, Key=key)["ContentLength"])
    except ClientError as error:
        if absent(error):
            return None
        raise
