"""How near vectors are to each other, in whatever form they came."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jina_v3_client.errors import InvalidInputError
from jina_v3_client.parameters import VectorForm
from jina_v3_client.results import Embeddings


def cosine(
    a: Embeddings | ArrayLike,
    b: Embeddings | ArrayLike,
    *,
    form: VectorForm | None = None,
    dimensions: int | None = None,
) -> NDArray[np.float32]:
    """Return the cosine of each vector of ``a`` with each of ``b``, which may have different forms.

    Of binary vectors it is that of the signs: 1 where all agree, -1 where none does. ``form`` and ``dimensions`` are as
    in ``as_float``; the dimensions of a binary side are those of the other one, if that has numbers.

    **Shapes**: (rows of ``a``, rows of ``b``); a side that is one vector has no axis.

    **Raises**: ``InvalidInputError`` where lengths differ, or the form of an array is not clear.

    >>> passages = client.embed_passages(["the sun rises", "a dog barks"])
    >>> int(cosine(client.embed_query("when does the sun rise?"), passages).argmax())
    0
    """
    forms = [_form_of(side, form) for side in (a, b)]
    if dimensions is None and _is_packed(forms[0]) != _is_packed(forms[1]):
        dimensions = np.shape(b if _is_packed(forms[0]) else a)[-1]
    left, right = (
        _unit(as_float(side, form=own, dimensions=dimensions)) for side, own in zip((a, b), forms, strict=True)
    )
    _check_widths(left, right)
    return np.asarray(left @ right.T, np.float32)


def hamming(
    a: Embeddings | ArrayLike, b: Embeddings | ArrayLike, *, form: VectorForm | None = None
) -> NDArray[np.int64]:
    """Return in how many signs each binary vector of ``a`` differs from each of ``b``, without unpacking them.

    **Shapes**: as in ``cosine``. **Raises**: ``InvalidInputError`` where a side is not binary, or lengths differ.

    >>> hamming(np.array([0b1100_0000], np.uint8), np.array([[0b1010_0000], [0b1100_0000]], np.uint8))
    array([2, 0])
    """
    packed = []
    for side in (a, b):
        own = _form_of(side, form)
        if not _is_packed(own):
            raise InvalidInputError(
                f"vectors of {own} have no hamming distance; ask for embedding_type='ubinary', or use cosine",
                code="invalid_value",
                field="form",
                value=own,
                allowed=["binary", "ubinary"],
            )
        packed.append(_packed(np.asarray(side), own))
    left, right = packed
    _check_widths(left, right)
    rows = [np.bitwise_count(right ^ row).sum(axis=-1, dtype=np.int64) for row in np.atleast_2d(left)]
    return np.asarray(rows[0] if left.ndim == 1 else np.stack(rows))


def as_float(
    vectors: Embeddings | ArrayLike, *, form: VectorForm | None = None, dimensions: int | None = None
) -> NDArray[np.float32]:
    """Return vectors as numbers: int8 times their scales, and binary ones as 1 and -1.

    Embeddings know their form. An array of int8 is of the ``form`` that is said, ``int8`` or ``binary``; there are no
    scales with it, so only its direction is right. Binary vectors have as many ``dimensions`` as signs, unless it is
    said how many of the last byte count.

    **Raises**: ``InvalidInputError``.

    >>> as_float(np.array([[0b1010_0000]], np.uint8), dimensions=3)
    array([[ 1., -1.,  1.]], dtype=float32)
    """
    own = _form_of(vectors, form)
    values = np.asarray(vectors)
    if _is_packed(own):
        bits = np.unpackbits(_packed(values, own), axis=-1)
        return np.asarray(2 * bits[..., :dimensions].astype(np.float32) - 1)
    numbers = values.astype(np.float32)
    if own == "int8" and isinstance(vectors, Embeddings) and vectors.scales is not None:
        numbers *= vectors.scales[:, None]
    return np.asarray(numbers)


def _form_of(vectors: Embeddings | ArrayLike, said: VectorForm | None) -> VectorForm:
    kind = np.asarray(vectors).dtype
    if kind == np.uint8:
        return "ubinary"
    if kind != np.int8:
        return "float"
    if isinstance(vectors, Embeddings):
        return "binary" if vectors.scales is None else "int8"
    if said not in ("int8", "binary"):
        raise InvalidInputError(
            "an array of int8 can be of two forms; say form='int8' or form='binary', or pass the embeddings themselves",
            code="invalid_value",
            field="form",
            value=said,
            allowed=["int8", "binary"],
        )
    return said


def _is_packed(form: VectorForm) -> bool:
    return form in ("binary", "ubinary")


def _packed(values: NDArray[Any], form: VectorForm) -> NDArray[np.uint8]:
    """Return signs, eight to a byte; ``binary`` is that less 128, which is the highest bit turned over."""
    return values.view(np.uint8) ^ np.uint8(128) if form == "binary" else values


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths))  # a row of zeros is near to nothing


def _check_widths(left: NDArray[Any], right: NDArray[Any]) -> None:
    if left.shape[-1] != right.shape[-1]:
        raise InvalidInputError(
            f"vectors of {left.shape[-1]} and {right.shape[-1]} columns cannot be compared; embed both with the same "
            "dimensions",
            code="invalid_dimensions",
            field="dimensions",
            value=right.shape[-1],
            allowed=left.shape[-1],
        )
