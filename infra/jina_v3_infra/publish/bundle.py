"""What the container's image is built from, as a zip whose bytes depend on names and contents alone.

Nothing is compressed: it is less than a megabyte, and another zlib would give other bytes.
"""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

from jina_v3_infra.artifact import list_image_sources

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first that a zip can tell
_UNIX = 3


def pack_sources(source_root: Path | None = None) -> bytes:
    """Return the zip: fixed times and owners, and of the modes whether a file can be run.

    **Raises**: ``ArtifactError``.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as bundle:
        for member in sorted(list_image_sources(source_root)):
            entry = zipfile.ZipInfo(member.name, _EPOCH)
            entry.create_system = _UNIX
            mode = 0o755 if member.source.stat().st_mode & stat.S_IXUSR else 0o644
            entry.external_attr = (stat.S_IFREG | mode) << 16
            bundle.writestr(entry, member.source.read_bytes())
    return packed.getvalue()
