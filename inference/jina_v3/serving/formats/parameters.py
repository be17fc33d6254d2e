"""The parameters that every request shape has in common, read from JSON values that may be anything."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jina_v3.contract import EMBEDDING_TYPES, MODEL_DIMENSIONS, PARAMETERS, TASKS, EncodeJob, ErrorCode, Task
from jina_v3.errors import RequestError, shorten
from jina_v3.serving.exchange import EmbeddingTypes
from jina_v3.serving.formats.json_values import kind

FIELDS: Final = PARAMETERS

MAX_NAME_CHARACTERS: Final = 256


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

    def effective(self, dimensions: int | None) -> dict[str, Any]:
        """Return them as a response says them; ``dimensions`` are those of its vectors, None where it has none."""
        return {
            "task": self.task,
            "dimensions": self.dimensions if dimensions is None else dimensions,
            "late_chunking": self.late_chunking,
            "normalized": self.normalized,
            "truncate": self.truncate,
            "embedding_type": self.embedding_types,
        }


@dataclass(frozen=True, slots=True)
class Given:
    """Parameters by our names, as a request gives them, and where in it each stands: after ``prefix``, or elsewhere."""

    values: Mapping[str, Any]
    prefix: str = ""
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def place(self, name: str) -> str:
        """Return where in the request a parameter stands, or would."""
        return self.elsewhere.get(name, f"{self.prefix}{name}")


def gather(*sources: tuple[str, Mapping[str, Any]], names: Mapping[str, str], shown: Mapping[str, Any] = {}) -> Given:
    """Gather parameters from several places of a request, each a prefix and its fields, by other names too.

    ``names`` are ours by the request's. Null counts only as ``task``, where it is a choice. ``shown`` are values as an
    error shall show them, where the sources hold them translated.

    **Raises**: ``RequestError`` (422) where two places differ.
    """
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for prefix, fields in sources:
        for wire_name, name in names.items():
            value, place = fields.get(wire_name), f"{prefix}{wire_name}"
            if value is None and not (wire_name == "task" and wire_name in fields):
                continue
            if name in values and not _is_same(value, values[name]):
                raise contradiction(place, shown.get(wire_name, value), places[name])
            values[name], places[name] = value, place
    return Given(values, elsewhere=places)


def _is_same(value: Any, other: Any) -> bool:
    """Compare two values of JSON, where 0 is not false and 2.0 no whole number."""
    is_number = isinstance(value, int | float)
    return bool(value == other) and (type(value) is type(other) or not is_number)


def contradiction(field: str, value: object, other: str) -> RequestError:
    """Return the error for a field that says something else than another one."""
    return RequestError(
        ErrorCode.INVALID_VALUE,
        f"{field} and {other} say the same thing and differ here",
        field=field,
        value=value,
        allowed="one of the two",
    )


def read_object(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the object that a field holds, an empty one where it is absent or null.

    **Raises**: ``RequestError`` (422).
    """
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong_type(name, value, "an object")
    return value


def read_parameters(given: Given, absent: Parameters) -> Parameters:
    """Read the parameters of a request or a record; what it does not say is as in ``absent``.

    Null says nothing, but for two: a task of null is none, dimensions of null are the model's own.

    **Raises**: ``RequestError`` (422).
    """
    values = given.values
    return Parameters(
        task=_read_task(values["task"], given.place("task")) if "task" in values else absent.task,
        dimensions=_read_dimensions(values["dimensions"], given.place("dimensions"))
        if "dimensions" in values
        else absent.dimensions,
        late_chunking=_read_flag(given, "late_chunking", default=absent.late_chunking),
        normalized=_read_flag(given, "normalized", default=absent.normalized),
        truncate=_read_flag(given, "truncate", default=absent.truncate),
        embedding_types=_read_embedding_types(given, absent.embedding_types),
    )


def read_name(value: Any, field: str) -> str | None:
    """Read a name that changes nothing (``model``, ``user``); null is None.

    **Raises**: ``RequestError`` (422).
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise wrong_type(field, value, "a string")
    if len(value) > MAX_NAME_CHARACTERS:
        raise RequestError(
            ErrorCode.INVALID_VALUE,
            f"{field} has {len(value)} characters; at most {MAX_NAME_CHARACTERS} are allowed",
            field=field,
            value=value,
            allowed=f"at most {MAX_NAME_CHARACTERS} characters",
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


def _read_flag(given: Given, name: str, *, default: bool) -> bool:
    value = given.values.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise wrong_type(given.place(name), value, "true or false")
    return value


def _read_embedding_types(given: Given, absent: EmbeddingTypes) -> EmbeddingTypes:
    names = [name for name in ("embedding_type", "encoding_format") if given.values.get(name) is not None]
    read = {name: _read_embedding_type(given.values[name], given.place(name)) for name in names}
    if len(set(read.values())) > 1:
        raise contradiction(
            given.place("encoding_format"), given.values["encoding_format"], given.place("embedding_type")
        )
    return next(iter(read.values()), absent)


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
