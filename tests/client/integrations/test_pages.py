"""The code on the pages about integrations runs as it stands there."""

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.loopback_endpoint import REGION, LoopbackEndpoint
from tests.support.pages import blocks_of

pytest.importorskip("haystack", reason="make test-integrations")
pytest.importorskip("langchain_community", reason="make test-integrations")
pytest.importorskip("llama_index.core", reason="make test-integrations")
pytest.importorskip("mteb", reason="make test-integrations")

import mteb
from mteb.mocks import mock_tasks

SNIPPETS = [pytest.param(block.text, id=block.place) for block in blocks_of(__file__)]


@pytest.fixture(scope="module")
def service() -> Iterator[LoopbackEndpoint]:
    with LoopbackEndpoint() as service:
        yield service


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_snippet_runs(
    snippet: str, service: LoopbackEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert REGION in snippet
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", service.url)
    monkeypatch.setenv("MTEB_CACHE", str(tmp_path))
    monkeypatch.setattr(mteb, "get_tasks", lambda **_: [mock_tasks.MockSTSTask()])  # the real ones are downloaded
    exec(compile(snippet, "snippet", "exec"), {})


def test_every_section_with_a_library_of_its_own_has_a_snippet() -> None:
    assert len(SNIPPETS) == 7


MODULES = [
    "haystack",
    "jina_sagemaker",
    "langchain",
    "langchain_sagemaker",
    "llama_index",
    "mteb",
    "sentence_transformers",
]


@pytest.mark.parametrize("name", MODULES)
def test_every_class_and_method_that_is_shown_has_an_example(name: str) -> None:
    module = importlib.import_module(f"jina_v3_client.integrations.{name}")
    own = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
    classes = [value for value in own if inspect.isclass(value)]
    shown = [value for value in own if not value.__name__.startswith("_")]
    shown += [
        method
        for owner in classes
        for key, value in vars(owner).items()
        if not key.startswith("_") and inspect.isfunction(method := getattr(value, "__func__", value))
        if method.__module__ == module.__name__ and not getattr(owner, "_is_protocol", False)
    ]
    assert [value.__qualname__ for value in shown if ">>>" not in (value.__doc__ or "")] == []
