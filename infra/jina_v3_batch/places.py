"""Places in S3: a bucket and a prefix that ends with a slash, written ``s3://bucket/prefix/``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jina_v3_batch.errors import PreflightError

_URI: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """A folder in S3; the empty prefix is the whole bucket."""

    bucket: str
    prefix: str

    @property
    def uri(self) -> str:
        """As it is written."""
        return f"s3://{self.bucket}/{self.prefix}"

    def holds(self, other: Place) -> bool:
        """Say whether the other place is this one or lies within it."""
        return self.bucket == other.bucket and other.prefix.startswith(self.prefix)

    def below(self, name: str) -> Place:
        """Return a folder within it."""
        return Place(self.bucket, f"{self.prefix}{name}/")


def read_place(uri: object, field: str) -> Place:
    """Read an S3 address as a folder.

    **Raises**: ``PreflightError``.
    """
    match = _URI.fullmatch(uri) if isinstance(uri, str) else None
    if match is None:
        raise PreflightError(f"{field} is {uri!r}; it must be a folder in S3, such as s3://bucket/documents/")
    bucket, prefix = match[1], match[2] or ""
    if prefix and not prefix.endswith("/"):
        prefix += "/"
    if prefix.startswith("/") or "//" in prefix:
        raise PreflightError(f"{field} is {uri!r}, which has two slashes in a row; S3 takes them as a folder's name")
    return Place(bucket, prefix)


def check_allowed(place: Place, allowed: Sequence[Place], field: str, verb: str) -> None:
    """Refuse a place outside of those that the deployment names.

    **Raises**: ``PreflightError``.
    """
    if not any(one.holds(place) for one in allowed):
        names = ", ".join(one.uri for one in allowed)
        raise PreflightError(
            f"{field} is {place.uri}, which this deployment may not {verb}; it may {verb} {names}. "
            f"Put it there, or name the place in the deployment's [batch] settings"
        )
