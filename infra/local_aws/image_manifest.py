"""What an image without a container engine is: its Dockerfile as far as it can be read, its manifest by its sources.

It knows no registry and no build.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MANIFEST_TYPE: Final = "application/vnd.docker.distribution.manifest.v2+json"
_ARGUMENT: Final = re.compile(r"ARG\s+(\w+)(?:=(\S*))?")
_FROM: Final = re.compile(r"FROM\s+(?:--\S+\s+)*(\S+)")
_VARIABLE: Final = re.compile(r"\$\{?(\w+)\}?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """What of a Dockerfile tells which image it would make: the base of its last stage, and its build of torch."""

    base: str
    torch: str


def read_dockerfile(path: Path, arguments: Mapping[str, str]) -> Dockerfile:
    """Read a Dockerfile with the build arguments that are given."""
    defaults: dict[str, str] = {}
    base = "none"
    for line in path.read_text().splitlines():
        if match := _ARGUMENT.match(line):
            defaults.setdefault(match[1], match[2] or "")
        elif match := _FROM.match(line):
            base = match[1]
    values = {**defaults, **{name: value for name, value in arguments.items() if name in defaults}}
    return Dockerfile(
        base=_VARIABLE.sub(lambda variable: values.get(variable[1], variable[0]), base),
        torch=values.get("TORCH") or "not named",
    )


def list_files(folder: Path) -> list[Path]:
    """Return the files of a folder, in an order that does not change."""
    return sorted(item for item in folder.rglob("*") if item.is_file())


def make_manifest(folder: Path, arguments: Mapping[str, str]) -> dict[str, Any]:
    """Make the manifest of an image whose one layer is named by the sources and the arguments."""
    whole, size = hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()), 0
    for path in list_files(folder):
        content = path.read_bytes()
        whole.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
        size += len(content)
    digest = whole.hexdigest()
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": 1024,
            "digest": f"sha256:{hashlib.sha256(digest.encode()).hexdigest()}",
        },
        "layers": [
            {
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "size": size,
                "digest": f"sha256:{digest}",
            }
        ],
    }
