"""Every example in a docstring of the client runs, and shows what it says.

An example finds ``client`` and ``async_client``, which need no network, and ``tmp_path``; each docstring its own.
"""

import doctest
import importlib
import io
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import jina_v3_client

MODULES = [
    "jina_v3_client",
    *(found.name for found in pkgutil.walk_packages(jina_v3_client.__path__, "jina_v3_client.")),
]
LIBRARIES = {"langchain_core", "llama_index", "haystack", "mteb", "sentence_transformers", "pandas", "polars"}


def examples(module: Any) -> Iterator[doctest.DocTest]:
    return (found for found in doctest.DocTestFinder().find(module) if found.examples)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str, tmp_path: Path) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in LIBRARIES:
            pytest.skip(f"{error.name} is not installed here")
        raise
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    told = io.StringIO()
    for number, example in enumerate(examples(module)):
        folder = tmp_path / str(number)
        folder.mkdir()
        example.globs |= {"tmp_path": folder} | clients()
        runner.run(example, out=told.write)
    assert runner.summarize(verbose=False).failed == 0, told.getvalue()


def clients() -> dict[str, Any]:
    from jina_v3_client.testing import AsyncInMemoryClient, InMemoryClient

    return {"client": InMemoryClient(), "async_client": AsyncInMemoryClient()}


def test_there_are_examples_to_run() -> None:
    assert sum(1 for name in MODULES[:20] for _ in examples(importlib.import_module(name))) >= 5
