"""The document as a page to read, docs/api.md: everything that is in it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from jina_v3.contract import ErrorCode
from openapi.answers import ANSWER_SCHEMAS
from openapi.document import ROOT
from openapi.errors import ERROR_SCHEMAS
from openapi.page_examples import blocks, headers_line
from openapi.requests import JSON_REQUESTS
from openapi.values import VALUE_SCHEMAS, Schema
from openapi.wording import Row, code, conditions, rows, say

PAGE: Final = ROOT / "docs" / "api.md"

_ABOUT: Final = """\
# API reference

Every path, field, limit and error of the server, with examples. `make openapi` writes this page and
[openapi.json](openapi.json) from the same tables that the server reads requests by. [The wire contract](contract.md)
explains what is only listed here; on SageMaker, callers reach `/invocations` alone, as `InvokeEndpoint`.

Answers below are those of the server's own code around two vectors of two values, so their numbers mean nothing.
"""

_GROUPS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    (
        "Requests",
        "What a body as JSON may be, and a line of JSON lines. What is not listed is an error.",
        (*JSON_REQUESTS, "Record"),
    ),
    (
        "Answers",
        "What an answer as JSON may be, its items, and a line of JSON lines.",
        tuple(ANSWER_SCHEMAS),
    ),
    ("Values", "What requests and answers have in common.", tuple(VALUE_SCHEMAS)),
)


def write_page(document: dict[str, Any]) -> str:
    """Return the page of a document."""
    components = document["components"]
    parts = [
        _ABOUT,
        *_paths(document),
        *(part for group in _GROUPS for part in _schemas(*group, components["schemas"])),
        *_examples(components["examples"]),
        *_errors(components),
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Return a table without the columns that would be empty."""
    filled = [list(line) for line in lines]
    columns = [(title, *cells) for title, *cells in zip(head, *filled, strict=True) if any(cells)]
    cells = [[title, "---", *below] for title, *below in columns]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in zip(*cells, strict=True)
    )


# Paths


def _paths(document: dict[str, Any]) -> Iterator[str]:
    components = document["components"]
    yield "## Paths\n"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"### {method.upper()} {path}\n"
            yield f"{operation['summary']}. {operation.get('description', '')}".strip()
            given = [
                (f"`{each['name']}`", say(each["schema"]), each.get("description", ""))
                for each in operation.get("parameters", ())
            ]
            if given:
                yield _table(("header", "value", "meaning"), given)
            if "requestBody" in operation:
                yield _table(("`Content-Type`", "body", "examples"), _contents(operation["requestBody"]["content"]))
            yield _table(("status", "answer", "headers"), _statuses(operation["responses"], components))
            yield from _bodies(operation["responses"]["200"].get("content", {}), components["schemas"])
    yield "### Headers of answers\n"
    every = {
        name: components["headers"][header["$ref"].rpartition("/")[2]]
        for response in _responses(document)
        for name, header in response.get("headers", {}).items()
    }
    lines = ((f"`{name}`", say(header["schema"]), header["description"]) for name, header in every.items())
    yield _table(("header", "value", "meaning"), lines)


