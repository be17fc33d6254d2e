"""The images that this AWS can run: for each URI a folder that holds what the image would be built from.

There is no container engine here. An image is its sources, as a build left them, run by this machine's Python; what
that does not prove (the base, the packages, the driver) is in docs/local-aws.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


class Images:
    """Image URIs (``registry/repository:tag``) and their folders."""

    def __init__(self) -> None:
        self._folders: dict[str, tuple[Path, Callable[[], bool]]] = {}

    def register(self, uri: str, folder: Path, exists: Callable[[], bool] = lambda: True) -> None:
        """Say that an image of this name exists, as long as ``exists`` (its registry) says so."""
        self._folders[uri] = folder, exists

    def remove(self, uri: str) -> None:
        """Forget an image."""
        self._folders.pop(uri, None)

    def find(self, uri: str) -> Path | None:
        """Return the folder of an image, ``None`` where there is no such image."""
        folder, exists = self._folders.get(uri, (None, lambda: False))
        return folder if exists() else None
