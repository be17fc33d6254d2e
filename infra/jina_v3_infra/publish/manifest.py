"""The manifest of a release: the sha256 and size of each of its files. An object of the bucket that is written last.

Knows nothing of where files lie on a disk.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from jina_v3_infra.publish.bucket import Bucket, Listed
from jina_v3_infra.release import MANIFESTS, Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a file holds.

    **Units**: ``sha256`` in lower-case hexadecimal digits, ``size`` in bytes.
    """

    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a release holds, and what it was made from; ``files`` by their names under the model's prefix.

    ``etags``, by the objects' keys, are what S3 listed when they were found right; each bucket has its own.
    """

    release: str
    source: str
    revision: str | None
    files: dict[str, Content]
    archive: Content | None = None
    etags: dict[str, str] = field(default_factory=dict, compare=False)

    def objects(self, release: Release, *, archive: bool) -> dict[str, Content]:
        """Return the contents of the objects that the release has in its bucket, by key, with the archive's or not."""
        files = {f"{release.model_prefix}{name}": content for name, content in self.files.items()}
        return {**files, release.archive_key: self.archive} if archive and self.archive else files

    def matches(self, release: Release, present: Mapping[str, Listed], *, archive: bool) -> bool:
        """Say whether all objects are there (with ``archive`` that one too), no others, and none was rewritten."""
        wanted = {key: self.etags.get(key) for key in self.objects(release, archive=archive)}
        has_all = self.archive is not None or not archive
        return has_all and {key: one.etag for key, one in present.items()} == wanted

    def without_rewritten(self, present: Mapping[str, Listed]) -> dict[str, Listed]:
        """Leave out the objects that were written again since: what stands beside them may be a copy of the words."""
        return {key: one for key, one in present.items() if self.etags.get(key, one.etag) == one.etag}

    def seal(self, release: Release, present: Mapping[str, Listed]) -> Manifest:
        """Return the manifest with the ETags that the release's objects have now."""
        keys = self.objects(release, archive=True)
        return replace(self, etags={key: one.etag for key, one in present.items() if key in keys})

    def to_json(self) -> bytes:
        """Write it down: the same manifest gives the same bytes."""
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode() + b"\n"


def read_manifest(bucket: Bucket, release: Release) -> Manifest | None:
    """Return the manifest of a release, ``None`` where it was never published whole."""
    return _parse(bucket.read_json(release.manifest_key))


def find_contents(bucket: Bucket, release: Release) -> dict[str, str]:
    """Return where the contents of other releases lie: keys by sha256."""
    found: dict[str, str] = {}
    for key in bucket.sizes(MANIFESTS):
        other = None if key == release.manifest_key else _parse(bucket.read_json(key))
        if other is not None:
            objects = other.objects(Release(image_tag=None, model=other.release), archive=False)
            found |= {content.sha256: name for name, content in objects.items()}
    return found


def _parse(stored: Any) -> Manifest | None:
    """Make a manifest of its JSON; ``None`` where it is another version's, or damaged."""
    try:
        return Manifest(
            release=str(stored["release"]),
            source=str(stored["source"]),
            revision=stored["revision"],
            files={str(name): Content(**content) for name, content in stored["files"].items()},
            archive=Content(**stored["archive"]) if stored["archive"] else None,
            etags={str(key): str(etag) for key, etag in stored["etags"].items()},
        )
    except (KeyError, TypeError, AttributeError):
        return None
