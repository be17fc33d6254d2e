"""The part of JSONPath and of the intrinsic functions that the definition uses; anything else is an error."""

from __future__ import annotations

import json
import re
from typing import Any, Final

_STEP: Final = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]")
_CALL: Final = re.compile(r"^States\.(\w+)\((.*)\)$", re.DOTALL)
_ARGUMENT: Final = re.compile(r"\s*('(?:[^'\\]|\\.)*'|[^,]+)\s*(?:,|$)")


class PathError(Exception):
    """A path leads nowhere, or to what cannot be there: Step Functions ends the execution with States.Runtime."""


def read(path: str, data: Any, context: Any) -> Any:
    """Return what a path or an intrinsic function stands for.

    **Raises**: ``PathError``.
    """
    if call := _CALL.match(path):
        arguments = [_argument(text, data, context) for text in _ARGUMENT.findall(call[2])]
        return _intrinsic(call[1], arguments)
    value, rest = (context, path[2:]) if path.startswith("$$") else (data, path[1:])
    while rest:
        step = _STEP.match(rest)
        if step is None:
            raise PathError(f"{path}: only names and indices are understood here")
        try:
            value = value[step[1]] if step[1] else value[int(step[2])]
        except (KeyError, IndexError, TypeError):
            raise PathError(f"{path} leads nowhere") from None
        rest = rest[step.end() :]
    return value


def _argument(text: str, data: Any, context: Any) -> Any:
    text = text.strip()
    if text.startswith("'"):
        return text[1:-1]
    return read(text, data, context) if text.startswith(("$", "States.")) else json.loads(text)


def _intrinsic(name: str, arguments: list[Any]) -> Any:
    if name == "Format":
        template, *values = arguments
        if template.count("{}") != len(values):
            raise PathError(f"States.Format: {template!r} does not take {len(values)} values")
        for value in values:
            template = template.replace("{}", value if isinstance(value, str) else json.dumps(value), 1)
        return template
    if name == "JsonToString":
        return json.dumps(arguments[0])
    if name == "StringToJson":
        return json.loads(arguments[0])
    if name == "MathAdd":
        return arguments[0] + arguments[1]
    if name == "Array":
        return arguments
    raise PathError(f"States.{name} is not understood here")


def fill(template: Any, data: Any, context: Any) -> Any:
    """Return a template with each member whose name ends in ``.$`` replaced by what its path stands for.

    **Raises**: ``PathError``.
    """
    if isinstance(template, list):
        return [fill(item, data, context) for item in template]
    if not isinstance(template, dict):
        return template
    return {
        name.removesuffix(".$"): read(value, data, context) if name.endswith(".$") else fill(value, data, context)
        for name, value in template.items()
    }


def put(path: str | None, data: Any, result: Any) -> Any:
    """Return data with a result at a path: ``$`` replaces all of it, ``None`` drops the result."""
    if path is None:
        return data
    names = path[1:].strip(".").split(".") if path != "$" else []
    if not names:
        return result
    whole = dict(data) if isinstance(data, dict) else {}
    whole[names[0]] = put(".".join(["$", *names[1:]]) if names[1:] else "$", whole.get(names[0], {}), result)
    return whole
