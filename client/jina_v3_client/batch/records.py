"""One record of a run, as it comes back: embedded, or bad with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from numpy.typing import NDArray


TOO_LARGE: Final = "record_too_large"
"""The code of a record that was not sent at all."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchRecord:
    """A record that was embedded.

    ``metadata`` are the record's own fields, without its text. ``file`` is relative to the dataset; ``line`` is its
    line or row there, from 1 (of a file that has blank lines, or the names of its columns in its midst, which outputs
    do not tell of, it may come out lower).
    ``index`` is the record's place among those that were submitted, of data that this client sharded.

    **Shapes**: ``vector``: (dimensions,) float32, int8, or packed int8 / uint8; (chunks, …) of a record that is a
    document's chunks. ``scale`` is there with ``int8``.

    >>> import numpy
    >>> BatchRecord(id="a", vector=numpy.zeros(2), tokens=5, file="docs.jsonl", line=1).id
    'a'
    """

    id: str | int | None
    vector: NDArray[Any] = field(repr=False)
    tokens: int
    file: str
    line: int
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)
    index: int | None = None
    truncated: bool = False
    scale: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRecord:
    """A record that has no vector: where it is, and why, by a code of the wire contract or ``record_too_large``.

    ``line`` is the line, or row, of the file. ``index`` is as a ``BatchRecord`` has it.

    >>> BadRecord(file="docs.jsonl", line=3, id="c", code="empty_text", message="text is empty").code
    'empty_text'
    """

    file: str
    line: int
    id: str | int | None
    code: str
    message: str = field(repr=False)
    index: int | None = None
