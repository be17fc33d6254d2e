"""How a transform job cuts a file into requests, and puts the answers together again.

Pure functions of bytes; they know nothing of files, S3 or containers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

MB: Final = 2**20


class Record(NamedTuple):
    """A record as it was ``given``, and what the container is ``asked`` of it."""

    given: bytes
    asked: bytes


class RecordTooLargeError(ValueError):
    """A record alone is larger than a payload may be."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"a record of {size} bytes; a payload has at most {limit}")


def batch_records(records: Iterable[Record], *, single: bool, limit_bytes: int) -> Iterator[list[Record]]:
    """Yield the records of each request: one, or as many whole ones as there is room for.

    Blank records are no request of their own, and go with the others as they are. ``limit_bytes`` 0 is no limit.

    **Raises**: ``RecordTooLargeError``, once what comes before has been yielded.
    """
    batch: list[Record] = []
    size = 0
    for record in records:
        if limit_bytes and len(record.asked) > limit_bytes:
            if batch:
                yield batch
            raise RecordTooLargeError(len(record.asked), limit_bytes)
        if single:
            if record.given.strip():
                yield [record]
            continue
        if batch and limit_bytes and size + len(record.asked) > limit_bytes:
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += len(record.asked)
    if batch:
        yield batch


def assemble(answer: bytes, *, lines: bool) -> bytes:
    """Return an answer as it stands in the output: with ``lines``, ended by a line end, which most have already."""
    return answer + b"\n" if lines and answer and not answer.endswith(b"\n") else answer
