"""Files into objects: several calls at once, large files in parts, and on from the parts that arrived before.

S3 keeps the parts of an upload that was broken off, each with the SHA-256 it was checked by; a later run reads the file
again and sends only those that are missing or differ. (ETags would not do: under KMS they are no digests.)
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Final, ParamSpec, Self

from jina_v3_infra.publish.bucket import SHA256, Bucket, Item

P = ParamSpec("P")

_ALGORITHM: Final = "SHA256"


class Flight:
    """Calls that run at the same time, at most so many; ``arrived`` is told in the caller's thread what each returns.

    The first call that fails is raised by whichever method comes next.
    """

    def __init__(self, limit: int, arrived: Callable[[int], None]) -> None:
        self._limit = limit
        self._arrived = arrived
        self._pool = ThreadPoolExecutor(limit)
        self._running: set[Future[int]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def submit(self, call: Callable[P, int], *arguments: P.args, **named: P.kwargs) -> None:
        """Start a call, after one of the others has ended where there are too many."""
        while len(self._running) >= self._limit:
            self._collect()
        self._running.add(self._pool.submit(call, *arguments, **named))

    def land(self) -> None:
        """Wait for all calls."""
        while self._running:
            self._collect()

    def _collect(self) -> None:
        done, self._running = wait(self._running, return_when=FIRST_COMPLETED)
        for one in done:
            self._arrived(one.result())


def upload(bucket: Bucket, item: Item, sent: Callable[[int], None], kept: Callable[[int], None]) -> None:
    """Upload a large file in parts; ``sent`` and ``kept`` are told the bytes that went and that had arrived before.

    **Raises**: ``PublishError`` where the file changes meanwhile; nothing is made of its parts then.
    """
    upload_id = _find_upload(bucket, item)
    resumed = upload_id is not None
    if upload_id is None:
        created = bucket.s3.create_multipart_upload(
            Bucket=bucket.name, Key=item.key, ChecksumAlgorithm=_ALGORITHM, Metadata={SHA256: item.sha256}
        )
        upload_id = created["UploadId"]
    place = {"Bucket": bucket.name, "Key": item.key, "UploadId": upload_id}
    earlier = _list_parts(bucket, place) if resumed else {}
    parts = _send_parts(bucket, item, place, earlier, sent, kept)
    if parts is None:
        bucket.s3.abort_multipart_upload(**place)
        raise item.changed()
    bucket.s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
    if resumed and not bucket.holds(item):
        # The upload that was gone on with had been begun for another content of the same name, so the object has that
        # one's digest beside it.
        bucket.delete([item.key])
        sent(-item.size_bytes)
        upload(bucket, item, sent, kept)


def _find_upload(bucket: Bucket, item: Item) -> str | None:
    """Return the newest upload of this key that was broken off."""
    pages = bucket.s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket.name, Prefix=item.key)
    found = [
        one
        for page in pages
        for one in page.get("Uploads", ())
        if one["Key"] == item.key and one.get("ChecksumAlgorithm") == _ALGORITHM
    ]
    return max(found, key=lambda one: one["Initiated"])["UploadId"] if found else None


def _send_parts(
    bucket: Bucket,
    item: Item,
    place: dict[str, str],
    earlier: dict[int, dict[str, Any]],
    sent: Callable[[int], None],
    kept: Callable[[int], None],
) -> list[dict[str, Any]] | None:
    """Bring every part there and return what completes them; ``None`` where the file is not what it was.

    The file is read once, in order, so that its digest as a whole is known at the end.
    """
    part_bytes = bucket.part_bytes_of(item)
    whole = hashlib.sha256()
    parts: dict[int, dict[str, Any]] = {}

    def send(number: int, checksum: str, content: bytes) -> int:
        answer = bucket.s3.upload_part(**place, PartNumber=number, Body=content, ChecksumSHA256=checksum)
        parts[number] = _part(number, answer["ETag"], checksum)
        return len(content)

    with item.path.open("rb") as source, Flight(bucket.concurrency, sent) as flight:
        for number, start in enumerate(range(0, item.size_bytes, part_bytes), 1):
            wanted_bytes = min(part_bytes, item.size_bytes - start)
            content = source.read(wanted_bytes)
            if len(content) < wanted_bytes:
                return None
            whole.update(content)
            checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
            before = earlier.get(number)
            if before and before["Size"] == len(content) and before.get("ChecksumSHA256") == checksum:
                parts[number] = _part(number, before["ETag"], checksum)
                kept(len(content))
            else:
                flight.submit(send, number, checksum, content)
        flight.land()
    return [parts[number] for number in sorted(parts)] if whole.hexdigest() == item.sha256 else None


def _part(number: int, etag: str, checksum: str) -> dict[str, Any]:
    return {"PartNumber": number, "ETag": etag, "ChecksumSHA256": checksum}


def _list_parts(bucket: Bucket, place: dict[str, str]) -> dict[int, dict[str, Any]]:
    pages = bucket.s3.get_paginator("list_parts").paginate(**place)
    return {part["PartNumber"]: part for page in pages for part in page.get("Parts", ())}
