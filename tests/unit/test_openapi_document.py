"""``docs/openapi.json`` is what the code says, a valid document, and complete."""

import json

import jsonschema_rs
import pytest
import schemathesis
from openapi.document import PATH, write_document
from openapi.examples import REFUSED
from tests.support.openapi import DOCUMENT, INVOCATIONS, SCHEMAS, answers, resolve, validator

from jina_v3.contract import ErrorCode
from jina_v3.serving.formats.media_types import JSON, JSON_LINES, READ, TEXTS_OFFER
from jina_v3.serving.formats.shapes import SHAPES
from jina_v3.serving.http.application import _METHODS

BEYOND_A_SCHEMA = (ErrorCode.TEXT_TOO_LONG, ErrorCode.INVALID_TEXT)
INVALID = [
    code
    for code, example in REFUSED.items()
    if example.content_type == JSON and code.status == 422 and code not in BEYOND_A_SCHEMA
]


def test_it_is_current():
    is_current = write_document() == PATH.read_text(encoding="utf-8")
    assert is_current, "run make openapi"


def test_it_is_valid():
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    for schema in SCHEMAS.values():
        jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def test_every_reference_leads_somewhere_and_every_component_is_used():
    def references(value):
        if isinstance(value, dict):
            found = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return found + [ref for child in value.values() for ref in references(child)]
        return [ref for child in value for ref in references(child)] if isinstance(value, list) else []

    referred = set(references(DOCUMENT))
    for reference in referred:
        resolve({"$ref": reference})
    every = {f"#/components/{kind}/{name}" for kind, named in DOCUMENT["components"].items() for name in named}
    alone = {"#/components/responses/Error404", "#/components/responses/Error405"}  # of other paths and methods
    assert every - referred == alone


def test_paths_media_types_and_statuses_are_the_servers():
    methods = {path: {method.upper() for method in operations} for path, operations in DOCUMENT["paths"].items()}
    assert methods == {path: set(allowed) for path, allowed in _METHODS.items()}
    assert tuple(INVOCATIONS["requestBody"]["content"]) == READ
    assert tuple(answers(200)) == TEXTS_OFFER
    elsewhere = {"404", "405"}
    assert set(INVOCATIONS["responses"]) == {"200", *(str(code.status) for code in ErrorCode)} - elsewhere


def test_every_error_has_an_example_of_its_code():
    shown = {
        name: example["value"]["error"]["code"]
        for response in DOCUMENT["components"]["responses"].values()
        for name, example in response["content"]["application/json"]["examples"].items()
    }
    assert shown == {code.wire_name: code.wire_name for code in ErrorCode}


def test_every_example_is_valid_and_every_request_is_answered():
    for media_type, content in INVOCATIONS["requestBody"]["content"].items():
        assert content["examples"], media_type
        for example in map(resolve, content["examples"].values()):
            if "schema" in content:
                validator(content["schema"]).validate(example["value"])
    asked = set()
    for media_type, content in answers(200).items():
        assert content["examples"], media_type
        for example in map(resolve, content["examples"].values()):
            asked.add(example["x-request"]["example"])
            if media_type == JSON:
                validator(content["schema"]).validate(example["value"])
    assert asked == {name for name in DOCUMENT["components"]["examples"] if name.endswith(".request")}
    for response in DOCUMENT["components"]["responses"].values():
        content = response["content"]["application/json"]
        for example in content["examples"].values():
            validator(content["schema"]).validate(example["value"])


def test_every_shape_is_asked_for():
    shown = [resolve(example)["value"] for example in INVOCATIONS["requestBody"]["content"][JSON]["examples"].values()]
    assert {name for name in SHAPES if any(name in value for value in shown)} == set(SHAPES)


@pytest.mark.parametrize("code", INVALID, ids=lambda code: code.wire_name)
def test_what_is_refused_for_what_it_says_is_not_valid(code):
    schema = INVOCATIONS["requestBody"]["content"][JSON]["schema"]
    assert not validator(schema).is_valid(json.loads(REFUSED[code].sent))


def test_good_lines_of_the_example_are_valid_records():
    content = INVOCATIONS["requestBody"]["content"][JSON_LINES]
    (example,) = map(resolve, content["examples"].values())
    lines = [json.loads(line) for line in example["value"].splitlines()]
    assert [validator(content["x-itemSchema"]).is_valid(line) for line in lines] == [True, False, True]
