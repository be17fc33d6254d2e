"""The images that this AWS can run: for each URI a folder that holds what the image would be built from.

There is no container engine here. An image is its sources, as a build left them, run by this machine's Python; what
that does not prove (the base, the packages, the driver) is in docs/local-aws.md.
"""

from __future__ import annotations

from pathlib import Path


class Images:
    """Image URIs (``registry/repository:tag``) and their folders."""

    def __init__(self) -> None:
        self._folders: dict[str, Path] = {}

    def register(self, uri: str, folder: Path) -> None:
        """Say that an image of this name exists."""
        self._folders[uri] = folder

    def remove(self, uri: str) -> None:
        """Forget an image."""
        self._folders.pop(uri, None)

    def find(self, uri: str) -> Path | None:
        """Return the folder of an image, ``None`` where there is no such image."""
        return self._folders.get(uri)
