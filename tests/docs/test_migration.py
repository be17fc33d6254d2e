"""The pages for who comes from elsewhere: their code runs, before and after, and where vectors stay the same they do.

Blocks that need a library that is not installed here run in ``make test-integrations``, from its own folder's test.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.asking import ask
from tests.support.former_services import lead_everything_to, playing
from tests.support.pages import blocks_of

from jina_v3.contract import ErrorCode, Limits
from jina_v3.errors import RequestError
from jina_v3.serving.formats.foreign_shapes import HUGGING_FACE_FIELDS
from jina_v3.serving.formats.shapes import API_FIELDS

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("from-jina-api.md", "from-text-embeddings-inference.md")


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch):
    with playing() as url:
        lead_everything_to(url, monkeypatch)
        yield url


@pytest.mark.parametrize("name", PAGES)
def test_the_code_runs_and_the_vectors_are_what_the_page_says(name: str, services: str) -> None:
    names: dict[str, Any] = {}
    seen = []
    for block in (block for block in blocks_of(__file__) if block.page == f"docs/{name}"):
        exec(compile(block.text, block.place, "exec"), names)
        seen.append(np.array(names["vectors"]))
    before, by_client, by_boto3 = seen
    assert np.abs(by_client - by_boto3).max() < 1e-6
    assert np.abs(np.linalg.norm(by_client, axis=1) - 1).max() < 1e-6
    if name == "from-jina-api.md":
        assert before.shape == (2, 256)
        assert np.abs(before - by_client).max() < 1e-6  # one model, one task: "they stay good"
    else:
        assert np.abs(before - by_client).max() > 0.01  # without a task they are others


def rows(name: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table under a heading, without its head."""
    table = page(name).partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("from-jina-api.md", API_FIELDS),
        ("from-openai.md", API_FIELDS),
        ("from-text-embeddings-inference.md", HUGGING_FACE_FIELDS),
    ],
)
def test_the_fields_that_are_taken_are_the_contracts(name: str, fields: tuple[str, ...]) -> None:
    named = {field for first, *_ in rows(name, "Field by field") for field in re.findall(r"`(\w+)`", first)}
    assert named - {"true", "false", "usage", "Authorization", "right", "error", "message", "code", "param"} <= {
        *fields
    }
    assert len(named) > 4


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"input": "a", "task": "clustering"}, ErrorCode.UNKNOWN_TASK),
        ({"input": [[1, 2]]}, ErrorCode.WRONG_TYPE),
        ({"inputs": [[1, 2]]}, ErrorCode.WRONG_TYPE),
        ({"input": "a", "dimensions": 1536}, ErrorCode.INVALID_DIMENSIONS),
        ({"inputs": "a", "truncation_direction": "left"}, ErrorCode.INVALID_VALUE),
        ({"input": {"image": "https://example.com/a.png"}}, None),
        ({"input": "a", "encoding_fromat": "base64"}, ErrorCode.UNKNOWN_FIELD),
        ({"inputs": ["a"] * (Limits().max_texts + 1)}, ErrorCode.TOO_MANY_TEXTS),
    ],
)
def test_what_the_pages_call_refused_is(body: dict[str, Any], code: ErrorCode | None) -> None:
    with pytest.raises(RequestError) as raised:
        ask(body)
    assert raised.value.code == code or (code is None and raised.value.code.status == 422)


def test_the_codes_have_the_statuses_that_the_pages_say() -> None:
    told = re.findall(r"\| (\d{3}) `(\w+)`", page("from-text-embeddings-inference.md"))
    assert {code for _, code in told} >= {"too_many_texts", "body_too_large", "text_too_long", "empty_input"}
    assert {code: int(status) for status, code in told} == {code: ErrorCode[code.upper()].status for _, code in told}


def test_the_limits_and_statuses_are_the_contracts() -> None:
    limits = Limits()
    assert (limits.max_texts, limits.max_tokens_per_text) == (2048, 8192)
    for name in ("from-jina-api.md", "from-openai.md"):
        assert f"{limits.max_texts:,} texts" in page(name)
        assert f"{limits.max_tokens_per_text:,} tokens" in page(name)
    by_name = {one.wire_name: one.status for one in ErrorCode}
    told = [
        (int(status), code)
        for _, _, here in rows("from-text-embeddings-inference.md", "Status by status")
        for status, rest in re.findall(r"\b(\d{3}) ((?:`\w+`(?:, |))+)", here)
        for code in re.findall(r"`(\w+)`", rest)
    ]
    assert len(told) >= 4
    assert [(status, code) for status, code in told if by_name[code] != status] == []
