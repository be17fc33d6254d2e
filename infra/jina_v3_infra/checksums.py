"""What a file must be, and the record of having checked it; knows nothing of networks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

_READ_BYTES = 4 * 1024 * 1024
_MANIFEST_VERSION = 1


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository at one commit, as the hub's listing describes it.

    Large files (LFS) have a sha256; small ones only have git's blob id, a sha1 over a header and the content.

    **Units**: ``size_bytes`` in bytes; ``digest`` in lower-case hexadecimal digits.
    """

    path: str
    size_bytes: int
    algorithm: Literal["sha256", "git-blob"]
    digest: str

    def matches(self, path: Path) -> bool:
        """Say whether the file at ``path`` has this size and this digest; reads all of it."""
        if path.stat().st_size != self.size_bytes:
            return False
        return file_digest(path, self.algorithm) == self.digest


def file_digest(path: Path, algorithm: Literal["sha256", "git-blob"]) -> str:
    """Hash a file; ``git-blob`` is the id that ``git hash-object`` prints.

    **Source**: git's object format, sha1 over ``blob <size>``, a zero byte and the content.
    """
    if algorithm == "sha256":
        digest = hashlib.sha256()
    else:
        # git's name for a file, checked against the hub's listing
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as source:
        while block := source.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def sha256(path: Path) -> str:
    """Hash a file once a process, as long as its size and time stay: names and manifests ask for the same digests."""
    status = path.stat()
    return _sha256(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _sha256(path: Path, _device: int, _inode: int, _size_bytes: int, _mtime_ns: int) -> str:
    return file_digest(path, "sha256")


@dataclass(slots=True)
class Manifest:
    """The files of one snapshot, and the size and time each had when its digest was last found right.

    With it a later start neither asks the hub nor reads a gigabyte again. It is a memory, not a proof: whoever
    can change a file and put its time back is not who this guards against.
    """

    path: Path
    files: dict[str, HubFile]
    seen: dict[str, tuple[int, int]]  # path -> (size in bytes, mtime in nanoseconds)

    @classmethod
    def read(cls, path: Path) -> Manifest | None:
        """Load a manifest; ``None`` where there is none, or none that this version can read."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            if stored["version"] != _MANIFEST_VERSION:
                return None
            files = {entry["path"]: HubFile(**entry) for entry in stored["files"]}
            seen = {name: (int(size), int(mtime)) for name, (size, mtime) in stored["seen"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return cls(path=path, files=files, seen=seen)

    def write(self) -> None:
        """Store the manifest in one step, so that a reader never meets half of it.

        **Raises**: ``OSError`` where the folder cannot be written.
        """
        content = {
            "version": _MANIFEST_VERSION,
            "files": [asdict(file) for file in self.files.values()],
            "seen": self.seen,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".tmp")
        draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        draft.replace(self.path)

    def remembers(self, file: HubFile, path: Path) -> bool:
        """Say whether this file was found right before and has not been touched since; reads no content."""
        try:
            status = path.stat()
        except OSError:
            return False
        return self.seen.get(file.path) == (status.st_size, status.st_mtime_ns) and (self.files.get(file.path) == file)

    def remember(self, file: HubFile, path: Path) -> None:
        """Note that the file at ``path`` was found right just now."""
        status = path.stat()
        self.seen[file.path] = (status.st_size, status.st_mtime_ns)
