"""Schemas in words, for the page: what a value may be, the fields of an object, and what must hold among them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from jina_v3.contract import ErrorCode
from openapi.values import Schema

_ALL_CODES: Final = [each.wire_name for each in ErrorCode]
_ALTERNATIVES: Final = ("anyOf", "oneOf")


@dataclass(frozen=True, slots=True)
class Row:
    """One field of an object, or of an object in it: ``data[].text``."""

    path: str
    value: str
    needed: bool
    default: str
    about: str


def code(value: Any) -> str:
    """Return a value as it stands in JSON, strings without their quotation marks."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"`{text}`" if text else '`""`'


def say(schema: Schema) -> str:
    """Return what a value may be; the fields of an object are ``rows``'."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return code(schema["const"])
    if schema.get("enum") == _ALL_CODES:
        return "a code of [an error](#errors)"
    if "enum" in schema:
        return " or ".join(code(value) for value in schema["enum"])
    for word in _ALTERNATIVES:
        if word in schema and "properties" not in schema:
            return " or ".join(dict.fromkeys(say(alternative) for alternative in schema[word]))
    if "type" not in schema:
        return "anything but `null`" if schema.get("not") == {"type": "null"} else "anything"
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return " or ".join(_of_type(name, schema) for name in types)


def _of_type(name: str, schema: Schema) -> str:
    if name == "array":
        items = say(schema["items"])
        items = f"({items})" if " or " in items else items
        return f"list of {_count(schema)}{items}{', all different' if schema.get('uniqueItems') else ''}"
    if name == "object":
        least = f", at least {schema['minProperties']} of them" if "minProperties" in schema else ""
        others = "" if schema.get("additionalProperties") is False else ", and others"
        return f"object of these fields{others}{least}"
    if name in ("integer", "number"):
        return _limited("whole number" if name == "integer" else "number", _between(schema, "minimum", "maximum", ""))
    if name == "string":
        encoding = [schema["contentEncoding"]] if "contentEncoding" in schema else []
        pattern = [f"matching `{schema['pattern']}`"] if "pattern" in schema else []
        return _limited("string", _between(schema, "minLength", "maxLength", " characters") + encoding + pattern)
    return {"null": "`null`", "boolean": "`true` or `false`"}[name]


def _limited(word: str, limits: list[str]) -> str:
    return f"{word} ({', '.join(limits)})" if limits else word


def _count(schema: Schema) -> str:
    least, most = schema.get("minItems"), schema.get("maxItems")
    if most is not None:
        return f"{least or 0} to {most} "
    return f"at least {least} " if least else ""


def _between(schema: Schema, low: str, high: str, unit: str) -> list[str]:
    least, most = schema.get(low), schema.get(high)
    if least is None and most is None:
        return []
    if most is None:
        return [f"at least {least}{unit.removesuffix('s') if least == 1 else unit}"]
    return [f"at most {most}{unit}" if least is None else f"{least} to {most}{unit}"]


def rows(schema: Schema, schemas: Schema, path: str = "") -> Iterator[Row]:
    """Yield the fields of a schema, and of the objects that stand in it by themselves."""
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        needed = name in schema.get("required", ())
        resolved = schemas[field["$ref"].rpartition("/")[2]] if "$ref" in field else field
        default = code(resolved["default"]) if "default" in resolved and not needed else ""
        yield Row(here, say(field), needed, default, field.get("description", ""))
        yield from rows(field, schemas, here)
    if "items" in schema:
        yield from rows(schema["items"], schemas, f"{path}[]")
    if "properties" not in schema:
        for word in _ALTERNATIVES:
            for alternative in schema.get(word, ()):
                yield from rows(alternative, schemas, path)


def conditions(schema: Schema) -> Iterator[str]:
    """Yield what must hold among the fields of an object, as sentences."""
    if "properties" not in schema:
        return
    for word, among in (("anyOf", "It has"), ("oneOf", "It has one of two:")):
        if word in schema:
            yield f"{among} {'; or '.join(_condition(alternative) for alternative in schema[word])}."
    for each in schema.get("allOf", ()):
        yield from conditions({**each, "properties": {}})
    if "not" in schema:
        excluded = schema["not"].get("anyOf", [schema["not"]])
        yield f"It has no {' and no '.join(_condition(each) for each in excluded)}."


def _condition(schema: Schema) -> str:
    names = schema.get("required", [])
    said = []
    for name in dict.fromkeys([*names, *schema.get("properties", {})]):
        given = schema.get("properties", {}).get(name)
        said.append(f"`{name}`" + ("" if given is None else _that(given)))
    without = [_condition(each) for each in schema.get("not", {}).get("anyOf", ())]
    return " and ".join(said) + (f" without {' or '.join(without)}" if without else "")


def _that(schema: Schema) -> str:
    if "properties" in schema:
        return f" with {_condition(schema)}"
    return f" = {say(schema)}" if "const" in schema else f" as {say(schema)}"
