"""The JSONPath expressions that a transform job's filters may be: the few operators that SageMaker takes.

**Source**: docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html, "Supported JSONPath Operators"
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

_NAME: Final = r"'[^']*'|\"[^\"]*\""
_INDEX: Final = r"-?\d*:-?\d*|-?\d+"
_STEP: Final = re.compile(
    rf"\.(?P<name>[A-Za-z_][\w-]*)|\.?\[\s*(?P<names>(?:{_NAME})(?:\s*,\s*(?:{_NAME}))*)\s*\]"
    rf"|\[\s*(?P<indexes>(?:{_INDEX})(?:\s*,\s*(?:{_INDEX}))*)\s*\]|(?P<all>\.\*|\[\*\])"
)
_ALLOWED: Final = "$, .name, ['name','name'], [0,1], [0:2] and *, several at once in the last step only"

Select = Callable[[Any], Any]


class PathError(ValueError):
    """An expression is none of those that are allowed, or a value has not what it asks for."""


def parse_path(expression: str) -> Select:
    """Return what selects the part of a JSON value that an expression names.

    It raises ``PathError`` for a value that has no such part.

    **Raises**: ``PathError``.
    """
    if not expression.startswith("$"):
        raise PathError(f"{expression!r} does not begin with $; allowed are {_ALLOWED}")
    steps: list[Select] = []
    position, several = 1, False
    while position < len(expression):
        found = _STEP.match(expression, position)
        if found is None or several:
            raise PathError(f"{expression!r} has {expression[position:]!r}; allowed are {_ALLOWED}")
        step, several = _read_step(found)
        steps.append(step)
        position = found.end()

    def select(value: Any) -> Any:
        for step in steps:
            try:
                value = step(value)
            except (KeyError, IndexError, TypeError, AttributeError):
                raise PathError(f"{expression!r} finds nothing in a record") from None
        return value

    return select


def _read_step(found: re.Match[str]) -> tuple[Select, bool]:
    """Return what a step selects, and whether that can be more than one thing."""
    if found["all"]:
        return lambda value: list(value.values()) if isinstance(value, dict) else [*_array(value)], True
    if found["indexes"]:
        picks = [_read_index(part.strip()) for part in found["indexes"].split(",")]
        only = picks[0]
        if len(picks) == 1 and isinstance(only, int):
            return lambda value: _array(value)[only], False
        return lambda value: [item for pick in picks for item in _pick(_array(value), pick)], True
    names = [found["name"]] if found["name"] else [part[1:-1] for part in re.findall(_NAME, found["names"])]
    if len(names) == 1:
        return lambda value: _object(value)[names[0]], False
    return lambda value: {name: _object(value)[name] for name in names}, True


def _read_index(text: str) -> int | slice:
    if ":" not in text:
        return int(text)
    first, _, last = text.partition(":")
    return slice(int(first) if first else None, int(last) if last else None)


def _pick(values: list[Any], pick: int | slice) -> list[Any]:
    return values[pick] if isinstance(pick, slice) else [values[pick]]


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value
