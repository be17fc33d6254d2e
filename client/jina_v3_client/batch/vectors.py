"""Vectors of an output, from what JSON or Parquet has of them to arrays."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


class DamagedError(ValueError):
    """An output, or a line of it, is not what the container writes; the message says what is wrong with it."""


def decode_vector(value: Any, form: str, *, scaled: bool) -> NDArray[Any]:
    """Return a vector as an array.

    ``form`` is what the run asks for; a record may have asked for another, of which its values tell: ``scaled`` is
    whether a scale stands beside it, which only ``int8`` has.

    **Raises**: ``DamagedError``.
    """
    import numpy as np

    if isinstance(value, str):
        try:
            vector = np.frombuffer(base64.b64decode(value, validate=True), "<f4")
        except ValueError:
            raise DamagedError("its vector is no base64 of float32 values") from None
    elif isinstance(value, list):
        vector = _from_list(value, "int8" if scaled else form)
    elif isinstance(value, dict):
        raise DamagedError(f"its vector has several forms ({', '.join(value)}), of which none can be chosen here")
    else:
        raise DamagedError("it has neither a vector nor an error")
    if not len(vector) or not np.isfinite(vector).all():
        raise DamagedError("its vector has no values, or some that are no numbers")
    return vector


def decode_chunks(values: Any, form: str, *, scaled: bool) -> NDArray[Any]:
    """Return the vectors of a document's chunks as one array. **Raises**: ``DamagedError``."""
    import numpy as np

    if not isinstance(values, list) or not values:
        raise DamagedError("it has no vectors of its chunks")
    vectors = [decode_vector(value, form, scaled=scaled) for value in values]
    if len({len(vector) for vector in vectors}) > 1:
        raise DamagedError("the vectors of its chunks differ in length")
    return np.stack(vectors)


def _from_list(value: Sequence[Any], form: str) -> NDArray[Any]:
    import numpy as np

    try:
        if form in ("float", "base64") and not all(type(one) is int for one in value[:2]):
            return np.array(value, np.float32)
        return np.array(value, np.uint8 if _is_unsigned(value, form) else np.int8)
    except (ValueError, TypeError, OverflowError):
        raise DamagedError("its vector has a value that is no number of its form") from None


def _is_unsigned(value: Sequence[Any], form: str) -> bool:
    """Say whether a list of whole numbers is ``ubinary``, which a record may have asked for by itself."""
    return form == "ubinary" or (form in ("float", "base64") and min(value, default=0) >= 0)
