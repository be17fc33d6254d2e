"""Images of ECR by their URI. Knows neither AWS nor how images are built."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_URI: Final = re.compile(
    r"(?P<host>(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?)"
    r"/(?P<repository>[a-z0-9._/-]+)(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>sha256:[0-9a-f]+))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EcrImage:
    """An image of an ECR repository."""

    host: str
    account: str
    region: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def identifier(self) -> dict[str, str]:
        """What ECR's API calls it: by its digest where that is given, otherwise by its tag."""
        return {"imageDigest": self.digest} if self.digest else {"imageTag": self.tag or "latest"}


def parse_ecr(uri: str) -> EcrImage:
    """Take the URI of an image apart.

    **Raises**: ``ValueError`` for one that is not in ECR, which a checked configuration does not have.
    """
    found = _URI.fullmatch(uri)
    if found is None:
        raise ValueError(
            f"{uri!r} is no image of ECR; it must be like <account>.dkr.ecr.<region>.amazonaws.com/name:tag"
        )
    return EcrImage(**found.groupdict())
