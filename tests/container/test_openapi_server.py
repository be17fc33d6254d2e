"""Data made from the schemas of ``docs/openapi.json``, right and wrong, sent to the real ``serve`` process."""

import copy
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks as conformance
from tests.support.asking import read_back
from tests.support.openapi import DOCUMENT, INVOCATIONS, check_answer, validator
from tests.support.serving import ServeProcess
from tests.support.wire import check_described, check_error

JSON = "application/json"
JSON_LINES = "application/jsonlines"
GOOD = {"data": [{"text": "the sun rises"}], "parameters": {"dimensions": 4}}
CHECKS = [
    not_a_server_error,
    conformance.status_code_conformance,
    conformance.content_type_conformance,
    conformance.response_headers_conformance,
    conformance.response_schema_conformance,
    conformance.negative_data_rejection,
]
SHAPES = [ref["$ref"].rpartition("/")[2] for ref in INVOCATIONS["requestBody"]["content"][JSON]["schema"]["oneOf"]]
ACCEPTS = ["*/*", JSON_LINES, "application/x-parquet", "application/x-npy", "application/octet-stream"]
BESIDE_THE_SCHEMA = {"invalid_value", "empty_text", "text_too_long"}
"""Codes that a request can get which is right by its schema: two fields that differ, white space beyond ASCII's."""

REFUSALS = [status for status in INVOCATIONS["responses"] if status.startswith("4")]

SHORT, LONG = 20, 120
each_length = pytest.mark.parametrize("length", [SHORT, pytest.param(LONG, marks=pytest.mark.slow)])
each_mode = pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)


def settings_of(length: int) -> settings:
    return settings(
        max_examples=length,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )


def operation(content: Mapping[str, Any], parameters: list[Any] | None = None) -> Any:
    """Return ``POST /invocations`` as if this were all that it takes."""
    document = copy.deepcopy(DOCUMENT)
    invocations = document["paths"]["/invocations"]["post"]
    invocations["requestBody"]["content"] = content
    invocations["parameters"] = parameters or []
    config = schemathesis.Config.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}})
    return schemathesis.openapi.from_dict(document, config=config)["/invocations"]["POST"]


def with_whole_numbers(value: Any) -> Any:
    """Write 1.0 as 1: both are whole numbers to JSON Schema, the first is none here."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [with_whole_numbers(item) for item in value]
    return {name: with_whole_numbers(item) for name, item in value.items()} if isinstance(value, dict) else value


@dataclass
class Sender:
    """Sends cases, and counts what came back."""

    url: str
    session: requests.Session = field(default_factory=requests.Session)
    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)

    def send(self, case: Any, accept: str, checks: Sequence[Any] = CHECKS) -> None:
        response = case.call(base_url=self.url, session=self.session, headers={"Accept": accept})
        excluded = [] if case.media_type == JSON else [conformance.response_schema_conformance]
        case.validate_response(response, checks=list(checks), excluded_checks=excluded)
        (media_type,) = response.headers["content-type"]
        self.count(response.status_code, media_type, response.content)

    def count(self, status: int, media_type: str, body: bytes) -> Any:
        """Check an answer against the document and the wire's rules, and return it."""
        self.statuses[status] += 1
        if status != 200:
            self.codes[check_error(body, status)["code"]] += 1
        answer = read_back(body, media_type)
        check_answer(answer, media_type, status)
        return answer


@pytest.fixture(scope="module")
def server(tiny_model: Path) -> Iterator[ServeProcess]:
    with ServeProcess(tiny_model, {"JINA_V3_MODEL": str(tiny_model)}) as process:
        yield process.wait_until_ready()


@pytest.fixture
def sender(server: ServeProcess) -> Iterator[Sender]:
    """A sender; afterwards the server must be as it was."""
    sender = Sender(server.url)
    sender.session.trust_env = False
    with sender.session:
        yield sender
    with server.client() as client:
        response = client.post("/invocations", json=GOOD)
        assert len(response.json()["data"][0]["embedding"]) == 4
        assert client.get("/ping").status_code == 200
    assert {line["level"] for line in server.logs} == {"info"}
    assert server.stderr == b""


@each_length
@each_mode
@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape(sender, shape, mode, length):
    any_shape = validator(INVOCATIONS["requestBody"]["content"][JSON]["schema"])
    case_of = operation({JSON: {"schema": {"$ref": f"#/components/schemas/{shape}"}}}).as_strategy(generation_mode=mode)

    @settings_of(length)
    @given(case_of, st.sampled_from(ACCEPTS))
    def check(case, accept):
        if mode == GenerationMode.POSITIVE:
            case.body = with_whole_numbers(case.body)
        elif isinstance(case.body, dict):
            assume(not any_shape.is_valid(case.body))  # what is wrong for one shape may be right for another
        sender.send(case, accept)

    check()
    if mode == GenerationMode.POSITIVE:
        assert set(sender.codes) <= BESIDE_THE_SCHEMA
        assert sender.statuses[200] > sender.statuses.total() / 3
    else:
        assert sender.statuses[200] < sender.statuses.total() / 3


@each_length
@each_mode
def test_records_as_json_lines(sender, mode, length):
    schema = {"type": "array", "items": {"$ref": "#/components/schemas/Record"}, "maxItems": 5}
    case_of = operation({JSON: {"schema": schema}}).as_strategy(generation_mode=mode)
    counts: Counter[str] = Counter()
    session = requests.Session()
    session.trust_env = False

    @settings_of(length)
    @given(case_of)
    def check(case):
        body = with_whole_numbers(case.body)
        records = body if isinstance(body, list) else [body]
        body = "".join(f"{json.dumps(record, default=repr)}\n" for record in records)
        response = session.post(f"{sender.url}/invocations", data=body.encode(), headers={"Content-Type": JSON_LINES})
        answer = sender.count(response.status_code, response.headers["content-type"], response.content)
        assert len(answer) == len(records)
        for line in answer:
            if "error" in line:
                check_described(line["error"], "line")
            counts[line["error"]["code"] if "error" in line else "good"] += 1

    with session:
        check()
    assert set(sender.statuses) == {200}
    if mode == GenerationMode.POSITIVE:
        assert set(counts) <= {"good", *BESIDE_THE_SCHEMA}
        assert counts["good"] > counts.total() / 3
    else:
        assert counts["good"] < counts.total() / 3


@each_length
@pytest.mark.parametrize("media_type", ["text/plain", "text/csv"])
def test_texts(sender, media_type, length):
    case_of = operation({media_type: INVOCATIONS["requestBody"]["content"][media_type]}).as_strategy()

    @settings_of(length)
    @given(case_of, st.sampled_from(ACCEPTS))
    def check(case, accept):
        sender.send(case, accept)

    check()
    assert set(sender.codes) <= {"not_acceptable"}  # an array of rows
    assert sender.statuses[200] > sender.statuses.total() / 3


@each_length
@each_mode
def test_headers(sender, mode, length):
    case_of = operation({JSON: {"schema": {"const": GOOD}}}, INVOCATIONS["parameters"]).as_strategy(
        generation_mode=mode
    )

    @settings_of(length)
    @given(case_of)
    def check(case):
        sender.send(case, "*/*", CHECKS[:-1])

    check()
    assert sender.statuses[200]
    assert set(sender.statuses) <= {200, 400, 415}  # what only says that it is gzip, or is another coding
