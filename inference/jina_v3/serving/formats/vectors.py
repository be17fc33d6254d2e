"""Vectors in the forms they take on the wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pybase64

from jina_v3.contract import EMBEDDING_TYPES
from jina_v3.serving.exchange import EmbeddingTypes, Vectors


def as_float(vectors: Vectors) -> list[Any]:
    """Return the rows; orjson writes each number with the fewest digits that give back the same float32."""
    return list(vectors)


def as_base64(vectors: Vectors) -> list[Any]:
    """Return the rows as base64 of their little-endian float32 bytes."""
    little_endian = vectors.astype("<f4", copy=False)
    return [pybase64.b64encode_as_string(row.data) for row in little_endian]


def as_ubinary(vectors: Vectors) -> list[Any]:
    """Return the rows' signs, eight to a byte from 0 to 255, first value in the highest bit; 1 means above zero.

    Where the dimensions are no multiple of eight, the last byte is filled up with zeros.
    """
    return list(np.packbits(vectors > 0, axis=1))


def as_binary(vectors: Vectors) -> list[Any]:
    """Return ``as_ubinary`` less 128, so that it fits a signed byte, as Jina's API has it."""
    return list((np.packbits(vectors > 0, axis=1).astype(np.int16) - 128).astype(np.int8))


def as_int8(vectors: Vectors) -> list[Any]:
    """Return the rows scaled to -127 to 127 and rounded; a row times its ``int8_scales`` is nearly the vector."""
    scales = int8_scales(vectors)
    return list(np.rint(vectors / scales[:, None]).astype(np.int8))


def int8_scales(vectors: Vectors) -> Vectors:
    """Return each row's largest magnitude over 127, or 1 for a row of zeros.

    **Shapes**: ``(rows,)``, float32.
    """
    largest = np.abs(vectors).max(axis=1)
    return np.where(largest > 1e-30, largest / np.float32(127), np.float32(1)).astype(np.float32)


_WRITERS: Final[Mapping[str, Callable[[Vectors], list[Any]]]] = {
    "float": as_float,
    "base64": as_base64,
    "binary": as_binary,
    "ubinary": as_ubinary,
    "int8": as_int8,
}

assert tuple(_WRITERS) == EMBEDDING_TYPES


def write_vectors(vectors: Vectors, embedding_types: EmbeddingTypes) -> list[dict[str, Any]]:
    """Return for each row the fields that carry it: ``embedding``, and ``scale`` where int8 is among the forms.

    **Shapes**: ``vectors``: ``(rows, dimensions)``, float32, C-contiguous.
    """
    if isinstance(embedding_types, str):
        fields = [{"embedding": form} for form in _WRITERS[embedding_types](vectors)]
    else:
        columns = [_WRITERS[name](vectors) for name in embedding_types]
        fields = [{"embedding": dict(zip(embedding_types, row, strict=True))} for row in zip(*columns, strict=True)]
    if "int8" in ([embedding_types] if isinstance(embedding_types, str) else embedding_types):
        for field, scale in zip(fields, int8_scales(vectors), strict=True):
            field["scale"] = scale
    return fields