def _responses(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for operations in document["paths"].values():
        for operation in operations.values():
            yield from operation["responses"].values()
    yield from document["components"]["responses"].values()


def _bodies(content: dict[str, Any], schemas: dict[str, Schema]) -> Iterator[str]:
    if content:
        yield _table(("type of an answer with 200", "body", "examples"), _contents(content))
    for each in content.values():
        fields = list(rows(each.get("schema", {}), schemas))
        if fields:
            yield _fields(fields)
        if "example" in each:
            yield from blocks({"value": each["example"]})


def _contents(content: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return a line for each kind of body, with all names that it has."""
    names: dict[tuple[str, str], list[str]] = {}
    for media_type, each in content.items():
        schema = each.get("schema", {})
        said = say(schema) if "schema" in each else "bytes"
        if "x-itemSchema" in each:
            said = f"lines, each {say(each['x-itemSchema'])}"
        elif "description" in schema:
            said = f"{said}: {schema['description']}"
        shown = ", ".join(f"[{name}](#{_anchor(name)})" for name in each.get("examples", ()))
        names.setdefault((said, shown), []).append(f"`{media_type}`")
    return [("<br>".join(types), said, shown) for (said, shown), types in names.items()]


def _statuses(responses: dict[str, Any], components: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for status, response in responses.items():
        said = response.get("description", "")
        if "$ref" in response:
            response = components["responses"][response["$ref"].rpartition("/")[2]]
            codes = response["content"]["application/json"]["examples"]
            said = ", ".join(f"[`{code}`](#{code})" for code in codes)
        yield status, said, _headers(response)


def _headers(response: dict[str, Any]) -> str:
    return ", ".join(f"`{name}`" for name in response.get("headers", {}))


# Schemas


def _schemas(title: str, about: str, names: Iterable[str], schemas: dict[str, Schema]) -> Iterator[str]:
    yield f"## {title}\n"
    yield about
    before: tuple[str, Schema] | None = None
    for name in names:
        schema = schemas[name]
        yield f"### {name}\n"
        differing = _differing(schema, before)
        if differing is None:
            yield from _schema(schema, schemas)
        else:
            assert before is not None
            yield from _schema({**schema, "properties": differing}, schemas)
            yield f"Its other fields are those of [{before[0]}](#{before[0].lower()})."
        before = (name, schema)


def _differing(schema: Schema, before: tuple[str, Schema] | None) -> Schema | None:
    """Return the fields in which a schema differs from the one before it, where most are the same; else None."""
    if (
        before is None
        or "properties" not in schema
        or set(schema["properties"]) != set(before[1].get("properties", ()))
    ):
        return None
    found = {name: field for name, field in schema["properties"].items() if field != before[1]["properties"][name]}
    return found if len(found) < len(schema["properties"]) else None


def _schema(schema: Schema, schemas: dict[str, Schema]) -> Iterator[str]:
    said = [schema["description"]] if "description" in schema else []
    said += conditions(schema)
    if "properties" not in schema:
        kind = say(schema)
        said.append(f"{kind[0].upper()}{kind[1:]}.")
    if said:
        yield " ".join(said)
    if "default" in schema:
        yield f"Without it: {code(schema['default'])}."
    fields = list(rows(schema, schemas))
    if fields:
        yield _fields(fields)


def _fields(fields: Iterable[Row]) -> str:
    lines = ((f"`{row.path}`", row.value, "yes" if row.needed else "", row.default, row.about) for row in fields)
    return _table(("field", "value", "must be there", "without it", "meaning"), lines)


# Examples and errors


def _anchor(name: str) -> str:
    return f"example-{name}"


def _examples(examples: dict[str, Any]) -> Iterator[str]:
    yield "## Examples\n"
    for key, example in examples.items():
        if not key.endswith(".request"):
            continue
        name = key.removesuffix(".request")
        yield f"### Example {name}\n"
        yield f"{example['summary']}."
        yield from blocks(example)
        for answer in examples.values():
            if answer.get("x-request", {}).get("example") == key:
                yield f"Sent with {headers_line(answer['x-request']['headers'])}, it is answered with"
                yield from blocks(answer)


def _errors(components: dict[str, Any]) -> Iterator[str]:
    yield "## Errors\n"
    yield "Every error has this body. Any other path is answered with 404, any other method with 405."
    alike: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for name in ERROR_SCHEMAS:
        fields = rows(components["schemas"][name], components["schemas"])
        said = ((row.path, "the code below" if row.path == "error.code" else row.value, row.about) for row in fields)
        alike.setdefault(tuple((f"`{path}`", *rest) for path, *rest in said), []).append(name.removeprefix("Error"))
    for lines, statuses in alike.items():
        yield f"With {', '.join(statuses)}, and all fields are always there:"
        yield _table(("field", "value", "meaning"), lines)
    codes = sorted((str(each.status), f"[`{each.wire_name}`](#{each.wire_name})") for each in ErrorCode)
    yield _table(("status", "code"), codes)
    for name, response in components["responses"].items():
        yield f"### {name}\n"
        yield f"Headers: {_headers(response)}."
        for wire_name, example in response["content"]["application/json"]["examples"].items():
            yield f"#### {wire_name}\n"
            request = example.get("x-request")
            if request is not None:
                with_headers = f" with {headers_line(request['headers'])}" if request["headers"] else ""
                yield f"`{request['method']} {request['path']}`{with_headers}"
                yield from blocks(request)
            yield from blocks(example)
