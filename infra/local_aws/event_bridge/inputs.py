"""What a target is given of an event: all of it, a part, a text, or a template that is filled."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

_PATH: Final = re.compile(r"\$(\.[\w/-]+|\[\d+\])*")
_STEP: Final = re.compile(r"\.([\w/-]+)|\[(\d+)\]")
_PLACE: Final = re.compile(r'\\.|"|<([A-Za-z0-9_.-]+)>')
_MISSING: Final = object()


def input_of(rule: Any, target: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    """Return the text that a rule's target is given.

    **Raises**: ``ValueError``.
    """
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        return json.dumps(_find(target["InputPath"], event))
    if "InputTransformer" not in target:
        return json.dumps(event)
    transformer = target["InputTransformer"]
    values = {name: _find(path, event) for name, path in transformer.get("InputPathsMap", {}).items()}
    values |= {
        "aws.events.rule-arn": rule.arn,
        "aws.events.rule-name": rule.name,
        "aws.events.event.ingestion-time": event["time"],
        "aws.events.event": {name: value for name, value in event.items() if name != "detail"},
        "aws.events.event.json": event,
    }
    return fill(transformer["InputTemplate"], values)


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Put values in the places of a template: JSON where they stand alone, bare text inside of a JSON string."""
    quoted = False

    def put(match: re.Match[str]) -> str:
        nonlocal quoted
        if match[1] is None:
            quoted = quoted != (match[0] == '"')
            return match[0]
        if match[1] not in values:
            raise ValueError(f"the template has <{match[1]}>, which InputPathsMap does not have")
        value = values[match[1]]
        if value is _MISSING:
            return ""
        if not quoted:
            return json.dumps(value)
        return json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]

    return _PLACE.sub(put, template)


def _find(path: str, event: Mapping[str, Any]) -> Any:
    if not _PATH.fullmatch(path):
        raise ValueError(f"the local AWS reads paths such as $.detail.object.key, not {path!r}")
    found: Any = event
    for name, index in _STEP.findall(path):
        try:
            found = found[name] if name else found[int(index)]
        except (KeyError, IndexError, TypeError):
            return _MISSING
    return found
