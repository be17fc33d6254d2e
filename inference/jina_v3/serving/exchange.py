"""What passes between the handlers: a request that has been read, its results, and the answer to it.

A request of any shape (``json_requests``, ``records``) has jobs and turns their results into an ``Answer``; the media
types of an answer are one table, ``WRITERS``, and know nothing of shapes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import orjson

from jina_v3.contract import EncodeJob, ErrorCode
from jina_v3.errors import RequestError
from jina_v3.serving.media_types import JSON, JSON_LINES, family
from jina_v3.tokens.results import Embeddings

Result = Embeddings | RequestError
"""What became of one job."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The items of a response, and the JSON value that holds them; without a ``whole`` it is their list."""

    items: list[dict[str, Any]]
    whole: dict[str, Any] | None = None


class Request(Protocol):
    """A request of any shape, read and checked."""

    @property
    def jobs(self) -> Sequence[EncodeJob]:
        """The work it asks for; may be empty."""

    @property
    def media_type(self) -> str:
        """The form it came in, which ``Accept: */*`` asks back."""

    def answer(self, results: Sequence[Result]) -> Answer:
        """Turn one result a job into the answer.

        **Raises**: ``RequestError`` where a job failed and the shape has no place for the error of one item.
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


def place_error(error: RequestError, places: Sequence[str], prefix: str) -> RequestError:
    """Say an encoder's error in the words of the request.

    ``texts[3]`` becomes ``places[3]``, and any other field gets ``prefix`` before its name.
    """
    match = _TEXT_INDEX.fullmatch(error.field or "")
    if match and int(match[1]) < len(places):
        return error.at(places[int(match[1])])
    return error.at(f"{prefix}{error.field}") if error.field else error


def write_json(answer: Answer) -> bytes:
    """Write an answer as one JSON value."""
    value = answer.items if answer.whole is None else answer.whole
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def write_json_lines(answer: Answer) -> bytes:
    """Write each item of an answer on a line of its own, every line ended."""
    option = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
    return b"".join(orjson.dumps(item, option=option) for item in answer.items)


WRITERS: Final[Mapping[str, Callable[[Answer], bytes]]] = {JSON: write_json, JSON_LINES: write_json_lines}


def write_answer(answer: Answer, media_type: str) -> bytes:
    """Write an answer in one of the media types that are offered."""
    return WRITERS[family(media_type)](answer)
