"""``docs/api.md`` is what the document says, and all of it: read back here from its tables and blocks."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi.page import PAGE, write_page
from tests.support.openapi import DOCUMENT, SCHEMAS, resolve

TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = {
    match["title"]: match["body"]
    for match in re.finditer(r"^#{3,4} (?P<title>.+)\n(?P<body>(?:(?!^##).*\n?)*)", TEXT, re.MULTILINE)
}
BLOCKS = re.findall(r"^```(\w+)\n(.*?)\n```$", TEXT, re.MULTILINE | re.DOTALL)


def table(section: str) -> dict[str, str]:
    """Return the rows of a section's tables by their first cell."""
    found = re.findall(r"^\| `([^`]+)` \| (.*) \|$", SECTIONS[section], re.MULTILINE)
    return {name: rest.replace("\\|", "|") for name, rest in found}


def fields(schema: Any, path: str = "") -> Iterator[tuple[str, Any, bool]]:
    """Yield every field that a schema names, wherever."""
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}".removeprefix(".")
        yield here, field, name in schema.get("required", ())
        yield from fields(field, here)
    if "items" in schema:
        yield from fields(schema["items"], f"{path}[]")
    if "properties" not in schema:
        for alternative in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
            yield from fields(alternative, path)


def facts(schema: Any) -> Iterator[str]:
    """Yield what must be said of a value, however it is put: names of schemas, values, limits."""
    if isinstance(schema, list):
        for each in schema:
            yield from facts(each)
    elif isinstance(schema, dict):
        for word, given in schema.items():
            if word == "$ref":
                yield f"[{given.rpartition('/')[2]}]"
            elif word in ("const", "default", "pattern", "contentEncoding"):
                yield given if isinstance(given, str) else json.dumps(given)
            elif word == "enum" and len(given) < 20:
                yield from (f"`{value if isinstance(value, str) else json.dumps(value)}`" for value in given)
            elif re.fullmatch("m(in|ax)(imum|Length|Items|Properties)", word):
                yield str(given)
            elif word in ("anyOf", "oneOf", "items"):
                yield from facts(given)


def test_it_is_current() -> None:
    is_current = write_page(DOCUMENT) == TEXT
    assert is_current, "run make openapi"


def test_every_path_status_and_header_is_there() -> None:
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            section = SECTIONS[f"{method.upper()} {path}"]
            for status, response in operation["responses"].items():
                assert re.search(rf"^\| {status} \| ", section, re.MULTILINE), (path, status)
                if method != "head":
                    assert all(f"`{header}`" in section for header in resolve(response)["headers"])
            for given in operation.get("parameters", ()):
                assert all(fact in table(f"{method.upper()} {path}")[given["name"]] for fact in facts(given["schema"]))
            for media_type in operation.get("requestBody", {}).get("content", {}):
                assert f"`{media_type}`" in section


@pytest.mark.parametrize("name", [name for name in SCHEMAS if not name.startswith("Error")])
def test_every_field_is_there_with_its_limits(name: str) -> None:
    section, schema = SECTIONS[name], SCHEMAS[name]
    other = re.search(r"Its other fields are those of \[(\w+)\]", section)
    rows = {**(table(other[1]) if other else {}), **table(name)}
    listed = list(fields(schema))
    assert {path for path, _, _ in listed} <= rows.keys()
    if not other:
        assert rows.keys() == {path for path, _, _ in listed}
    for path, field, needed in listed:
        said = rows[path]
        assert ("yes" in said.split(" | ")) is needed, path
        missing = [fact for fact in facts({**field, "default": None} if needed else field) if fact not in said]
        assert missing in ([], ["null"]), path
    if "properties" not in schema:
        assert not [fact for fact in facts(schema) if fact not in section]


def test_every_error_has_its_status_and_example() -> None:
    for response in DOCUMENT["components"]["responses"].values():
        for code, example in response["content"]["application/json"]["examples"].items():
            shown = [json.loads(text) for kind, text in re.findall(r"```(json)\n(.*?)\n```", SECTIONS[code], re.DOTALL)]
            assert example["value"] in shown
    codes = {row[1]: row[0] for row in re.findall(r"^\| (\d{3}) \| \[`(\w+)`\]", TEXT, re.MULTILINE)}
    assert codes == {
        code: name.removeprefix("Error")
        for name, response in DOCUMENT["components"]["responses"].items()
        for code in response["content"]["application/json"]["examples"]
    }


def test_the_blocks_are_the_documents_examples_and_nothing_else() -> None:
    shown = [json.loads(text) if kind == "json" else text for kind, text in BLOCKS]
    expected = []

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            for word, given in value.items():
                if word in ("value", "x-rows", "x-array", "x-base64", "example") and not isinstance(given, str):
                    expected.append(given)
                elif word in ("value", "x-base64"):
                    expected.append(given.rstrip("\n"))
                else:
                    collect(given)
        elif isinstance(value, list):
            for each in value:
                collect(each)

    components = DOCUMENT["components"]
    collect([DOCUMENT["paths"], components["examples"], components["responses"]])
    assert sorted(map(repr, shown)) == sorted(map(repr, expected))
