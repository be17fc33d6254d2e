"""Check and fit values against botocore's service models, as the services themselves would.

botocore's own validator looks at types, required members and minimal lengths only; here are names, enumerations,
patterns, lengths and ranges too. It knows nothing of CloudFormation or of any one service.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from botocore.session import Session

_SHOWN: Final = 120  # characters of a value in a message
_CHOICES: Final = 12  # enumerations up to this length are listed whole
_NUMBERS: Final = ("integer", "long", "float", "double")


@functools.cache
def service_model(service: str) -> Any:
    """Return botocore's model of a service."""
    return Session().get_service_model(service)


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


def problems(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """Yield a sentence for everything in a value that the shape does not allow."""
    where = path or shape.name
    wanted = _PYTHON_TYPES.get(shape.type_name)
    if wanted is not None and (not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted)):
        yield f"{where}: {_show(value)} is not a {shape.type_name}"
        return
    yield from _size_problems(shape, value, where)
    if shape.type_name == "structure":
        yield from _structure_problems(shape, value, path)
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from problems(shape.member, item, f"{where}[{index}]")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from problems(shape.key, key, f"{where} (key {key!r})")
            yield from problems(shape.value, item, f"{where}.{key}")
    elif shape.type_name == "string":
        yield from _string_problems(shape, value, where)


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
}


def _structure_problems(shape: Any, value: Mapping[str, Any], path: str) -> Iterator[str]:
    if shape.metadata.get("document"):
        return
    for name in shape.required_members:
        if name not in value:
            yield f"{path or shape.name}: {name} is missing"
    if getattr(shape, "is_tagged_union", False) and len(value) != 1:
        yield f"{path or shape.name}: exactly one of {', '.join(shape.members)} must be given"
    for name, item in value.items():
        inner = f"{path}.{name}" if path else name
        if name not in shape.members:
            near = difflib.get_close_matches(name, shape.members, 1)
            yield f"{inner}: there is no such member" + (f"; did you mean {near[0]}?" if near else "")
        else:
            yield from problems(shape.members[name], item, inner)


def _size_problems(shape: Any, value: Any, where: str) -> Iterator[str]:
    if shape.type_name in _NUMBERS:
        size, noun = value, "value"
    elif shape.type_name in {"string", "list", "map"}:
        size, noun = len(value), "length"
    else:
        return
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield f"{where}: {_show(value)} must have {noun} greater than or equal to {low}"
    if high is not None and size > high:
        yield f"{where}: {_show(value)} must have {noun} less than or equal to {high}"


def _string_problems(shape: Any, value: str, where: str) -> Iterator[str]:
    allowed = shape.enum
    if allowed and value not in allowed:
        named = allowed if len(allowed) <= _CHOICES else difflib.get_close_matches(value, allowed, 3, 0)
        more = "" if len(allowed) <= _CHOICES else f" and {len(allowed) - len(named)} others"
        yield f"{where}: {_show(value)} must satisfy enum value set: [{', '.join(named)}{more}]"
    pattern = _compile(shape.metadata.get("pattern"))
    if pattern is not None and not pattern.fullmatch(value):
        yield f"{where}: {_show(value)} must satisfy regular expression pattern: {pattern.pattern}"


@functools.cache
def _compile(pattern: str | None) -> re.Pattern[str] | None:
    """Compile a model's pattern; a few are in dialects that Python's engine does not speak, and pass unchecked."""
    try:
        return None if pattern is None else re.compile(pattern)
    except re.error:
        return None


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
