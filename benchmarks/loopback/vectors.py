"""The vector that the loopback endpoint gives a text: a stretch of one table, by the text's checksum.

Cheap enough that a server on half a core measures its client and not itself, and anybody can tell what a text must get:
``expected``. The table's numbers have as many digits in JSON as those of a real answer, and are exact in both forms.
A vector of fewer dimensions is a prefix; lengths are near 1, and not more than that.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

import numpy as np
import pybase64
from numpy.typing import NDArray

DIMENSIONS: Final = 1024
_PLACES: Final = 2**17
_HALF_WIDTH: Final = 3**0.5 / 32  # of a uniform distribution whose 1024 values have the length 1
_DIGITS: Final = 12  # of one number with its comma


@cache
def _numbers() -> bytes:
    """All numbers as JSON has them, each as long as any other."""
    draw = random.Random(3)
    drawn = (draw.uniform(-_HALF_WIDTH, _HALF_WIDTH) for _ in range(_PLACES + DIMENSIONS))
    return "".join(f"{number:.9f}," if number >= 0 else f"{number:.8f}," for number in drawn).encode()


@cache
def _table() -> NDArray[np.float32]:
    return np.array(_numbers().rstrip(b",").decode().split(","), dtype="<f4")


@cache
def _bytes() -> bytes:
    return _table().tobytes()


def place(text: str, task: str | None) -> int:
    """Return where in the table a text's vector begins; a task changes it."""
    return zlib.crc32(f"{task or ''}\0{text}".encode()) % _PLACES


def tokens(text: str) -> int:
    """Count a text's tokens: its words, and the two at the ends."""
    return 2 + len(text.split())


def expected(texts: Iterable[str], task: str | None = None, dimensions: int = DIMENSIONS) -> NDArray[np.float32]:
    """Return what a client must have for these texts. **Shapes**: (texts, dimensions) float32."""
    places = np.fromiter((place(text, task) for text in texts), dtype=np.int64)
    vectors: NDArray[np.float32] = _table()[places[:, None] + np.arange(dimensions)]
    return vectors


def as_json(text: str, task: str | None, dimensions: int, form: str) -> bytes:
    """Write a vector in one of the contract's forms, as it stands in JSON; ``int8`` is followed by its scale."""
    first = place(text, task)
    if form == "base64":
        return b'"%b"' % pybase64.b64encode(_bytes()[4 * first : 4 * (first + dimensions)])
    if form == "float":
        return b"[%b]" % _numbers()[_DIGITS * first : _DIGITS * (first + dimensions) - 1]
    vector = _table()[first : first + dimensions]
    if form == "int8":
        scale = float(np.abs(vector).max()) / 127
        return b'%b,"scale":%b' % (_list(np.rint(vector / scale).astype(int).tolist()), repr(scale).encode())
    packed = np.packbits(vector > 0).astype(int)
    return _list((packed - 128 if form == "binary" else packed).tolist())


def _list(numbers: Sequence[int]) -> bytes:
    return f"[{','.join(map(str, numbers))}]".encode()
