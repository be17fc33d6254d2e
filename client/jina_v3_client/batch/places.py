"""Places in S3: a bucket and a prefix that ends with a slash, written ``s3://bucket/prefix/``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from jina_v3_client.errors import ConfigurationError

DATASETS: Final = "batch/datasets/"
"""Of a deployment's bucket: what is to be embedded."""
VECTORS: Final = "batch/vectors/"
"""What comes back, by run."""
RUNS: Final = "batch/runs/"
"""What a run works with, and its report, by run."""

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

    def below(self, name: str) -> Place:
        """Return a folder within it."""
        return Place(self.bucket, f"{self.prefix}{name}/")


def read_place(uri: str, field: str = "data") -> Place:
    """Read an S3 address as a folder.

    **Raises**: ``ConfigurationError``.
    """
    found = _URI.fullmatch(uri)
    if found is None:
        raise ConfigurationError(f"{field} is {uri!r}; a place in S3 is s3://bucket/folder/")
    prefix = found[2] or ""
    return Place(found[1], prefix if not prefix or prefix.endswith("/") else f"{prefix}/")
