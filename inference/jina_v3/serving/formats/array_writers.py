"""Answers that are vectors and nothing else: numpy's file format, and raw float32.

Only for requests that fail as a whole, since a row cannot say that it has an error.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from jina_v3.contract import ErrorCode
from jina_v3.errors import RequestError
from jina_v3.serving.exchange import Answer, EmbeddingTypes
from jina_v3.serving.formats.attributes import HEADER, append_attribute
from jina_v3.serving.formats.media_types import NPY, OCTETS
from jina_v3.serving.formats.vectors import write_vectors

SHAPE_HEADER: Final = "X-Embedding-Shape"

_FORMS: Final[Mapping[str, tuple[str, ...]]] = {
    NPY: ("float", "base64", "binary", "ubinary"),
    OCTETS: ("float", "base64"),
}
"""Which forms of a vector a type has; ``base64`` is float32 in another dress."""


class ArrayWriter:
    """The vectors of all rows as one array; its size stands before it, so everything waits for the end."""

    def __init__(self, media_type: str, attributes: str | None) -> None:
        self.media_type = media_type
        self.headers: Mapping[str, str] = {}
        self._attributes = attributes
        self._arrays: list[npt.NDArray[Any]] = []

    def part(self, answer: Answer) -> bytes:
        """Keep the rows' vectors."""
        if answer.vectors is None:
            raise RequestError(ErrorCode.INTERNAL, "the answer is no array")
        form = answer.layout.embedding_types
        if form in ("binary", "ubinary"):
            self._arrays.append(np.stack([row["embedding"] for row in write_vectors(answer.vectors, form)]))
        else:
            self._arrays.append(answer.vectors.astype("<f4", copy=False))
        return b""

    def end(self) -> bytes:
        """Write the array."""
        array = self._arrays[0] if len(self._arrays) == 1 else np.concatenate(self._arrays)
        if self.media_type == NPY:
            file = io.BytesIO()
            np.save(file, array, allow_pickle=False)
            return file.getvalue()
        shape = ",".join(map(str, array.shape))
        attributes = append_attribute(self._attributes, f"shape={shape}")
        self.headers = {SHAPE_HEADER: shape, **({} if attributes is None else {HEADER: attributes})}
        return array.tobytes()


def check_form(media_type: str, embedding_types: EmbeddingTypes) -> None:
    """Refuse a form that the array of a media type cannot have.

    **Raises**: ``RequestError`` (422).
    """
    if media_type in _FORMS and embedding_types not in _FORMS[media_type]:
        what = embedding_types if isinstance(embedding_types, str) else list(embedding_types)
        raise RequestError(
            ErrorCode.INVALID_VALUE,
            f"embedding_type is {what!r}, which {media_type} has no place for (int8 needs scales, several forms an "
            f"object); ask for application/json, or for {' or '.join(_FORMS[media_type])}",
            field="embedding_type",
            value=what,
            allowed=list(_FORMS[media_type]),
        )
