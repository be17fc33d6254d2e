"""The model artifact that SageMaker unpacks at ``/opt/ml/model``: a checkpoint, and ``code/`` beside it.

    python -m jina_v3_infra.artifact MODEL_FOLDER OUT

``OUT`` that ends in ``.tar.gz`` becomes an archive (endpoints and batch transform), anything else a folder (endpoints,
as an uncompressed S3 prefix). ``code/`` is a copy of the ``inference/`` source root. The same input gives the same
bytes. This module knows nothing of AWS, and of what the files mean only their names.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import shutil
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from jina_v3 import contract

CODE_FOLDER: Final = "code"

_FOREIGN_WEIGHTS: Final = frozenset({".onnx", ".onnx_data", ".bin", ".pt", ".pth", ".h5", ".msgpack", ".ot"})
"""Weights in forms that the encoder does not read; they would only make the artifact larger."""

_NOT_CODE: Final = frozenset({"Dockerfile", "image"})
"""What the source root has for the container's image alone."""

_IN_IMAGE: Final = _NOT_CODE | {"jina_v3"}
"""What the image is built from; ``.dockerignore`` leaves the same."""

_COMPRESSION_LEVEL: Final = 1
"""Weights hardly compress: the highest level would take many times as long for some percent."""


class ArtifactError(Exception):
    """A model folder or the source root lacks what an artifact needs, or the output is in the way."""


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """A file of the artifact: its name in it, and where its content lies."""

    name: str
    source: Path


def list_members(model_folder: Path, source_root: Path | None = None) -> list[Member]:
    """Return every file of an artifact, sorted by name: the checkpoint's and ``code/``.

    **Raises**: ``ArtifactError``.
    """
    return sorted(list_model(model_folder) + list_code(source_root))


def list_model(model_folder: Path) -> list[Member]:
    """Return the checkpoint's files. Hidden ones, a ``code`` folder and weights in foreign forms are left out.

    **Raises**: ``ArtifactError`` where it is no model folder.
    """
    model = [
        Member(name, path)
        for name, path in _walk(model_folder)
        if not name.startswith(f"{CODE_FOLDER}/") and path.suffix not in _FOREIGN_WEIGHTS
    ]
    names = {member.name for member in model}
    if "config.json" not in names or not any(name.endswith(".safetensors") for name in names):
        raise ArtifactError(f"{model_folder} is no model folder: it needs config.json and *.safetensors")
    return model


def list_code(source_root: Path | None = None) -> list[Member]:
    """Return the artifact's ``code/``, which is the source root without what only the image needs.

    **Raises**: ``ArtifactError``.
    """
    return [
        Member(f"{CODE_FOLDER}/{member.name}", member.source)
        for member in _sources(source_root)
        if member.name.partition("/")[0] not in _NOT_CODE
    ]


def list_image_sources(source_root: Path | None = None) -> list[Member]:
    """Return what the container's image is built from: the Dockerfile and what it copies.

    **Raises**: ``ArtifactError``.
    """
    return [member for member in _sources(source_root) if member.name.partition("/")[0] in _IN_IMAGE]


def find_source_root() -> Path:
    """Return the ``inference/`` folder that this process imports ``jina_v3`` from.

    **Raises**: ``ArtifactError`` where the package was installed without it.
    """
    root = Path(contract.__file__).resolve().parents[1]
    if not (root / "inference.py").is_file():
        raise ArtifactError(f"{root} has no inference.py; run this from a checkout, installed with pip install -e")
    return root


def write_artifact(model_folder: Path, out: Path, *, source_root: Path | None = None) -> Path:
    """Write the artifact as a tar.gz and return its path; an earlier one is replaced once the new one is whole.

    Names, modes, owners and times do not depend on when, where and by whom it is written.

    **Raises**: ``ArtifactError``.
    """
    members = list_members(model_folder, source_root)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        with (
            partial.open("wb") as raw,
            gzip.GzipFile("", "wb", _COMPRESSION_LEVEL, raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for member in members:
                _add(archive, member)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return out


def write_model_folder(model_folder: Path, out: Path, *, source_root: Path | None = None) -> Path:
    """Write the artifact as a folder and return its path; weights are hard-linked where the disk is the same.

    **Raises**: ``ArtifactError`` where ``out`` is there already and not empty.
    """
    members = list_members(model_folder, source_root)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ArtifactError(f"{out} is there already; give a new or an empty folder")
    for member in members:
        target = out / member.name
        target.parent.mkdir(parents=True, exist_ok=True)
        _link_or_copy(member.source.resolve(), target)
    return out


def _sources(source_root: Path | None) -> list[Member]:
    root = find_source_root() if source_root is None else source_root
    return [Member(name, path) for name, path in _walk(root) if path.suffix != ".pyc"]


def _walk(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files under a folder with their names from it, hidden ones and byte code left out."""
    if not root.is_dir():
        raise ArtifactError(f"{root} is no folder")
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__pycache__")
        for name in files:
            path = Path(folder) / name
            if not name.startswith("."):
                yield path.relative_to(root).as_posix(), path


def _add(archive: tarfile.TarFile, member: Member) -> None:
    entry = tarfile.TarInfo(member.name)  # mode 0644, no owner, time 0
    entry.size = member.source.stat().st_size
    with member.source.open("rb") as content:
        archive.addfile(entry, content)


def _link_or_copy(source: Path, target: Path) -> None:
    if source.suffix == ".safetensors":  # the rest is small, and edits to code must not reach the artifact
        try:
            os.link(source, target)
        except OSError:  # another disk, or one without hard links
            shutil.copyfile(source, target)
    else:
        shutil.copyfile(source, target)


def main() -> NoReturn:
    """Write an artifact and print its size and, of an archive, its sha256."""
    parser = argparse.ArgumentParser(prog="python -m jina_v3_infra.artifact", description="Pack a model for SageMaker.")
    parser.add_argument("model_folder", type=Path, help="the folder with config.json and *.safetensors")
    parser.add_argument("out", type=Path, help="a file that ends in .tar.gz, or a folder")
    arguments = parser.parse_args()
    try:
        if arguments.out.name.endswith(".tar.gz"):
            out = write_artifact(arguments.model_folder, arguments.out)
            with out.open("rb") as packed:
                digest = hashlib.file_digest(packed, "sha256").hexdigest()
            sys.stdout.write(f"{out}  {out.stat().st_size} bytes  sha256 {digest}\n")
        else:
            out = write_model_folder(arguments.model_folder, arguments.out)
            size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
            sys.stdout.write(f"{out}  {size} bytes\n")
    except (ArtifactError, OSError) as error:
        sys.exit(f"{error}")
    sys.exit(0)


if __name__ == "__main__":
    main()
