"""Check and fit values against botocore's service models, as the services themselves would.

botocore's own validator looks at types, required members and minimal lengths only; here are names, enumerations,
patterns, lengths and ranges too. A member that the model does not know is refused, where many a service would let it
pass: a slip must not go unseen. It knows nothing of CloudFormation or of any one service.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple

from botocore.loaders import create_loader
from botocore.session import Session

_SHOWN: Final = 120  # characters of a value in a message
_CHOICES: Final = 12  # enumerations up to this length are listed whole
_NUMBERS: Final = ("integer", "long", "float", "double")
# Java's names of classes of characters, in Python's; each a little wider than the original
_CLASSES: Final = {r"\p{L}": r"\w", r"\p{N}": r"\d", r"\p{Z}": r"\s"}


_loader: Final = functools.cache(create_loader)


def open_session() -> Session:
    """Open a session of botocore's; all of them share the models, each of which is megabytes of JSON to read."""
    session = Session()
    session.register_component("data_loader", _loader())
    return session


@functools.cache
def service_model(service: str) -> Any:
    """Return botocore's model of a service."""
    return open_session().get_service_model(service)


def input_shape(service: str, operation: str) -> Any:
    """Return the shape of an operation's request, ``None`` where it takes nothing."""
    return service_model(service).operation_model(operation).input_shape


def fit(shape: Any, value: Any) -> Any:
    """Write a value as a shape wants it, where that loses nothing.

    CloudFormation's properties are the API's shapes with numbers as strings, documents as objects and other capitals;
    what does not fit is left as it is, for ``problems`` to name.
    """
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        names = {name.lower(): name for name in shape.members}
        fitted = {names.get(key.lower(), key): item for key, item in value.items()}
        return {key: fit(shape.members[key], item) if key in shape.members else item for key, item in fitted.items()}
    if kind == "list" and isinstance(value, Sequence) and not isinstance(value, str):
        return [fit(shape.member, item) for item in value]
    if kind == "map" and isinstance(value, Mapping):
        return {key: fit(shape.value, item) for key, item in value.items()}
    return _fit_scalar(kind, value)


def _fit_scalar(kind: str, value: Any) -> Any:
    if kind == "string" and isinstance(value, Mapping):
        return json.dumps(value)  # a policy, written as an object in a template
    if kind == "string" and isinstance(value, bool):
        return "true" if value else "false"
    if kind == "string" and isinstance(value, int | float):
        return str(value)
    if kind == "boolean" and isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if kind in _NUMBERS and isinstance(value, str):
        try:
            return float(value) if kind in {"float", "double"} else int(value)
        except ValueError:
            return value
    return float(value) if kind in {"float", "double"} and type(value) is int else value


class Rule(StrEnum):
    """What a shape can ask of a value."""

    TYPE = "type"
    MISSING = "missing"
    UNKNOWN = "unknown"
    UNION = "union"
    MIN = "min"
    MAX = "max"
    ENUM = "enum"
    PATTERN = "pattern"


class Step(NamedTuple):
    """A step to where a value lies: to a member by its name, or to an item, a key or an entry of a collection."""

    kind: Literal["member", "item", "key", "entry"]
    name: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """Something that a shape does not allow; how a service says it is the service's.

    ``shape`` is that of the value at ``path``; ``member`` is the name of what is missing from it, or is not its own.
    """

    rule: Rule
    shape: Any
    value: Any
    path: tuple[Step, ...]
    member: str = ""

    @property
    def limit(self) -> Any:
        """The bound, enumeration or pattern that the value is not within."""
        return self.shape.enum if self.rule is Rule.ENUM else self.shape.metadata.get(self.rule.value)

    @property
    def measured(self) -> str:
        """What of the value a bound is for."""
        return "value" if self.shape.type_name in _NUMBERS else "length"


def find_breaches(shape: Any, value: Any, path: tuple[Step, ...] = (), *, nulls: bool = False) -> Iterator[Breach]:
    """Yield everything in a value that the shape does not allow.

    ``nulls`` says that a structure's member which is ``None`` is one that was not given, as in JSON.
    """
    kind = shape.type_name
    wanted = _PYTHON_TYPES.get(kind)
    if wanted is not None and (not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted)):
        yield Breach(rule=Rule.TYPE, shape=shape, value=value, path=path)
        return
    yield from _size_breaches(shape, value, path)
    if kind == "structure":
        yield from _structure_breaches(shape, value, path, nulls=nulls)
    elif kind == "list":
        for index, item in enumerate(value):
            yield from find_breaches(shape.member, item, (*path, Step("item", index)), nulls=nulls)
    elif kind == "map":
        for key, item in value.items():
            yield from find_breaches(shape.key, key, (*path, Step("key", key)))
            yield from find_breaches(shape.value, item, (*path, Step("entry", key)), nulls=nulls)
    elif kind == "string":
        yield from _string_breaches(shape, value, path)


