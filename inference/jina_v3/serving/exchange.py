"""What passes between the handlers: a request that has been read, its results, and the answer to it.

A request of any shape has jobs and turns their results into an ``Answer``: rows, and the layout that its shape gives
them. The writers of media types (``formats/writers.py``) know layouts and nothing of shapes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from jina_v3.contract import EncodeJob, ErrorCode
from jina_v3.errors import RequestError
from jina_v3.record_fields import RecordFields
from jina_v3.tokens.results import Embeddings

Result = Embeddings | RequestError
"""What became of one job."""

Vectors = npt.NDArray[np.float32]

EmbeddingTypes = str | tuple[str, ...]
"""One form of a vector by its name, or several; with several an embedding is an object by form."""


_NOTHING: Mapping[str, Any] = {}


class Row(NamedTuple):
    """One text's or one record's part of an answer, before it takes the form of a media type.

    ``number`` counts the rows of the whole answer from 0. ``fields`` hold its vector (``embedding``, or a document's
    ``embeddings``, and ``scale``); with an ``error`` they are empty. ``metadata`` is what a record brought along.
    ``document`` is set where there are several.
    """

    number: int
    id: str | int | None = None
    fields: Mapping[str, Any] = _NOTHING
    tokens: int | None = None
    truncated: bool = False
    document: int | None = None
    metadata: Mapping[str, Any] = _NOTHING
    embedding_types: EmbeddingTypes = "float"
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of one shape stand in an answer, the same for every part of it.

    ``item`` is a row as a JSON value of its own. As one JSON value the items stand in ``frame``, what is before and
    after them; or, where they cannot be written one by one, ``whole`` makes it of all rows. Both are given the
    dimensions of the vectors, None where there are none. ``framed_item`` is an item within the frame, where it differs
    from one by itself. ``key`` names the rows in a table, which has the columns of
    ``embedding_types``; records have errors of their own.
    """

    item: Callable[[Row], Any]
    frame: Callable[[int | None], tuple[bytes, bytes]] | None = None
    whole: Callable[[Sequence[Row], int | None], Any] | None = None
    key: Literal["id", "index"] = "index"
    embedding_types: EmbeddingTypes = "float"
    records: bool = False
    framed_item: Callable[[Row], Any] | None = None


class Kept(Protocol):
    """Columns that came with the rows and go back with them."""

    @property
    def columns(self) -> Any:
        """Return the columns themselves, as a table's writer needs them."""

    @property
    def names(self) -> RecordFields:
        """Return which of them are the texts and the ids."""

    def cut(self, part: slice) -> Kept:
        """Return the columns of some of the rows."""

    def fill(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the rows with the columns' values as their metadata."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of a response or of a part of it.

    ``vectors`` are those of all rows, where every row has one: a record can fail without the others.

    **Shapes**: ``vectors``: ``(rows, dimensions)``, float32.
    """

    rows: Sequence[Row]
    layout: Layout
    dimensions: int | None = None
    vectors: Vectors | None = None
    kept: Kept | None = None

    def items(self, *, framed: bool = False) -> list[Any]:
        """Return each row as a JSON value of its own, or as one that stands in the layout's frame."""
        rows = self.rows if self.kept is None else self.kept.fill(self.rows)
        item = (framed and self.layout.framed_item) or self.layout.item
        return [item(row) for row in rows]


class Request(Protocol):
    """A request of any shape, read and checked."""

    @property
    def jobs(self) -> Sequence[EncodeJob]:
        """The work it asks for; may be empty."""

    @property
    def offers(self) -> Sequence[str]:
        """The media types its answer can have; the first is its own form, which ``Accept: */*`` asks back."""

    @property
    def embedding_types(self) -> EmbeddingTypes:
        """The form of the vectors; of records, of those that do not name one."""

    @property
    def answers_each(self) -> bool:
        """Whether a job that fails has an error of its own; else it fails the request."""

    def answer(self, results: Sequence[Result]) -> Answer:
        """Turn one result a job into the answer.

        **Raises**: ``RequestError`` where a job failed and the shape has no place for the error of one item.
        """

    def in_parts(self, max_texts: int) -> Sequence[Request]:
        """Cut it into requests of so many texts, whose answers follow each other in the whole's.

        One that cannot be cut is one part; a document whose chunks know each other stays whole.
        """


@dataclass(frozen=True, slots=True)
class Prediction:
    """A request with one result for each of its jobs."""

    request: Request
    results: tuple[Result, ...]

    @property
    def texts(self) -> int:
        """How many texts were asked for."""
        return sum(len(job.texts) for job in self.request.jobs)

    @property
    def tokens(self) -> int:
        """How many tokens were encoded."""
        return sum(sum(result.token_counts) for result in self.results if isinstance(result, Embeddings))


def checked(vectors: Embeddings) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return the plain array under ``vectors``, C-contiguous as orjson needs it.

    **Raises**: ``RequestError`` (500) where a value is not finite: JSON has no word for it, and the fault is ours.
    """
    plain = np.ascontiguousarray(vectors.view(np.ndarray))
    if not np.isfinite(plain).all():
        raise RequestError(ErrorCode.INTERNAL, "the model gave a vector that is not finite")
    return plain


def generate_id() -> str:
    """Return an id for an item that came without one."""
    return secrets.token_hex(16)


_TEXT_INDEX = re.compile(r"texts\[(\d+)\]")


def place_error(error: RequestError, texts: Sequence[str], parameter: Callable[[str], str] = str) -> RequestError:
    """Say an encoder's error in the words of the request.

    ``texts[3]`` becomes ``texts[3]`` of the places given, and the name of a parameter what ``parameter`` makes of it.
    """
    match = _TEXT_INDEX.fullmatch(error.field or "")
    if match and int(match[1]) < len(texts):
        return error.at(texts[int(match[1])])
    return error.at(parameter(error.field)) if error.field else error
