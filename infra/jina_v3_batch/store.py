"""S3 as the steps use it: pages of listings, ranges, JSON, and objects written as a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

from botocore.exceptions import ClientError

from jina_v3_batch.errors import ChangedError, PreflightError
from jina_v3_batch.places import Place

PART_BYTES: Final = 8 * 2**20
"""Of a multipart upload: what a streamed object takes of memory; 10,000 parts make 80 GB."""
_DELETE_AT_ONCE: Final = 1000
_CLOSED: Final = ("NoSuchBucket", "AccessDenied", "AllAccessDisabled", "PermanentRedirect")
"""What S3 says of a place that trying again does not open."""


@contextmanager
def must_be_open(place: Place, field: str) -> Iterator[None]:
    """Refuse a run whose place S3 does not let us look at.

    **Raises**: ``PreflightError``.
    """
    try:
        yield
    except ClientError as error:
        told = error.response["Error"]
        if told["Code"] not in _CLOSED:
            raise
        raise PreflightError(
            f"{field} is {place.uri}, which S3 does not let this deployment look at: {told['Code']}: "
            f"{told.get('Message', '')}. Look at the bucket's name, region and policy; data under a key of its own "
            f"needs the key in the deployment's [batch] kms_keys"
        ) from error


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing has it."""

    key: str
    bytes: int
    etag: str


class Store:
    """S3, by one client."""

    def __init__(self, client: Any) -> None:
        self._s3 = client

    def list(self, place: Place) -> Iterator[Listed]:
        """Yield all objects of a place, in S3's order."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.prefix)
        for page in pages:
            for item in page.get("Contents", ()):
                yield Listed(item["Key"], item["Size"], item["ETag"].strip('"'))

    def size(self, bucket: str, key: str) -> int | None:
        """Return an object's bytes, None where there is none."""
        try:
            return int(self._s3.head_object(Bucket=bucket, Key=key)["ContentLength"])
        except ClientError as error:
            if self._absent(error, bucket, key):
                return None
            raise

    def stream(self, bucket: str, key: str, first_byte: int = 0, etag: str | None = None) -> Any:
        """Open an object, from a byte on; the caller closes it.

        **Raises**: ``ChangedError`` where it has another ``etag``, or is gone.
        """
        extra = {"Range": f"bytes={first_byte}-"} if first_byte else {}
        if etag:
            extra["IfMatch"] = f'"{etag}"'
        try:
            return self._s3.get_object(Bucket=bucket, Key=key, **extra)["Body"]
        except ClientError as error:
            if error.response["Error"]["Code"] in ("PreconditionFailed", "412") or self._absent(error, bucket, key):
                raise ChangedError(f"s3://{bucket}/{key} changed, or went, after the run was planned") from None
            raise

    def head(self, bucket: str, key: str, size: int) -> bytes:
        """Read so many of an object's first bytes, or all."""
        return self._range(bucket, key, f"bytes=0-{size - 1}")

    def tail(self, bucket: str, key: str, size: int) -> bytes:
        """Read so many of an object's last bytes, or all."""
        return self._range(bucket, key, f"bytes=-{size}")

    def read_json(self, bucket: str, key: str) -> Any | None:
        """Read a JSON object, None where there is none."""
        try:
            return json.loads(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except ClientError as error:
            if self._absent(error, bucket, key):
                return None
            raise

    def write(self, bucket: str, key: str, body: bytes, content_type: str = "application/json") -> None:
        """Write a small object."""
        self._s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)

    def write_json(self, bucket: str, key: str, value: Any) -> None:
        """Write a value as JSON."""
        self.write(bucket, key, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())

    def delete(self, bucket: str, keys: Sequence[str]) -> None:
        """Delete objects, whether they are there or not."""
        for start in range(0, len(keys), _DELETE_AT_ONCE):
            objects = [{"Key": key} for key in keys[start : start + _DELETE_AT_ONCE]]
            answer = self._s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            if answer.get("Errors"):
                first = answer["Errors"][0]
                raise OSError(f"s3://{bucket}/{first['Key']} could not be deleted: {first['Code']}")

    def writer(self, bucket: str, key: str) -> ObjectWriter:
        """Open an object to be written as a stream."""
        return ObjectWriter(self._s3, bucket, key)

    def _absent(self, error: ClientError, bucket: str, key: str) -> bool:
        """Say whether an error means that an object is not there.

        S3 answers 403 where listing is allowed for some prefixes only: the request for one object names none.
        """
        code = error.response["Error"]["Code"]
        if code not in ("403", "AccessDenied", "Forbidden"):
            return code in ("404", "NoSuchKey", "NotFound")
        found = self._s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", ())
        return not any(item["Key"] == key for item in found)

    def _range(self, bucket: str, key: str, span: str) -> bytes:
        body: bytes = self._s3.get_object(Bucket=bucket, Key=key, Range=span)["Body"].read()
        return body


class ObjectWriter:
    """An object that is written part by part and is there only when it is whole; an error leaves nothing behind."""

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        self._s3, self._where = client, {"Bucket": bucket, "Key": key}
        self._waiting = bytearray()
        self._upload: str | None = None
        self._etags: list[str] = []
        self.bytes = 0

    def __enter__(self) -> ObjectWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self._finish()
        elif self._upload is not None:
            self._s3.abort_multipart_upload(**self._where, UploadId=self._upload)

    def write(self, data: bytes) -> None:
        """Take bytes."""
        self._waiting += data
        self.bytes += len(data)
        while len(self._waiting) >= PART_BYTES:
            self._send(bytes(self._waiting[:PART_BYTES]))
            del self._waiting[:PART_BYTES]

    def _send(self, part: bytes) -> None:
        if self._upload is None:
            self._upload = self._s3.create_multipart_upload(**self._where)["UploadId"]
        number = len(self._etags) + 1
        answer = self._s3.upload_part(**self._where, UploadId=self._upload, PartNumber=number, Body=part)
        self._etags.append(answer["ETag"])

    def _finish(self) -> None:
        if self._upload is None:
            self._s3.put_object(**self._where, Body=bytes(self._waiting))
            return
        if self._waiting:
            self._send(bytes(self._waiting))
        parts = [{"ETag": etag, "PartNumber": number} for number, etag in enumerate(self._etags, 1)]
        self._s3.complete_multipart_upload(**self._where, UploadId=self._upload, MultipartUpload={"Parts": parts})
