"""S3 in memory, as far as the batch steps use it: a hundred thousand objects whose bodies are made when they are read.

An object tells a listing the size that it stands for, and has a few lines to be read: the plan is made for the real
size, and every file is really verified.
"""

from __future__ import annotations

import bisect
import io
from collections.abc import Callable, Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

_PAGE: Final = 1000

Body = bytes | Callable[[], bytes]


class MemoryS3:
    """The calls of boto3's client that the steps make; ``calls`` and ``bytes_read`` are counted, with listed sizes."""

    def __init__(self) -> None:
        self._bodies: dict[str, Body] = {}
        self._sizes: dict[str, int] = {}
        self._keys: list[str] = []
        self._fresh: set[str] = set()
        self.calls = 0
        self.bytes_read = 0

    def put(self, key: str, body: Body, size: int) -> None:
        """Put an object that stands for one of so many bytes."""
        self._bodies[key], self._sizes[key] = body, size
        self._fresh.add(key)

    def get_paginator(self, _operation: str) -> MemoryS3:
        """Return the pages of listings, the only paginator that is asked for."""
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803, ARG002  # boto3's
        """Yield the pages of a listing."""
        keys = self._sorted()
        first, last = bisect.bisect_left(keys, Prefix), bisect.bisect_left(keys, f"{Prefix}\U0010ffff")
        for start in range(first, max(last, first + 1), _PAGE):
            self.calls += 1
            page = keys[start : min(start + _PAGE, last)]
            yield {"Contents": [{"Key": key, "Size": self._sizes[key], "ETag": f'"{key}"'} for key in page]}

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803, ARG002
        """Return an object's size."""
        self.calls += 1
        if Key not in self._bodies:
            raise _absent("HeadObject")
        return {"ContentLength": self._sizes[Key]}

    def get_object(self, *, Bucket: str, Key: str, Range: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803, ARG002
        """Return an object; a range of its first bytes is all of the few that it has."""
        self.calls += 1
        body = self._bodies.get(Key)
        if body is None:
            raise _absent("GetObject")
        self.bytes_read += 0 if Range else self._sizes[Key]
        return {"Body": io.BytesIO(body if isinstance(body, bytes) else body())}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **_: Any) -> None:  # noqa: N803, ARG002
        """Put an object."""
        self.calls += 1
        self.put(Key, Body, len(Body))

    def delete_objects(self, *, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:  # noqa: N803, ARG002
        """Delete objects."""
        self.calls += 1
        for item in Delete["Objects"]:
            if self._bodies.pop(item["Key"], None) is not None:
                del self._sizes[item["Key"]]
                self._keys = self._sorted()
                del self._keys[bisect.bisect_left(self._keys, item["Key"])]
        return {}

    def _sorted(self) -> list[str]:
        if self._fresh:
            self._keys = sorted(self._bodies)
            self._fresh.clear()
        return self._keys


def _absent(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "NoSuchKey", "Message": "it is not there"}}, operation)
