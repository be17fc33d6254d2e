"""Every Python block of the client's page, and of the others that show it, runs as it stands there.

Endpoints are the loopback ones; batch runs are in memory. A block finds the names of the blocks before it.
"""

import ast
import asyncio
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
from tests.support.loopback_endpoint import Hosted, LoopbackEndpoint
from tests.support.pages import blocks_of

from jina_v3_client._aws.deployment import Deployment
from jina_v3_client.testing import InMemoryClient

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "client.md"
OTHERS = sorted({ROOT / block.page for block in blocks_of(__file__)} - {PAGE})
BINDS_CLIENT = re.compile(r"\bclient = |as client\b")
IMPORTS = "from jina_v3_client import EmbeddingClient"
DEPLOYED = Deployment(name="jina-v3-dev", region="us-east-1", bucket="data", endpoint="texts")


def blocks(page: Path) -> list[tuple[int, str]]:
    """Return each block, and the line before its first."""
    return [(block.line - 1, block.text) for block in blocks_of(__file__) if block.page == str(page.relative_to(ROOT))]


def run(code: str, line: int, page: Path, names: dict[str, Any]) -> None:
    """Run a block, which may await; a traceback shows the page's own line."""
    compiled = compile("\n" * line + code, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if compiled.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(compiled, names))
    else:
        exec(compiled, names)


@pytest.fixture(scope="module")
def service() -> Iterator[LoopbackEndpoint]:
    with LoopbackEndpoint(hosted=(Hosted(), Hosted(region="us-east-1"))) as service:
        yield service


@pytest.fixture
def here(service: LoopbackEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoopbackEndpoint:
    """A folder with the page's files, somebody's credentials, and the deployment that the README makes."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", service.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setattr(Deployment, "find", lambda *_: DEPLOYED)
    monkeypatch.chdir(tmp_path)
    Path("texts.txt").write_text("sunrise\n\nsunset\n", encoding="utf-8")
    return service


def with_batch() -> InMemoryClient:
    """Make a client of batch runs, with the dataset that the page names."""
    client = InMemoryClient()
    service, store = client.batch._service_and_store
    service.resumes = True  # as the state machine does; the page bounds a run's cost
    store.objects["batch/datasets/docs/docs.jsonl"] = b'{"id": "a", "text": "sunrise"}\n{"id": "b", "text": ""}\n'
    return client


def test_every_block_of_the_page_runs(here: LoopbackEndpoint, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"texts": ["sunrise", "sunset"]}
    for line, code in blocks(PAGE):
        run(code, line, PAGE, {**names, "client": with_batch()} if "client.batch." in code else names)
    assert "empty_text" in capsys.readouterr().out


@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.name)
def test_the_client_of_other_pages_runs(here: LoopbackEndpoint, page: Path) -> None:
    assert blocks(page)
    for line, code in blocks(page):
        run(code, line, page, {})


def given_names(code: str) -> str:
    """Return the parameters of a function with the block's code: what it does not make itself."""
    return "texts: list[str]" + ("" if BINDS_CLIENT.search(code) else ", client: EmbeddingClient")


@pytest.mark.slow
def test_the_pages_blocks_are_well_typed(tmp_path: Path) -> None:
    functions = [
        f"async def block_{line}({given_names(code)}) -> None:\n{indent(code, '    ')}" for line, code in blocks(PAGE)
    ]
    (tmp_path / "page.py").write_text("\n".join([IMPORTS, *functions]), encoding="utf-8")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", tmp_path / "page.py"], cwd=ROOT, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout
