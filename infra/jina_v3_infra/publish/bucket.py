"""The artifact bucket: what is in it, and putting, copying and deleting objects that carry their sha256.

The bucket's default encryption applies to all that is written. Repeating calls that failed (broken connections, 5xx,
throttling) is left to botocore's standard mode. Knows nothing of releases.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from jina_v3_infra.aws_errors import error_code
from jina_v3_infra.publish.errors import PublishError

SHA256: Final = "sha256"
"""The object metadata that holds the content's digest: S3's own checksum of parts is another number."""

MIB: Final = 1024 * 1024
_MOST_PARTS: Final = 10_000
_MOST_DELETED: Final = 1000  # in one call
_TRIES: Final = 8
_NOT_THERE: Final = frozenset({"404", "NoSuchKey", "NotFound"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An object as a listing has it; the ETag is another one when the object is written with another content."""

    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An object that shall be.

    **Units**: ``sha256`` in lower-case hexadecimal digits.
    """

    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item(Wanted):
    """A file, and the object that it shall become."""

    path: Path

    def changed(self) -> PublishError:
        """Return the error for a file that is no longer what its digest was made of."""
        return PublishError(f"{self.path} changed while it was published: leave it alone and run this again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A bucket, with the size of the parts that large objects are sent in and how many calls run at once."""

    s3: Any
    name: str
    part_bytes: int = 16 * MIB
    concurrency: int = 8

    def part_bytes_of(self, item: Item) -> int:
        """Return the size of an item's parts; S3 takes 10,000 of them."""
        return max(self.part_bytes, -(-item.size_bytes // _MOST_PARTS))

    def list(self, *prefixes: str) -> dict[str, Listed]:
        """Return what S3 lists of every object under the prefixes, by key."""
        paginator = self.s3.get_paginator("list_objects_v2")
        pages = (page for prefix in prefixes for page in paginator.paginate(Bucket=self.name, Prefix=prefix))
        entries = (entry for page in pages for entry in page.get("Contents", ()))
        return {entry["Key"]: Listed(size_bytes=entry["Size"], etag=entry["ETag"]) for entry in entries}

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the size of every object under a prefix by its key."""
        return {key: one.size_bytes for key, one in self.list(prefix).items()}

    def holds(self, item: Wanted, key: str | None = None) -> bool:
        """Say whether the object (or the one of another key) is there with the item's size and digest."""
        found = self._find(self.s3.head_object, key or item.key)
        return (
            found is not None
            and found["ContentLength"] == item.size_bytes
            and found["Metadata"].get(SHA256) == item.sha256
        )

    def read_json(self, key: str) -> Any:
        """Return what an object of JSON says, ``None`` where there is no such object, or no JSON in it."""
        found = self._find(self.s3.get_object, key)
        if found is None:
            return None
        try:
            return json.loads(found["Body"].read())
        except ValueError:
            return None

    def put(self, key: str, content: bytes) -> None:
        """Write a small object; S3 checks its digest."""
        digest = hashlib.sha256(content)
        self.s3.put_object(
            Bucket=self.name,
            Key=key,
            Body=content,
            ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
            Metadata={SHA256: digest.hexdigest()},
        )

    def put_file(self, item: Item) -> int:
        """Write a file that fits into one part, and return its size.

        **Raises**: ``PublishError`` where it is not what it was.
        """
        content = item.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != item.sha256:
            raise item.changed()
        self.put(item.key, content)
        return len(content)

    def copy(self, key: str, item: Wanted, origin: Bucket | None = None) -> bool:
        """Make an object from one that has its content already, inside S3; say whether that one could be used.

        It lies under ``key`` in the bucket ``origin``, which may be in another region; this one, unless it is given.
        """
        source = origin or self
        if not source.holds(item, key):
            return False
        self.s3.copy(
            {"Bucket": source.name, "Key": key},
            self.name,
            item.key,
            SourceClient=source.s3,
            ExtraArgs={
                "ChecksumAlgorithm": "SHA256",
                "Metadata": {SHA256: item.sha256},
                "MetadataDirective": "REPLACE",
            },
            Config=TransferConfig(
                multipart_threshold=4 * self.part_bytes,
                multipart_chunksize=4 * self.part_bytes,
                max_concurrency=self.concurrency,
            ),
        )
        return True

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects.

        **Raises**: ``PublishError`` where S3 keeps one.
        """
        left = sorted(keys)
        while left:
            some, left = left[:_MOST_DELETED], left[_MOST_DELETED:]
            answer = self.s3.delete_objects(
                Bucket=self.name, Delete={"Objects": [{"Key": key} for key in some], "Quiet": True}
            )
            for kept in answer.get("Errors", ()):
                raise PublishError(
                    f"s3://{self.name}/{kept['Key']} cannot be deleted: {kept['Code']} {kept['Message']}"
                )

    def _find(self, ask: Callable[..., Any], key: str) -> Any:
        try:
            return ask(Bucket=self.name, Key=key)
        except ClientError as error:
            if error_code(error) in _NOT_THERE:
                return None
            raise


def open_bucket(session: Any, region: str, name: str) -> Bucket:
    """Return a bucket whose calls are repeated where that can help."""
    bucket = Bucket(s3=None, name=name)
    config = Config(
        retries={"mode": "standard", "total_max_attempts": _TRIES},
        max_pool_connections=bucket.concurrency + 2,
        connect_timeout=10,
        read_timeout=60,
        tcp_keepalive=True,
    )
    return Bucket(s3=session.client("s3", region_name=region, config=config), name=name)
