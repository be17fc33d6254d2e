"""From a TOML or YAML file, and overrides beside it, to a checked ``Deployment``; every complaint names its place."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import yaml
from pydantic import TypeAdapter, ValidationError

from jina_v3_infra.config.instances import UnknownInstanceTypeError
from jina_v3_infra.config.patterns import PATTERN_WORDS
from jina_v3_infra.config.rules import broken_rules
from jina_v3_infra.config.schema import Deployment


class DeploymentError(Exception):
    """A configuration cannot be; the message has one sentence a mistake, with place, value and fix."""


_DEPLOYMENT: Final = TypeAdapter(Deployment)


def read_deployment(path: Path | None = None, overrides: Iterable[str] = ()) -> Deployment:
    """Read, override and check a deployment; the defaults alone where there is no file.

    An override is ``place=value``, ``endpoint.variants.0.instance_type=ml.g5.xlarge`` for instance; its value is read
    as TOML where it is that, and as a text otherwise.

    **Raises**: ``DeploymentError``.
    """
    content = {} if path is None else _read(path)
    for override in overrides:
        place, equals, text = override.partition("=")
        if not equals or not place.strip():
            raise DeploymentError(f"the override {override!r} must be place=value, such as region=eu-west-1")
        _put(content, place.strip(), _value(text.strip()))
    return check_deployment(content, str(path) if path else "the configuration")


def check_deployment(content: Mapping[str, Any], name: str = "the configuration") -> Deployment:
    """Make a deployment of plain data.

    **Raises**: ``DeploymentError`` naming every place that is wrong.
    """
    try:
        # not strict: a number may come as an override's text
        deployment = _DEPLOYMENT.validate_python(dict(content), extra="forbid")
    except ValidationError as error:
        raise DeploymentError(_tell(name, [_complaint(one) for one in _causes(error)])) from None
    try:
        broken = broken_rules(deployment)
    except UnknownInstanceTypeError as error:  # of a rule that looks at a machine's facts
        broken = [str(error)]
    if broken:
        raise DeploymentError(_tell(name, broken))
    return deployment


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeploymentError(f"{path} cannot be read: {error}") from error
    try:
        if path.suffix == ".toml":
            content: object = tomllib.loads(text)
        elif path.suffix in (".yaml", ".yml"):
            content = yaml.safe_load(text) or {}
        else:
            raise DeploymentError(f"{path} must end in .toml, .yaml or .yml, so that it is known how to read it")
    except tomllib.TOMLDecodeError as error:
        raise DeploymentError(f"{path} is not TOML: {error}") from error
    except yaml.YAMLError as error:
        raise DeploymentError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise DeploymentError(f"{path} must hold a table of settings, not {type(content).__name__}")
    return cast("dict[str, Any]", content)


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _put(content: dict[str, Any], place: str, value: object) -> None:
    """Set what a dotted place names; numbers are places in lists, and what is missing on the way is made."""
    at: Any = content
    steps = place.split(".")
    for number, (step, following) in enumerate(zip(steps, [*steps[1:], None], strict=True)):
        key: int | str = int(step) if isinstance(at, list) and step.isdecimal() else step
        if isinstance(at, list):
            if not isinstance(key, int) or key > len(at):
                raise DeploymentError(_tell_no_item(steps, number, len(at)))
            if key == len(at):
                at.append({})
        elif not isinstance(at, dict):
            raise DeploymentError(f"the override's place {place!r}: there is nothing below the value before {step!r}")
        if following is None:
            at[key] = value
        else:
            if isinstance(at, dict) and at.get(key) is None:
                at[key] = [] if following.isdecimal() else {}
            at = at[key]


def _tell_no_item(steps: list[str], number: int, count: int) -> str:
    """Say that a list has no such item, and how those are named that there are, or can be added."""
    items, name = ".".join(steps[:number]), steps[number]
    kind = items.rpartition(".")[2].removesuffix("s")
    has = {0: "none", 1: f"one, {items}.0"}.get(count, f"{count}, {items}.0 to {items}.{count - 1}")
    rest = ".".join(["", *steps[number + 1 :]])
    return (
        f"the override's place {'.'.join(steps)!r}: there is no {kind} {name} in the file; it has {has}, and "
        f"{items}.{count}{rest} would be the next"
    )


def _tell(name: str, complaints: list[str]) -> str:
    if len(complaints) == 1:
        return f"{name}: {complaints[0]}"
    return "\n".join([f"{name} has {len(complaints)} mistakes:", *(f"  - {complaint}" for complaint in complaints)])


def _causes(error: ValidationError) -> list[Any]:
    """Leave out what follows from another: a list is too short for pydantic when one of its items is wrong."""
    errors = error.errors()
    places = [one["loc"] for one in errors]
    return [one for one in errors if not any(at != one["loc"] and at[: len(one["loc"])] == one["loc"] for at in places)]


def _complaint(error: Any) -> str:
    """Say one of pydantic's errors as a sentence with the place in the file, the value and what is allowed."""
    steps = [step for step in error["loc"] if not (isinstance(step, str) and step.startswith(("constrained", "dict[")))]
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
    if error["type"] == "unexpected_keyword_argument":
        known = _fields_at(steps[:-1])
        near = difflib.get_close_matches(str(steps[-1]), known, n=1)
        return f"{place} is not known; " + (f"did you mean {near[0]}?" if near else f"allowed are {', '.join(known)}")
    if error["type"] == "missing":
        return f"{place} must be given"
    return f"{place} = {error['input']!r}: {_allowed(error, steps)}"


def _allowed(error: Any, steps: list[Any]) -> str:
    """Say what is allowed at a place: pydantic's own words, but for those that are a programmer's."""
    kind, message = error["type"], str(error["msg"])
    if kind == "string_pattern_mismatch" and (words := PATTERN_WORDS.get(error["ctx"]["pattern"])):
        return f"must be {words}"
    if kind == "tuple_type":
        return f"must be a list of {'tables' if _fields_at([*steps, 0]) else 'texts'}"
    if kind in ("dataclass_type", "dict_type"):
        return "must be a table of settings"
    return f"{message[:1].lower()}{message[1:]}"


def _fields_at(steps: list[Any]) -> list[str]:
    """Return the names of the fields at a place, from the schema that pydantic makes of the dataclasses."""
    schema = _DEPLOYMENT.json_schema()
    at: dict[str, Any] = schema
    for step in steps:
        at = _resolve(schema, at)
        at = at["items"] if isinstance(step, int) else at["properties"][step]
    return list(_resolve(schema, at).get("properties", {}))


def _resolve(schema: dict[str, Any], at: dict[str, Any]) -> dict[str, Any]:
    for choice in at.get("anyOf", ()):
        if "$ref" in choice:
            at = choice
    return cast("dict[str, Any]", schema["$defs"][at["$ref"].rpartition("/")[2]]) if "$ref" in at else at
