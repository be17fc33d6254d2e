"""``docs/openapi.json`` as the tests use it: what it shows, and whether a body is as it says."""

import json
from typing import Any

import jsonschema_rs
from openapi.document import PATH
from tests.support.asking import parquet

DOCUMENT: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
INVOCATIONS: dict[str, Any] = DOCUMENT["paths"]["/invocations"]["post"]


def resolve(value: Any) -> Any:
    """Return what a reference refers to, or the value itself."""
    if "$ref" not in value:
        return value
    found: Any = DOCUMENT
    for step in value["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


def answers(status: int) -> dict[str, Any]:
    """Return what an answer with a status may be, by its media type."""
    return resolve(INVOCATIONS["responses"][str(status)])["content"]


def validator(schema: Any) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def check_valid(value: Any, schema: Any) -> None:
    """Check a value against a schema of the document."""
    validator(schema).validate(value)


def body_of(example: Any) -> bytes:
    """Return the body of a request that the document shows."""
    if "x-rows" in example:
        import pyarrow as pa

        return parquet(pa.Table.from_pylist(example["x-rows"]))
    value = example["value"]
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def check_answer(body: Any, media_type: str, status: int) -> None:
    """Check an answer that has been read (``asking.read_back``) against what the document says of its status."""
    content = answers(status)
    assert media_type in content, (media_type, status)
    if isinstance(body, list) and "x-itemSchema" in content[media_type]:
        for line in body:
            check_valid(line, content[media_type]["x-itemSchema"])
    elif "schema" in content[media_type]:
        check_valid(body, content[media_type]["schema"])
