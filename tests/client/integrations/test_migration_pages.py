"""The pages for who comes from OpenAI's API or other classes of LangChain: their code runs, before and after.

``openai`` and langchain-community are the real ones. Packages of LangChain that are not installed are stand-ins, which
show that the code around them is right, and nothing about them.
"""

import re
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.support.former_services import lead_everything_to, playing
from tests.support.pages import blocks_of

pytest.importorskip("openai", reason="make test-integrations")
pytest.importorskip("langchain_community", reason="make test-integrations")


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch):
    with playing() as url:
        lead_everything_to(url, monkeypatch)
        yield url


def blocks(page: str) -> list[str]:
    return [block.text for block in blocks_of(__file__) if block.page == f"docs/{page}"]


def test_openais_page(services: str) -> None:
    names: dict[str, Any] = {}
    seen = []
    for code in blocks("from-openai.md"):
        exec(compile(code, "from-openai.md", "exec"), names)
        seen.append(np.array(names["vectors"]))
    before, by_client, by_types, by_base64 = seen
    assert before.shape == (2, 256)
    assert names["query"].shape == (256,)
    assert np.abs(by_client - by_types).max() < 1e-6
    assert np.array_equal(by_base64.astype(np.float32), by_client)


class Elsewhere:
    """An ``Embeddings`` of a package that is not there."""

    def __init__(self, **_: Any) -> None:
        pass

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return np.full((len(texts), 1024), 1 / 32).tolist()


def test_langchains_page(services: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for package, name in (("langchain_openai", "OpenAIEmbeddings"), ("langchain_huggingface", "HuggingFaceEmbeddings")):
        module = ModuleType(package)
        setattr(module, name, Elsewhere)
        monkeypatch.setitem(sys.modules, package, module)
    names: dict[str, Any] = {}
    seen = []
    for code in blocks("from-langchain.md"):
        exec(compile(code, "from-langchain.md", "exec"), names)
        if "new = " in code:
            seen.append((np.array(names["old"]), np.array(names["new"])))
    assert len(names["found"]) == 1
    jinas, sagemakers, _ = seen
    assert np.abs(jinas[0] - jinas[1]).max() < 1e-6  # one model, no task
    assert np.abs(sagemakers[0] - sagemakers[1]).max() < 1e-6  # one model, one task
    assert re.fullmatch(r"\[-?[\d.]+\]", capsys.readouterr().out.strip())
