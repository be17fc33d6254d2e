"""Emptying a bucket and a repository, which CloudFormation deletes only when nothing is in them.

What publishing can make again is told from everything else; this module decides nothing about the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from jina_v3_infra.deploy.failures import CommandError, absent
from jina_v3_infra.release import OWN_PREFIXES

_OBJECTS_A_CALL: Final = 1000
_IMAGES_A_CALL: Final = 100
EVERYTHING: Final = ("",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The objects under one name at the top of a bucket, old versions counted too."""

    prefix: str
    objects: int
    size_bytes: int


def list_other_contents(s3: Any, bucket: str) -> list[Contents]:
    """Return what is in a bucket that publishing did not put there; nothing where there is no such bucket."""
    found: dict[str, tuple[int, int]] = {}
    for version in _versions(s3, bucket, "", "Versions"):
        if not version["Key"].startswith(OWN_PREFIXES):
            head, slash, _ = version["Key"].partition("/")
            objects, size_bytes = found.get(head + slash, (0, 0))
            found[head + slash] = (objects + 1, size_bytes + version["Size"])
    return [Contents(prefix=name, objects=one[0], size_bytes=one[1]) for name, one in sorted(found.items())]


def empty_bucket(s3: Any, bucket: str, prefixes: Iterable[str] = OWN_PREFIXES) -> int:
    """Delete every version under the prefixes, and abort uploads that never ended; return how many versions there were.

    Where nothing but delete markers is left of the rest, they go too: they hold no data, and keep a bucket from going.

    **Raises**: ``CommandError`` for an object that S3 does not delete.
    """
    count = 0
    for prefix in prefixes:
        count += _delete(s3, bucket, _versions(s3, bucket, prefix, "Versions", "DeleteMarkers"))
        _abort_uploads(s3, bucket, prefix)
    if not list_other_contents(s3, bucket):
        _delete(s3, bucket, _versions(s3, bucket, "", "DeleteMarkers"))
        _abort_uploads(s3, bucket, "")
    return count


def _versions(s3: Any, bucket: str, prefix: str, *kinds: str) -> Iterator[Any]:
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
            for kind in kinds:
                yield from page.get(kind, ())
    except ClientError as error:
        if not absent(error):
            raise


def _delete(s3: Any, bucket: str, versions: Iterable[Any]) -> int:
    found = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in versions]
    for start in range(0, len(found), _OBJECTS_A_CALL):
        batch = found[start : start + _OBJECTS_A_CALL]
        refused = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True}).get("Errors", ())
        for one in refused:
            raise CommandError(
                f"S3 does not delete {one['Key']} of {bucket} ({one['Code']}: {one.get('Message', '')}), and "
                f"{len(refused)} in all; remove what protects it, then run destroy again"
            )
    return len(found)


def _abort_uploads(s3: Any, bucket: str, prefix: str) -> None:
    try:
        for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
            for upload in page.get("Uploads", ()):
                s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    except ClientError as error:
        if not absent(error):
            raise


def empty_repository(ecr: Any, repository: str) -> int:
    """Delete every image of a repository and return how many there were; none where there is no repository.

    **Raises**: ``CommandError`` for an image that ECR does not delete.
    """
    digests: dict[str, None] = {}
    try:
        for page in ecr.get_paginator("list_images").paginate(repositoryName=repository):
            digests |= dict.fromkeys(image["imageDigest"] for image in page["imageIds"])
    except ClientError as error:
        if absent(error):
            return 0
        raise
    for start in range(0, len(digests), _IMAGES_A_CALL):
        batch = [{"imageDigest": digest} for digest in list(digests)[start : start + _IMAGES_A_CALL]]
        for one in ecr.batch_delete_image(repositoryName=repository, imageIds=batch).get("failures", ()):
            raise CommandError(
                f"ECR does not delete {one['imageId']} of {repository}: {one.get('failureReason', one['failureCode'])}"
            )
    return len(digests)
