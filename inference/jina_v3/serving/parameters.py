"""The parameters that every request shape has in common, read from JSON values that may be anything."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jina_v3.contract import EMBEDDING_TYPES, MODEL_DIMENSIONS, TASKS, EncodeJob, ErrorCode, Task
from jina_v3.errors import RequestError, shorten
from jina_v3.serving.json_values import kind
from jina_v3.serving.vectors import EmbeddingTypes

FIELDS: Final = (
    "task",
    "dimensions",
    "late_chunking",
    "normalized",
    "truncate",
    "embedding_type",
    "encoding_format",
)
"""The names of the parameters; ``encoding_format`` is OpenAI's name of ``embedding_type``."""

_MAX_NAME_CHARACTERS: Final = 256


@dataclass(frozen=True, slots=True)
class Parameters:
    """How texts shall be encoded, and in which forms their vectors shall be written.

    ``task=None`` means the base weights and no prompt.
    """

    task: Task | None = None
    dimensions: int = MODEL_DIMENSIONS
    late_chunking: bool = False
    normalized: bool = True
    truncate: bool = False
    embedding_types: EmbeddingTypes = "float"

    def job(self, texts: tuple[str, ...]) -> EncodeJob:
        """Return the work of encoding ``texts`` so."""
        return EncodeJob(texts, self.task, self.dimensions, self.late_chunking, self.normalized, self.truncate)


def read_parameters(fields: Mapping[str, Any], prefix: str, absent_task: Task | None) -> Parameters:
    """Read the parameters among ``fields``; those that are absent or null take their defaults.

    A task of null means none; ``absent_task`` is for a request that does not name the field at all. ``prefix`` goes
    before the name of a field in an error (``parameters.``).

    **Raises**: ``RequestError`` (422).
    """
    return Parameters(
        task=_read_task(fields["task"], f"{prefix}task") if "task" in fields else absent_task,
        dimensions=_read_dimensions(fields.get("dimensions"), f"{prefix}dimensions"),
        late_chunking=_read_flag(fields, "late_chunking", prefix, default=False),
        normalized=_read_flag(fields, "normalized", prefix, default=True),
        truncate=_read_flag(fields, "truncate", prefix, default=False),
        embedding_types=_read_embedding_types(fields, prefix),
    )


def read_name(value: Any, field: str) -> str | None:
    """Read a name that changes nothing (``model``, ``user``); null is None.

    **Raises**: ``RequestError`` (422).
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise wrong_type(field, value, "a string")
    if len(value) > _MAX_NAME_CHARACTERS:
        raise RequestError(
            ErrorCode.INVALID_VALUE,
            f"{field} has {len(value)} characters; at most {_MAX_NAME_CHARACTERS} are allowed",
            field=field,
            value=value,
            allowed=f"at most {_MAX_NAME_CHARACTERS} characters",
        )
    return value


def refuse_unknown_fields(fields: Collection[str], known: Collection[str], prefix: str = "") -> None:
    """Refuse a field that is not known, naming the nearest one that is.

    **Raises**: ``RequestError`` (422).
    """
    for name in fields:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near!r}?" if near else f"known are {', '.join(known)}"
            raise RequestError(
                ErrorCode.UNKNOWN_FIELD,
                f"the field {shorten(name)!r} is not known here; {hint}",
                field=f"{prefix}{shorten(name)}",
                value=name,  # not what it holds, which may be a text
                allowed=list(known),
            )


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the known name that is most like ``name``, if one is like it at all."""
    matches = difflib.get_close_matches(name[:64].lower(), known, n=1)
    return matches[0] if matches else None


def wrong_type(field: str, value: object, allowed: str, *, holds_text: bool = False) -> RequestError:
    """Return the error for a value of a JSON type that the field does not take.

    With ``holds_text`` the place is one of texts: a string there is one that lost its way, and is not shown.
    """
    hidden = holds_text and isinstance(value, str)
    said = "" if hidden or not isinstance(value, str | int | float) else f" ({_as_json(value)})"
    return RequestError(
        ErrorCode.WRONG_TYPE,
        f"{field} is {kind(value)}{said}; it must be {allowed}",
        field=field,
        value=None if hidden else value,
        allowed=allowed,
    )


def _as_json(value: str | float) -> str:
    short = shorten(value)
    return str(short) if isinstance(short, str) and not isinstance(value, str) else json.dumps(short)


def _read_task(value: Any, field: str) -> Task | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise wrong_type(field, value, "one of the tasks' names or null")
    if value not in TASKS:
        near = nearest(value, [task.value for task in TASKS])
        hint = f"; did you mean {near!r}?" if near else ""
        raise RequestError(
            ErrorCode.UNKNOWN_TASK,
            f"{field} is {shorten(value)!r}, which is no task of this model{hint}",
            field=field,
            value=value,
            allowed=[*(task.value for task in TASKS), None],
        )
    return Task(value)


def _read_dimensions(value: Any, field: str) -> int:
    allowed = f"a whole number from 1 to {MODEL_DIMENSIONS}, or null"
    if value is None:
        return MODEL_DIMENSIONS
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(field, value, allowed)
    if not 1 <= value <= MODEL_DIMENSIONS:
        raise RequestError(
            ErrorCode.INVALID_DIMENSIONS,
            f"{field} is {shorten(value)}; it must be {allowed}",
            field=field,
            value=value,
            allowed=allowed,
        )
    return value


def _read_flag(fields: Mapping[str, Any], name: str, prefix: str, *, default: bool) -> bool:
    value = fields.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise wrong_type(f"{prefix}{name}", value, "true or false")
    return value


def _read_embedding_types(fields: Mapping[str, Any], prefix: str) -> EmbeddingTypes:
    given = {name: fields[name] for name in ("embedding_type", "encoding_format") if fields.get(name) is not None}
    read = {name: _read_embedding_type(value, f"{prefix}{name}") for name, value in given.items()}
    if len(set(read.values())) > 1:
        raise RequestError(
            ErrorCode.INVALID_VALUE,
            f"{prefix}embedding_type and {prefix}encoding_format are two names of one thing and differ here",
            field=f"{prefix}encoding_format",
            value=given["encoding_format"],
            allowed="one of the two",
        )
    return next(iter(read.values()), "float")


def _read_embedding_type(value: Any, field: str) -> EmbeddingTypes:
    allowed = [*EMBEDDING_TYPES, "a list of these"]
    names = value if isinstance(value, list) else [value]
    for name in names:
        if not isinstance(name, str):
            raise wrong_type(field, name, f"{', '.join(EMBEDDING_TYPES)} or a list of these")
        if name not in EMBEDDING_TYPES:
            raise RequestError(
                ErrorCode.INVALID_VALUE,
                f"{field} is {shorten(name)!r}; it must be one of {', '.join(EMBEDDING_TYPES)}, or a list of these",
                field=field,
                value=name,
                allowed=allowed,
            )
    if not names or len(set(names)) < len(names):
        raise RequestError(
            ErrorCode.INVALID_VALUE,
            f"{field} must name each form once, and at least one",
            field=field,
            value=value,
            allowed=allowed,
        )
    return tuple(names) if isinstance(value, list) else str(value)
