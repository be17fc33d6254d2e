"""What texts are embedded with: validated before anything is sent."""

from __future__ import annotations

import difflib
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from operator import index
from typing import Final, Literal

from jina_v3.contract import MODEL_DIMENSIONS, TASKS, Task
from jina_v3_client.errors import InvalidInputError

TaskName = Literal["retrieval.query", "retrieval.passage", "separation", "classification", "text-matching"]
VectorForm = Literal["float", "binary", "ubinary", "int8"]

VECTOR_FORMS: Final[tuple[VectorForm, ...]] = ("float", "binary", "ubinary", "int8")
"""Forms a caller can ask for; ``float`` travels as base64 of float32."""


class Unset(Enum):
    """What stands where an argument was not given, since ``None`` means something: the base weights."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The contract's parameters of a call.

    ``task=None`` is the base weights and no prompt. ``dimensions`` is 1 to 1024.

    **Raises**: ``InvalidInputError`` for a value that cannot be, naming what is allowed.

    >>> Parameters(task="retrieval.query", dimensions=256).bytes_per_vector
    1024
    >>> Parameters(task="retrieval.queries")
    Traceback (most recent call last):
    jina_v3_client.errors.InvalidInputError: task is 'retrieval.queries', which is no task of this model; did you mean 'retrieval.query'? Allowed: retrieval.query, retrieval.passage, separation, classification, text-matching, or None for the base weights
    """  # noqa: E501  # the message is one line

    task: Task | TaskName | None = None
    dimensions: int = MODEL_DIMENSIONS
    late_chunking: bool = False
    normalized: bool = True
    truncate: bool = False
    form: VectorForm = "float"

    def __post_init__(self) -> None:
        if self.task is not None:
            object.__setattr__(self, "task", _task(self.task))
        if not isinstance(self.dimensions, bool):
            with suppress(TypeError):
                object.__setattr__(self, "dimensions", index(self.dimensions))  # numpy's whole numbers are some too
        if type(self.dimensions) is not int or not 1 <= self.dimensions <= MODEL_DIMENSIONS:
            raise InvalidInputError(
                f"dimensions is {self.dimensions!r}; it must be a whole number from 1 to {MODEL_DIMENSIONS}",
                code="invalid_dimensions",
                field="dimensions",
                value=self.dimensions,
                allowed=f"1 to {MODEL_DIMENSIONS}",
            )
        for name in ("late_chunking", "normalized", "truncate"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidInputError(
                    f"{name} is {getattr(self, name)!r}; it must be True or False",
                    code="wrong_type",
                    field=name,
                    value=getattr(self, name),
                    allowed=[True, False],
                )
        if self.form not in VECTOR_FORMS:
            form: object = self.form
            raise InvalidInputError(
                f"embedding_type is {self.form!r}; it must be one of {', '.join(VECTOR_FORMS)}"
                + ("; float travels as base64 already" if form == "base64" else ""),
                code="invalid_value",
                field="embedding_type",
                value=self.form,
                allowed=list(VECTOR_FORMS),
            )

    @property
    def bytes_per_vector(self) -> int:
        """Bytes of one vector in memory."""
        if self.form == "float":
            return 4 * self.dimensions
        return self.dimensions if self.form == "int8" else -(-self.dimensions // 8)

    @property
    def columns(self) -> int:
        """Columns of the array of vectors: the dimensions, or the bytes that their signs are packed into."""
        return -(-self.dimensions // 8) if self.form in ("binary", "ubinary") else self.dimensions


def _task(value: object) -> Task:
    try:
        return Task(value)  # type: ignore[arg-type]  # what is no string is no task either
    except ValueError:
        near = difflib.get_close_matches(str(value), TASKS, n=1)
        meant = f"; did you mean {str(near[0])!r}?" if near else "."
        allowed = f"{', '.join(TASKS)}, or None for the base weights"
        raise InvalidInputError(
            f"task is {value!r}, which is no task of this model{meant} Allowed: {allowed}",
            code="unknown_task",
            field="task",
            value=str(value),
            allowed=[*TASKS, None],
        ) from None
