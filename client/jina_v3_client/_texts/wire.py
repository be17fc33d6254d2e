"""Answers into arrays, verified, and the container's errors, however SageMaker has wrapped them.

Whatever is not exactly the answer to a piece is a ``ResponseError``: a vector is never given to the wrong text.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

import orjson
from pybase64 import b64decode

from jina_v3_client._texts.pieces import Piece
from jina_v3_client._texts.requests import base64_characters, wire_parameters
from jina_v3_client.errors import ResponseError
from jina_v3_client.parameters import Parameters, VectorForm
from jina_v3_client.results import TextEmbedding, TextError
from jina_v3_client.transport import HttpResponse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DTYPES: Final[dict[VectorForm, str]] = {"float": "float32", "int8": "int8", "binary": "int8", "ubinary": "uint8"}
"""Of the arrays of vectors."""

_MOST_TOKENS: Final = 2**53


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Block:
    """A piece's answer.

    **Shapes**: ``vectors``: (texts, columns), ``token_counts``: (texts,) int64, ``scales``: (texts,) float32 or
    ``None``. ``indices`` are the texts' among the caller's, as are those in ``truncated`` and ``errors``; the row of a
    text with an error is NaN, or zero where there is no NaN.
    """

    indices: Sequence[int]
    vectors: NDArray[Any]
    token_counts: NDArray[np.int64]
    truncated: tuple[int, ...] = ()
    scales: NDArray[np.float32] | None = None
    errors: dict[int, TextError]

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[TextEmbedding]:
        cut = frozenset(self.truncated)
        for row, index in enumerate(self.indices):
            error = self.errors.get(index)
            yield TextEmbedding(
                index=index,
                vector=self.vectors[row] if error is None else None,
                tokens=int(self.token_counts[row]),
                truncated=index in cut,
                scale=float(self.scales[row]) if self.scales is not None and error is None else None,
                error=error,
            )

    def split(self, sizes: Sequence[int]) -> list[Block]:
        """Return the documents of a piece that has several, each with indices of its own from 0."""
        blocks, start = [], 0
        for size in sizes:
            rows = slice(start, start + size)
            own = {index: place for place, index in enumerate(self.indices[rows])}
            blocks.append(
                Block(
                    indices=range(size),
                    vectors=self.vectors[rows],
                    token_counts=self.token_counts[rows],
                    truncated=tuple(own[index] for index in self.truncated if index in own),
                    scales=self.scales[rows] if self.scales is not None else None,
                    errors={own[index]: error for index, error in self.errors.items() if index in own},
                )
            )
            start += size
        return blocks


def failed_rows(form: VectorForm) -> float:
    """Return what stands in the row of a text that has no vector."""
    return float("nan") if form == "float" else 0


def decode(response: HttpResponse, piece: Piece) -> Block:
    """Read the answer to a piece.

    Its length, its order, each vector's form and length, and the parameters that took effect are verified.

    **Raises**: ``ResponseError``, for any other answer.
    """
    try:
        return _Reading(piece).block(orjson.loads(response.body))
    except _MalformedError as error:
        what = str(error)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        what = f"it cannot be read ({type(error).__name__})"  # its words may have a part of the answer
    raise ResponseError(
        f"the answer to {len(piece.texts)} texts is not of the contract's form: {what}",
        advice="it may have been cut off on its way; if it comes again, compare the versions of server and client",
        request_id=response.headers.get("x-amzn-requestid"),
    )


class _MalformedError(Exception):
    """What is wrong with an answer; its words have nothing of it but numbers."""


def _refuse(what: str) -> NoReturn:
    raise _MalformedError(what)


class _Reading:
    """An answer that is being read into the arrays of its block."""

    def __init__(self, piece: Piece) -> None:
        import numpy as np

        self._piece = piece
        self._parameters = piece.parameters
        rows, columns = len(piece.texts), piece.parameters.columns
        self._vectors = np.empty((rows, columns), DTYPES[piece.parameters.form])
        self._token_counts = np.zeros(rows, np.int64)
        self._scales = np.zeros(rows, np.float32) if piece.parameters.form == "int8" else None
        self._truncated: list[int] = []
        self._errors: dict[int, TextError] = {}
        self._failed: list[int] = []
        # which document each row is of, where the answer says so
        self._documents = [number for number, size in enumerate(piece.documents) for _ in range(size)]

    def block(self, answer: Any) -> Block:
        """Read an answer."""
        items = answer if self._piece.lines else self._framed(answer)
        if not isinstance(items, list) or len(items) != len(self._piece.texts):
            _refuse(f"it has {len(items) if isinstance(items, list) else 'no list of'} items")
        read = _VECTORS[self._parameters.form]
        for row, item in enumerate(items):
            if item["id"] != row or type(item["id"]) is not int:
                _refuse(f"item {row} is another text's")
            if "error" in item and self._piece.lines:
                self._take_error(row, item["error"])
            else:
                self._vectors[row] = read(item["embedding"], self._parameters)
                self._take_facts(row, item)
        self._check_values()
        return Block(
            indices=self._piece.indices,
            vectors=self._vectors,
            token_counts=self._token_counts,
            truncated=tuple(self._truncated),
            scales=self._scales,
            errors=self._errors,
        )

    def _framed(self, answer: Any) -> Any:
        took_effect = answer["parameters"]
        for name, value in wire_parameters(self._parameters).items():
            if took_effect[name] != value:
                _refuse(f"{name} was not {value!r}")
        return answer["data"]

    def _take_error(self, row: int, error: Any) -> None:
        code, message = error["code"], error["message"]
        if not (isinstance(code, str) and isinstance(message, str)):
            _refuse(f"item {row} has an error without words")
        self._errors[self._piece.indices[row]] = TextError(code=code, message=message)
        self._vectors[row] = failed_rows(self._parameters.form)
        self._failed.append(row)

    def _take_facts(self, row: int, item: dict[str, Any]) -> None:
        tokens = item["tokens"] if self._piece.lines else item["usage"]["total_tokens"]
        if type(tokens) is not int or not 0 <= tokens < _MOST_TOKENS:
            _refuse(f"item {row} does not count its tokens")
        self._token_counts[row] = tokens
        if item.get("truncated", False) is not False:
            self._truncated.append(self._piece.indices[row])
        if self._documents and item["document"] != self._documents[row]:
            _refuse(f"item {row} is another document's")
        if self._scales is not None:
            scale = item["scale"]
            if type(scale) not in (int, float) or not 0 < scale < float("inf"):
                _refuse(f"item {row} has no scale")
            self._scales[row] = scale

    def _check_values(self) -> None:
        """Refuse numbers that are none: the server never gives one."""
        import numpy as np

        if self._parameters.form == "float":
            finite = np.logical_and.reduce(np.isfinite(self._vectors), axis=1)
            finite[self._failed] = True
            if not finite.all():
                _refuse(f"item {int(finite.argmin())} has a value that is no number")


def _read_floats(value: Any, parameters: Parameters) -> NDArray[np.float32]:
    import numpy as np

    if len(value) != base64_characters(parameters):
        _refuse(f"a vector has {len(value)} characters, not {base64_characters(parameters)}")
    vector: NDArray[np.float32] = np.frombuffer(b64decode(value, validate=True), "<f4")
    return vector


def _read_bytes(value: Any, parameters: Parameters) -> array[int]:
    # an array of bytes takes whole numbers that fit, and nothing else
    numbers = array("B" if parameters.form == "ubinary" else "b", value)
    if len(numbers) != parameters.columns:
        _refuse(f"a vector has {len(numbers)} numbers, not {parameters.columns}")
    return numbers


_VECTORS: Final = {"float": _read_floats, "binary": _read_bytes, "ubinary": _read_bytes, "int8": _read_bytes}


# Errors


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerError:
    """What the container said of a request it refused or failed at; ``""`` and ``None`` where it did not say."""

    code: str = ""
    message: str = ""
    field: str | None = None
    value: object = None
    allowed: Any = None
    request_id: str | None = None

    @property
    def index(self) -> int | None:
        """Which text of the request is at fault, counted from 0; of documents, which document."""
        found = re.match(r"[a-z_]+\[(\d{1,9})\]", self.field or "")
        return int(found[1]) if found else None


_ERROR: Final = re.compile(r'\{\s*"error"\s*:')
_STRING: Final = r'"%s"\s*:\s*"((?:[^"\\]|\\.)*)"'


def error_body(body: bytes) -> ContainerError | None:
    r"""Return the container's error, or ``None`` where there is none in the body.

    It may be the body, or stand in the message of a ``ModelError`` of SageMaker's, which cuts long ones off.

    >>> error_body(b'{"Message": "Received client error (422) from primary with message \\"{}\\"."}') is None
    True
    >>> error_body(b'{"error": {"code": "empty_text", "message": "data[3].text is empty", "field": "data[3].text"}}').index
    3
    """  # noqa: E501  # a body is one line
    text = body.decode("utf-8", "replace")
    for candidate in (text, *_wrapped(text)):
        found = _ERROR.search(candidate)
        if found is not None:
            return _whole(candidate[found.start() :]) or _cut_off(candidate[found.start() :])
    return None


def _wrapped(text: str) -> Iterator[str]:
    """Yield the messages that stand in an error of SageMaker's."""
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(members, dict):
        for name in ("OriginalMessage", "Message", "message"):
            if isinstance(members.get(name), str):
                yield members[name]


def _whole(text: str) -> ContainerError | None:
    try:
        value, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    error = value["error"]
    if not isinstance(error, dict):
        return None

    def said(name: str) -> str | None:
        return error[name] if isinstance(error.get(name), str) else None

    return ContainerError(
        code=said("code") or "",
        message=said("message") or "",
        field=said("field"),
        value=error.get("value"),
        allowed=error.get("allowed"),
        request_id=said("request_id"),
    )


def _cut_off(text: str) -> ContainerError | None:
    """Read what is there of an error whose end is missing."""

    def said(name: str) -> str | None:
        found = re.search(_STRING % name, text)
        try:
            return json.loads(f'"{found[1]}"', strict=False) if found else None
        except ValueError:
            return None

    code = said("code")
    if code is None:
        return None
    return ContainerError(code=code, message=said("message") or "", field=said("field"), request_id=said("request_id"))
