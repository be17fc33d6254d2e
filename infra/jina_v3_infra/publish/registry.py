"""What ECR says of an image, and the password to it. Knows nothing of how images are built."""

from __future__ import annotations

import base64
from typing import Any

from botocore.exceptions import ClientError

from jina_v3_infra.aws_errors import error_code
from jina_v3_infra.ecr_image import EcrImage
from jina_v3_infra.publish.errors import explained


def image_exists(image: EcrImage, session: Any) -> bool:
    """Ask ECR whether the image is there.

    **Raises**: ``PublishError`` where the answer cannot be had.
    """
    ecr = session.client("ecr", region_name=image.region)
    with explained("ecr", f"repository {image.repository}"):
        try:
            ecr.describe_images(registryId=image.account, repositoryName=image.repository, imageIds=[image.identifier])
        except ClientError as error:
            if error_code(error) in {"ImageNotFoundException", "RepositoryNotFoundException"}:
                return False
            raise
    return True


def read_password(image: EcrImage, session: Any) -> str:
    """Return what Docker logs in with to the image's registry, as the user ``AWS``.

    **Raises**: ``PublishError``.
    """
    with explained("ecr", f"registry {image.host}"):
        answer = session.client("ecr", region_name=image.region).get_authorization_token()
    token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
    return token.partition(":")[2]