_PYTHON_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "structure": (Mapping,),
    "list": (list, tuple),
    "map": (Mapping,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float, str, datetime),
}


def _structure_breaches(
    shape: Any, value: Mapping[str, Any], path: tuple[Step, ...], *, nulls: bool
) -> Iterator[Breach]:
    if shape.metadata.get("document"):
        return
    given = {name: item for name, item in value.items() if item is not None or not nulls}
    for name in shape.required_members:
        if name not in given:
            yield Breach(rule=Rule.MISSING, shape=shape, value=value, path=path, member=name)
    if getattr(shape, "is_tagged_union", False) and len(given) != 1:
        yield Breach(rule=Rule.UNION, shape=shape, value=value, path=path)
    for name in value:
        if name not in shape.members:
            yield Breach(rule=Rule.UNKNOWN, shape=shape, value=value, path=path, member=name)
        elif name in given:
            yield from find_breaches(shape.members[name], given[name], (*path, Step("member", name)), nulls=nulls)


def _size_breaches(shape: Any, value: Any, path: tuple[Step, ...]) -> Iterator[Breach]:
    if shape.type_name in _NUMBERS:
        size = value
    elif shape.type_name in {"string", "list", "map"}:
        size = len(value)
    else:
        return
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield Breach(rule=Rule.MIN, shape=shape, value=value, path=path)
    if high is not None and size > high:
        yield Breach(rule=Rule.MAX, shape=shape, value=value, path=path)


def _string_breaches(shape: Any, value: str, path: tuple[Step, ...]) -> Iterator[Breach]:
    if shape.enum and value not in shape.enum:
        yield Breach(rule=Rule.ENUM, shape=shape, value=value, path=path)
    pattern = compile_pattern(shape.metadata.get("pattern"))
    if pattern is not None and not pattern.fullmatch(value):
        yield Breach(rule=Rule.PATTERN, shape=shape, value=value, path=path)


@functools.cache
def compile_pattern(pattern: str | None) -> re.Pattern[str] | None:
    """Compile a model's pattern; a few are in dialects that Python's engine does not speak, and pass unchecked."""
    if pattern is None:
        return None
    for theirs, ours in _CLASSES.items():
        pattern = pattern.replace(theirs, ours)
    try:
        return re.compile(pattern)
    except re.error:
        return None


def problems(shape: Any, value: Any) -> Iterator[str]:
    """Yield a sentence for everything in a value that the shape does not allow."""
    return (_sentence(breach) for breach in find_breaches(shape, value))


def _sentence(breach: Breach) -> str:
    shape, shown, limit = breach.shape, _show(breach.value), breach.limit
    where = _place(breach.path) or shape.name
    match breach.rule:
        case Rule.TYPE:
            said = f"{shown} is not a {shape.type_name}"
        case Rule.MISSING:
            said = f"{breach.member} is missing"
        case Rule.UNION:
            said = f"exactly one of {', '.join(shape.members)} must be given"
        case Rule.UNKNOWN:
            where = _place((*breach.path, Step("member", breach.member)))
            near = difflib.get_close_matches(breach.member, shape.members, 1)
            said = "there is no such member" + (f"; did you mean {near[0]}?" if near else "")
        case Rule.MIN:
            said = f"{shown} must have {breach.measured} greater than or equal to {limit}"
        case Rule.MAX:
            said = f"{shown} must have {breach.measured} less than or equal to {limit}"
        case Rule.ENUM:
            named = limit if len(limit) <= _CHOICES else difflib.get_close_matches(breach.value, limit, 3, 0)
            more = "" if len(limit) <= _CHOICES else f" and {len(limit) - len(named)} others"
            said = f"{shown} must satisfy enum value set: [{', '.join(named)}{more}]"
        case Rule.PATTERN:
            said = f"{shown} must satisfy regular expression pattern: {limit}"
    return f"{where}: {said}"


def _place(path: tuple[Step, ...]) -> str:
    place = ""
    for kind, name in path:
        match kind:
            case "item":
                place += f"[{name}]"
            case "key":
                place += f" (key {name!r})"
            case _:
                place += f".{name}" if place else str(name)
    return place


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
