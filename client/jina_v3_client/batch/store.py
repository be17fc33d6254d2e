"""S3 as batch uses it: listings, ranges that are read again when the connection breaks, small JSON files, uploads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jina_v3_client.batch.aws_failures import DENIED, code_of, explained
from jina_v3_client.batch.places import Place
from jina_v3_client.errors import ConnectionFailedError, ResponseError

_TRIES: Final = 4
_ABSENT: Final = ("404", "NoSuchKey", "NotFound")
_CHANGED: Final = ("PreconditionFailed", "412", "InvalidRange", "416")


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as a listing has it."""

    bucket: str
    key: str
    bytes: int
    etag: str

    @property
    def uri(self) -> str:
        """As it is written."""
        return f"s3://{self.bucket}/{self.key}"


class Store:
    """S3, by one client; safe to be used from many threads."""

    def __init__(self, client: Any) -> None:
        self._s3 = client

    def list(self, place: Place) -> Iterator[Stored]:
        """Yield all objects of a place, in S3's order."""
        with explained("s3", place.uri):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.prefix)
            for page in pages:
                for item in page.get("Contents", ()):
                    yield Stored(place.bucket, item["Key"], item["Size"], item["ETag"])

    def names(self, place: Place) -> Iterator[str]:
        """Yield the folders right below a place, without their slashes."""
        with explained("s3", place.uri):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=place.bucket, Prefix=place.prefix, Delimiter="/"
            )
            for page in pages:
                for item in page.get("CommonPrefixes", ()):
                    yield item["Prefix"].removeprefix(place.prefix).rstrip("/")

    def find_json(self, bucket: str, key: str) -> Any | None:
        """Read a JSON file, ``None`` where there is none."""
        from botocore.exceptions import ClientError

        with explained("s3", f"s3://{bucket}/{key}"):
            try:
                return json.loads(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())
            except ClientError as error:
                if self._is_absent(error, bucket, key):
                    return None
                raise

    def read(self, stored: Stored, first: int, end: int) -> bytes:
        """Read a range of an object as it was listed; what breaks on the way is asked for again.

        **Raises**: ``ResponseError`` where the object has changed or gone since, ``ConnectionFailedError``.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        last = ""
        for _ in range(_TRIES):
            try:
                return self._read(stored, first, end)
            except ClientError as error:
                if code_of(error) in (*_ABSENT, *_CHANGED):
                    raise ResponseError(
                        f"{stored.uri} has changed, or gone, while it was read", target=stored.uri
                    ) from error
                with explained("s3", stored.uri):
                    raise
            except (BotoCoreError, EOFError) as error:
                last = f"{type(error).__name__}: {error}"
        raise ConnectionFailedError(
            f"bytes {first:,} to {end:,} could not be read: {last}", target=stored.uri, attempts=_TRIES
        )

    def _read(self, stored: Stored, first: int, end: int) -> bytes:
        body = self._s3.get_object(
            Bucket=stored.bucket, Key=stored.key, Range=f"bytes={first}-{end - 1}", IfMatch=stored.etag
        )["Body"]
        try:
            data: bytes = body.read()
        finally:
            body.close()
        if len(data) != end - first:
            raise EOFError(f"{len(data)} bytes came of {end - first}")
        return data

    def upload(self, path: Path, bucket: str, key: str, on_bytes: Callable[[int], None]) -> None:
        """Upload a file, in parts where it is large."""
        from boto3.exceptions import S3UploadFailedError

        with explained("s3", f"s3://{bucket}/{key}"):
            try:
                self._s3.upload_file(str(path), bucket, key, Callback=on_bytes)
            except S3UploadFailedError as error:
                raise (error.__context__ or error) from None

    def _is_absent(self, error: Any, bucket: str, key: str) -> bool:
        """Say whether an object is not there; S3 answers 403 to who may not list the place it would be in."""
        if code_of(error) not in DENIED:
            return code_of(error) in _ABSENT
        found = self._s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", ())
        return not any(item["Key"] == key for item in found)
