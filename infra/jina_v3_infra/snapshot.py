"""One repository at one commit in the machine's hub cache: where its files lie, and how each gets there checked.

The layout is ``huggingface_hub``'s: contents in ``blobs`` under their digests, ``snapshots/<commit>`` with links
to them. What is ours beside it: partial files, and the manifest of what has been checked.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import hf_hub_url
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented, not in its __all__

from jina_v3_infra.checksums import HubFile, Manifest
from jina_v3_infra.transfer import download


class DigestError(Exception):
    """A file arrived complete, and is not the file that the hub announces."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where one repository at one commit comes from and where it goes."""

    repository: str
    revision: str
    endpoint: str
    cache: Path

    @property
    def root(self) -> Path:
        """The repository's folder in the cache."""
        return self.cache / repo_folder_name(repo_id=self.repository, repo_type="model")

    @property
    def folder(self) -> Path:
        """The model folder."""
        return self.root / "snapshots" / self.revision

    @property
    def manifest_path(self) -> Path:
        """Where it is remembered that the files were checked."""
        return self.root / "jina-v3-checked" / f"{self.revision}.json"

    def has(self, file: HubFile, manifest: Manifest) -> bool:
        """Say whether the file is there and right, and remember it; a wrong one is thrown away."""
        path, blob = self.folder / file.path, self._blob(file)
        if manifest.remembers(file, path):
            return True
        source = blob if blob.exists() else path
        if source.exists() and file.matches(source):
            self._link(file)
            manifest.remember(file, path)
            return True
        blob.unlink(missing_ok=True)
        path.unlink(missing_ok=True)  # also a link to nothing
        return False

    def partial_bytes(self, file: HubFile) -> int:
        """Count the bytes that an earlier, broken fetch has left."""
        partial = self._partial(file)
        return min(partial.stat().st_size, file.size_bytes) if partial.exists() else 0

    def fetch(self, file: HubFile, manifest: Manifest, advance: Callable[[int], None]) -> None:
        """Fetch one file, check it, put it in its place and remember it; ``advance`` is told the bytes.

        **Raises**: ``DigestError``, and what ``transfer.download`` raises.
        """
        if self.has(file, manifest):  # the same content came under another name a moment ago
            advance(file.size_bytes)
            return
        partial = self._partial(file)
        partial.parent.mkdir(parents=True, exist_ok=True)
        url = hf_hub_url(self.repository, file.path, revision=self.revision, endpoint=self.endpoint)
        resumed = self.partial_bytes(file) > 0
        download(url, partial, size_bytes=file.size_bytes, headers=build_hf_headers(), advance=advance)
        if not file.matches(partial):
            partial.unlink()
            advance(-file.size_bytes)
            if resumed:  # the beginning came from another run, which may have ended badly: once more from nothing
                self.fetch(file, manifest, advance)
                return
            raise DigestError(
                f"{file.path} of {self.repository}@{self.revision} arrived with another {file.algorithm} digest "
                f"than {file.digest}, which the hub announces"
            )
        partial.replace(self._blob(file))
        self._link(file)
        manifest.remember(file, self.folder / file.path)

    def _link(self, file: HubFile) -> None:
        """Make the snapshot's file a link to its blob; move the blob there where links cannot be made."""
        path, blob = self.folder / file.path, self._blob(file)
        if not blob.exists() or (path.exists() and path.samefile(blob)):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        try:
            path.symlink_to(os.path.relpath(blob, path.parent))
        except OSError:
            shutil.move(blob, path)

    def _blob(self, file: HubFile) -> Path:
        return self.root / "blobs" / file.digest

    def _partial(self, file: HubFile) -> Path:
        return self.root / "blobs" / f"{file.digest}.jina-v3-part"
