"""A model's data: from this AWS's S3 to the folder that a container sees as ``/opt/ml/model``."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tarfile
import tempfile
import threading
from pathlib import Path, PurePosixPath
from typing import Any

from botocore.exceptions import ClientError


class ModelDataError(Exception):
    """The data is not there, or no archive that may be unpacked."""


class ModelCache:
    """Archives that are unpacked already, read-only, each under its place and version: the next one is a link."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def link(self, s3: Any, uri: str, target: Path) -> None:
        """Have ``target``, which is not there yet, show what is in an archive.

        **Raises**: ``ModelDataError``, and ``ClientError`` for an archive that is not there.
        """
        bucket, key = split_uri(uri)
        version = f"{s3.meta.region_name} {uri} {s3.head_object(Bucket=bucket, Key=key)['ETag']}"
        unpacked = self._folder / hashlib.sha256(version.encode()).hexdigest()[:32]
        with self._lock:
            if not unpacked.exists():
                self._folder.mkdir(parents=True, exist_ok=True)
                scratch = Path(tempfile.mkdtemp(dir=self._folder))
                try:
                    _unpack(s3, uri, scratch)
                except BaseException:
                    shutil.rmtree(scratch)
                    raise
                scratch.rename(unpacked)
                _set_writable(unpacked, writable=False)
        target.symlink_to(unpacked, target_is_directory=True)


def fetch_model(s3: Any, container: dict[str, Any], target: Path, cache: ModelCache) -> None:
    """Bring the data of a container's definition to ``target``, which is made, read-only.

    **Raises**: ``ModelDataError``.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    source = (container.get("ModelDataSource") or {}).get("S3DataSource")
    archive = container.get("ModelDataUrl") or container.get("ArtifactUrl")
    try:
        if source and source["CompressionType"] == "Gzip":
            cache.link(s3, source["S3Uri"], target)
            return
        if archive and not source:
            cache.link(s3, archive, target)
            return
        target.mkdir()
        if source and source["S3DataType"] == "S3Prefix":
            _fetch_prefix(s3, source["S3Uri"], target)
        elif source:
            bucket, key = split_uri(source["S3Uri"])
            s3.download_file(bucket, key, str(target / PurePosixPath(key).name))
    except ClientError as error:
        raise ModelDataError(f"{error.response['Error'].get('Message', error)}") from error
    _set_writable(target, writable=False)


def remove_model(target: Path) -> None:
    """Remove what ``fetch_model`` has made; what is not there is no error."""
    if target.is_symlink():
        target.unlink()  # the archive stays unpacked, for the next one
    elif target.exists():
        _set_writable(target, writable=True)
        shutil.rmtree(target)


def remove_models(folder: Path) -> None:
    """Remove the models of a generation's variants; their logs stay."""
    for model in folder.glob("*/model"):
        remove_model(model)


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of ``s3://bucket/key``."""
    bucket, _, key = uri.partition("://")[2].partition("/")
    return bucket, key


def _fetch_prefix(s3: Any, uri: str, target: Path) -> None:
    bucket, prefix = split_uri(uri)
    found = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            name = PurePosixPath(item["Key"].removeprefix(prefix))
            if item["Key"].endswith("/"):
                continue  # what a console makes for an empty folder
            if name.is_absolute() or ".." in name.parts:
                raise ModelDataError(f"the key {item['Key']} leads out of the model's folder")
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, item["Key"], str(path))
            found += 1
    if not found:
        raise ModelDataError(f"Could not find model data at {uri}.")


def _unpack(s3: Any, uri: str, target: Path) -> None:
    bucket, key = split_uri(uri)
    with tempfile.TemporaryFile() as packed:
        s3.download_fileobj(bucket, key, packed)
        packed.seek(0)
        try:
            with tarfile.open(fileobj=packed, mode="r:gz") as archive:
                archive.extractall(target, filter="data")  # nothing outside, no devices, no foreign owners
        except (tarfile.TarError, OSError, EOFError) as error:
            raise ModelDataError(f"{uri} is no tar.gz that can be unpacked: {error}") from error


def _set_writable(target: Path, *, writable: bool) -> None:
    for folder, _, files in os.walk(target):
        Path(folder).chmod(0o755 if writable else 0o555)
        for name in files:
            with contextlib.suppress(FileNotFoundError):  # a link to nowhere
                (Path(folder) / name).chmod(0o644 if writable else 0o444)
