"""How large requests and shards are: the arithmetic between records in and vectors out, and the service's limits.

**Units**: bytes, unless a name says otherwise; SageMaker's megabyte of ``MaxPayloadInMB`` is 2^20 bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jina_v3_batch.samples import Sample

MEBIBYTE: Final = 2**20
RESPONSE_BYTES: Final = 50_000_000
"""Of one response at most, about: the service holds it in memory and it must come within the time of a request."""
MAX_CONCURRENT_MEBIBYTES: Final = 100
"""``MaxPayloadInMB`` × ``MaxConcurrentTransforms`` at most. **Source**: CreateTransformJob."""
_PAYLOAD_MEBIBYTES: Final = 6
"""Enough to keep a GPU busy; more only makes what is lost with a failed request larger."""
_CONCURRENT: Final = 8
MAX_PARQUET_BYTES: Final = MAX_CONCURRENT_MEBIBYTES * MEBIBYTE

SHARD_BYTES: Final = 64 * MEBIBYTE
HUGE_BYTES: Final = 1024 * MEBIBYTE
HUGE_OUTPUT_BYTES: Final = 20_000_000_000
"""What one file's output may be: one call of the verifying function reads it in about five minutes."""
_LEAST_SHARD_BYTES: Final = 64 * 1024

_ANSWER_BYTES: Final = 120
"""Of an output line besides vector and metadata: id, tokens, names and punctuation."""
_FLOAT_BYTES: Final = 12.6
"""Of one float32 in its shortest digits with its comma, on average."""


@dataclass(frozen=True, slots=True)
class RequestSize:
    """What the service is told of request sizes."""

    max_payload_mb: int
    max_concurrent: int

    @property
    def largest_record(self) -> int:
        """The bytes that a record may have; a margin is left for the line's end."""
        return self.max_payload_mb * MEBIBYTE - 1024


@dataclass(frozen=True, slots=True)
class Density:
    """What samples say of text files.

    **Units**: ``record_bytes``, ``text_bytes`` mean bytes of a record and of its text; ``expansion`` unpacked bytes of
    one of gzip; ``response_ratio`` bytes of an answer for a byte of input, where records are smallest.
    """

    record_bytes: float
    text_bytes: float
    expansion: float
    response_ratio: float
    output_ratio: float


def vector_bytes(embedding_type: str, dimensions: int) -> float:
    """Return about how many bytes a vector takes in an answer."""
    packed = math.ceil(dimensions / 8)
    return {
        "float": _FLOAT_BYTES * dimensions,
        "base64": 4.0 * math.ceil(4 * dimensions / 3),
        "binary": 4.5 * packed,
        "ubinary": 3.6 * packed,
        "int8": 4.0 * dimensions,
    }[embedding_type] + 2


def measure(samples: Sequence[Sample], embedding_type: str, dimensions: int) -> Density:
    """Return what samples say; at least one must have a record."""
    records = [record for sample in samples for record in sample.records]
    total = sum(record.bytes for record in records)
    text = sum(record.text_bytes or 0 for record in records)
    vector = vector_bytes(embedding_type, dimensions) + _ANSWER_BYTES
    ratios = [
        (len(sample.records) * vector + sum(one.bytes - (one.text_bytes or 0) for one in sample.records))
        / sum(one.bytes for one in sample.records)
        for sample in samples
        if sample.records
    ]
    packed = [sample.expansion for sample in samples if sample.key.endswith(".gz")]
    return Density(
        record_bytes=total / len(records),
        text_bytes=text / len(records),
        expansion=sum(packed) / len(packed) if packed else 1.0,
        response_ratio=max(ratios),
        output_ratio=(len(records) * vector + total - text) / total,
    )


def text_requests(density: Density) -> RequestSize:
    """Return request sizes whose responses stay under ``RESPONSE_BYTES``, as far as whole mebibytes can."""
    fitting = int(RESPONSE_BYTES / density.response_ratio / MEBIBYTE)
    return _request_size(max(1, min(_PAYLOAD_MEBIBYTES, fitting)))


def parquet_requests(largest_file: int) -> RequestSize:
    """Return request sizes that take each file whole."""
    return _request_size(max(1, min(MAX_CONCURRENT_MEBIBYTES, math.ceil((largest_file + 1024) / MEBIBYTE))))


def parquet_rows(embedding_type: str, dimensions: int) -> int:
    """Return how many rows a Parquet file may have so that its answer stays under ``RESPONSE_BYTES``."""
    width = {"float": 4.0 * dimensions, "int8": float(dimensions)}.get(
        embedding_type, vector_bytes(embedding_type, dimensions) if embedding_type == "base64" else dimensions / 8
    )
    return int(RESPONSE_BYTES / (width + 16))


def shard_bytes(density: Density) -> int:
    """Return how large shards are: small where records are so small that one mebibyte of them has too long an answer.

    A request is never larger than its file.
    """
    if density.response_ratio * MEBIBYTE <= RESPONSE_BYTES:
        return SHARD_BYTES
    return max(_LEAST_SHARD_BYTES, int(RESPONSE_BYTES / density.response_ratio))


def largest_file(density: Density) -> int:
    """Return how many bytes a text file may have before it is cut into shards."""
    shard = shard_bytes(density)
    if shard < SHARD_BYTES:
        return shard + shard // 2
    return min(HUGE_BYTES, int(HUGE_OUTPUT_BYTES / density.output_ratio))


def _request_size(mebibytes: int) -> RequestSize:
    return RequestSize(mebibytes, max(1, min(_CONCURRENT, MAX_CONCURRENT_MEBIBYTES // mebibytes)))
