"""Images by their URI, and whether they are in ECR. Knows nothing of how images are built."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from jina_v3_infra.publish.errors import error_code, explained

_ECR: Final = re.compile(
    r"(?P<host>(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+)"
    r"/(?P<repository>[a-z0-9._/-]+?)(?:@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[\w.-]+))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EcrImage:
    """An image of an ECR repository; its tag or its digest is given."""

    host: str
    account: str
    region: str
    repository: str
    tag: str | None
    digest: str | None

    def exists(self, session: Any) -> bool:
        """Ask ECR whether the image is there.

        **Raises**: ``PublishError`` where the answer cannot be had.
        """
        ecr = session.client("ecr", region_name=self.region)
        wanted = {"imageTag": self.tag} if self.tag else {"imageDigest": self.digest}
        with explained("ecr", f"repository {self.repository}"):
            try:
                ecr.describe_images(registryId=self.account, repositoryName=self.repository, imageIds=[wanted])
            except ClientError as error:
                if error_code(error) in {"ImageNotFoundException", "RepositoryNotFoundException"}:
                    return False
                raise
        return True

    def password(self, session: Any) -> str:
        """Return what Docker logs in with, as the user ``AWS``.

        **Raises**: ``PublishError``.
        """
        with explained("ecr", f"registry {self.host}"):
            answer = session.client("ecr", region_name=self.region).get_authorization_token()
        token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
        return token.partition(":")[2]


def parse_ecr(uri: str) -> EcrImage | None:
    """Take the URI of an image apart; ``None`` where it is in another registry than ECR."""
    found = _ECR.fullmatch(uri)
    return EcrImage(**found.groupdict()) if found else None
