"""Every example of ``docs/openapi.json``, and of docs/contract.md, sent to the real ``serve`` process."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from openapi.examples import REFUSED
from tests.support.asking import read_back
from tests.support.openapi import DOCUMENT, SCHEMAS, answers, body_of, check_answer, check_valid, resolve
from tests.support.pages import Block, blocks_of
from tests.support.serving import ServeProcess
from tests.support.wire import check_error

from jina_v3.contract import ErrorCode
from jina_v3.serving.formats.media_types import family

EXAMPLES = DOCUMENT["components"]["examples"]
ANSWERS = [
    (media_type, name)
    for media_type, content in answers(200).items()
    for name in content["examples"]
    if media_type == family(media_type)
]


@pytest.fixture(scope="module")
def client(tiny_model: Path) -> Iterator[httpx.Client]:
    with ServeProcess(tiny_model, {"JINA_V3_MODEL": str(tiny_model)}) as server:
        with server.wait_until_ready().client() as client:
            yield client
        assert server.stderr == b""


def form_of(value):
    """Names and types, in order; what a number is and how long a list of numbers aside."""
    if isinstance(value, dict):
        return [(name, form_of(item)) for name, item in value.items()]
    if isinstance(value, list):
        return [form_of(item) for item in value]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


@pytest.mark.parametrize(("media_type", "name"), ANSWERS)
def test_an_example_is_answered_as_the_document_says(client, media_type, name):
    shown = resolve(answers(200)[media_type]["examples"][name])
    request = shown["x-request"]
    response = client.post("/invocations", content=body_of(EXAMPLES[request["example"]]), headers=request["headers"])
    assert response.status_code == 200, response.text
    kind = response.headers["content-type"]
    assert kind == media_type
    answer = read_back(response.content, kind)
    check_answer(answer, kind, 200)
    if "x-array" in shown:
        expected = np.array(shown["x-array"])
        assert answer.shape == expected.shape
        if kind == "application/octet-stream":
            assert response.headers["X-Embedding-Shape"] == "2,2"
    elif "x-rows" in shown:
        assert form_of(answer.to_pylist()) == form_of(shown["x-rows"])
    else:
        expected = read_back(shown["value"].encode(), kind) if isinstance(shown["value"], str) else shown["value"]
        assert form_of(answer) == form_of(expected)
        schema = {"anyOf": [SCHEMAS[schema] for schema in shown["x-schemas"]]}
        for part in answer if "jsonlines" in kind else [answer]:
            check_valid(part, schema)


@pytest.mark.parametrize("code", REFUSED, ids=lambda code: code.wire_name)
def test_a_refusal_is_as_the_document_says(client, code):
    example = REFUSED[code]
    headers = {**example.all_headers, "X-Amzn-RequestId": "abc-1"}
    content = example.sent if example.method == "POST" else None
    response = client.request(example.method, example.path, content=content, headers=headers)
    assert response.status_code == code.status
    assert response.headers["content-type"] == "application/json"
    described = DOCUMENT["components"]["responses"][f"Error{code.status}"]
    assert set(described["headers"]) <= {name.title().replace("Requestid", "RequestId") for name in response.headers}
    content = described["content"]["application/json"]
    check_valid(response.json(), content["schema"])
    error = check_error(response.content, code.status)
    shown = content["examples"][code.wire_name]["value"]["error"]
    assert (error["code"], error["field"]) == (shown["code"], shown["field"])
    assert error["allowed"] == shown["allowed"]
    if code not in (ErrorCode.TEXT_TOO_LONG, ErrorCode.BODY_TOO_LARGE):  # a tokenizer's count; how much was read
        assert (error["message"], error["value"]) == (shown["message"], shown["value"])


@pytest.mark.parametrize("path", ["/ping", "/execution-parameters"])
def test_what_needs_no_body_is_answered_as_the_document_says(client, path):
    response = client.get(path)
    content = DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"][response.headers["content-type"]]
    check_valid(response.json(), content["schema"])
    assert response.json() == content["example"]


def test_metrics_are_of_the_type_that_the_document_says(client):
    response = client.get("/metrics")
    content = DOCUMENT["paths"]["/metrics"]["get"]["responses"]["200"]["content"][response.headers["content-type"]]
    check_valid(response.text, content["schema"])


def test_ping_by_head(client):
    response = client.head("/ping")
    assert (response.status_code, response.content) == (200, b"")


def kind_of(text: str) -> str:
    if not text.startswith("{"):
        return "text/csv" if not text.startswith("[") else "application/json"
    return "application/jsonlines" if "}\n{" in text else "application/json"


def on_the_page() -> list[tuple[Block, Block]]:
    """Return each request of docs/contract.md and its answer; a refusal stands by itself."""
    blocks = [block for block in blocks_of(__file__) if block.page == "docs/contract.md"]
    pairs = [block for block in blocks if not block.text.startswith('{"error"')]
    return list(zip(pairs[::2], pairs[1::2], strict=True))


@pytest.mark.parametrize(("request_", "answer"), on_the_page(), ids=lambda block: block.place)
def test_the_contracts_page_is_answered_as_it_says(client, request_, answer):
    sent, wanted = kind_of(request_.text), kind_of(answer.text)
    headers = {"Content-Type": sent, "Accept": wanted}
    if sent == "text/csv":
        headers["X-Amzn-SageMaker-Custom-Attributes"] = "dimensions=2"
    response = client.post("/invocations", content=request_.text.encode(), headers=headers)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == wanted
    given = read_back(response.content, wanted)
    check_answer(given, wanted, 200)
    assert form_of(given) == form_of(read_back(answer.text.encode(), wanted))


def test_the_contracts_page_shows_a_refusal_as_it_is(client):
    (block,) = (block for block in blocks_of(__file__) if block.text.startswith('{"error"'))
    shown = json.loads(block.text)
    body = {"data": [{"text": "sunrise"}], "parameters": {"task": shown["error"]["value"]}}
    response = client.post("/invocations", json=body)
    assert response.status_code == 422
    error = check_error(response.content, 422)
    assert list(error) == list(shown["error"])
    for name in ("code", "message", "field", "value"):
        assert error[name] == shown["error"][name]
    assert [task for task in shown["error"]["allowed"] if task != "…"] == [error["allowed"][0], error["allowed"][-1]]
    assert error["message"].startswith(shown["detail"].partition("…")[0])


def test_the_reference_shows_examples_of_the_document():
    """Those are sent above, so that what docs/api.md shows has been answered."""
    text = json.dumps(DOCUMENT, ensure_ascii=False)
    for block in (block for block in blocks_of(__file__) if block.page == "docs/api.md"):
        shown = json.loads(block.text) if block.language == "json" else block.text.strip()
        assert json.dumps(shown, ensure_ascii=False).strip('"') in text, block.place
