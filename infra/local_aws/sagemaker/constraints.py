"""Check requests against botocore's model of the API, and say what is wrong in the service's words.

botocore checks types and required members on the client's side, and little of the rest; other clients check nothing.
A member that the model does not know is refused too, where the service would let it pass: a slip must not go unseen.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from botocore.session import Session

from local_aws.sagemaker.errors import ApiError, refuse

_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float, str),
}
# Java's names of classes of characters, in Python's; each a little wider than the original
_CLASSES: Final = {r"\p{L}": r"\w", r"\p{N}": r"\d", r"\p{Z}": r"\s"}


@functools.cache
def service_model() -> Any:
    """Return botocore's model of SageMaker's control plane."""
    return Session().get_service_model("sagemaker")


def check(operation: str, request: Mapping[str, Any]) -> None:
    """Check the request of an operation.

    **Raises**: ``ApiError``: SerializationException for a wrong type, ValidationException for anything else.
    """
    shape = service_model().operation_model(operation).input_shape
    found = list(_violations(shape, request, ""))
    if found:
        many = "s" if len(found) > 1 else ""
        refuse(f"{len(found)} validation error{many} detected: {'; '.join(found)}")


def _violations(shape: Any, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    wanted = _KINDS.get(kind)
    if wanted is not None and (not isinstance(value, wanted) or (isinstance(value, bool) and kind != "boolean")):
        where = path or shape.name
        raise ApiError(
            "SerializationException", f"{type(value).__name__} at '{where}' can not be converted to a {kind}"
        )
    if kind == "structure":
        yield from _structure_violations(shape, value, path)
    elif kind == "list":
        yield from _size_violations(shape, value, path)
        for number, item in enumerate(value, 1):
            yield from _violations(shape.member, item, f"{path}.{number}.member")
    elif kind == "map":
        yield from _size_violations(shape, value, path)
        for key, item in value.items():
            yield from _violations(shape.key, key, path)
            yield from _violations(shape.value, item, f"{path}.{key}")
    elif kind == "string":
        yield from _string_violations(shape, value, path)
    elif kind in ("integer", "long", "float", "double"):
        yield from _range_violations(shape, value, path)


def _structure_violations(shape: Any, value: Mapping[str, Any], path: str) -> Iterator[str]:
    prefix = f"{path}." if path else ""
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"Value null at '{prefix}{_lower(name)}' failed to satisfy constraint: Member must not be null"
    for name, item in value.items():
        where = f"{prefix}{_lower(name)}"
        if name not in shape.members:
            yield f"Value at '{where}' failed to satisfy constraint: {shape.name} has no member {name}"
        elif item is not None:
            yield from _violations(shape.members[name], item, where)


def _string_violations(shape: Any, value: str, path: str) -> Iterator[str]:
    yield from _size_violations(shape, value, path)
    if shape.enum and value not in shape.enum:
        allowed = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        yield f"Value '{value}' at '{path}' failed to satisfy constraint: {allowed}"
    pattern = shape.metadata.get("pattern")
    if pattern and not _compile(pattern).fullmatch(value):
        wanted = f"Member must satisfy regular expression pattern: {pattern}"
        yield f"Value '{value}' at '{path}' failed to satisfy constraint: {wanted}"


def _size_violations(shape: Any, value: Any, path: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    shown = f"'{value}' " if isinstance(value, str) else ""
    said = f"Value {shown}at '{path}' failed to satisfy constraint: Member must have length"
    if low is not None and len(value) < low:
        yield f"{said} greater than or equal to {low}"
    if high is not None and len(value) > high:
        yield f"{said} less than or equal to {high}"


def _range_violations(shape: Any, value: float, path: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    said = f"Value '{value}' at '{path}' failed to satisfy constraint: Member must have value"
    if low is not None and value < low:
        yield f"{said} greater than or equal to {low}"
    if high is not None and value > high:
        yield f"{said} less than or equal to {high}"


@functools.cache
def _compile(pattern: str) -> re.Pattern[str]:
    for theirs, ours in _CLASSES.items():
        pattern = pattern.replace(theirs, ours)
    return re.compile(pattern)


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]
