"""What the client's package weighs, shows and promises: imports, what it brings along, types, and documentation."""

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from types import ModuleType
from typing import Any

import pytest
from tests.support.installed import ROOT, base_requirements, closure, size_bytes

import jina_v3_client

HEAVY = {"boto3", "botocore", "httpx", "numpy", "pandas", "pyarrow", "rich", "tokenizers", "torch", "transformers"}
HEAVY |= {"aiohttp", "asyncio", "requests", "sagemaker", "urllib3"}
NOT_OF_A_CLIENT = {"torch", "transformers", "tokenizers", "sagemaker", "sagemaker-core", "pandas", "pyarrow", "moto"}
PUBLIC_MODULES = [
    "jina_v3_client",
    *(
        found.name
        for found in pkgutil.walk_packages(jina_v3_client.__path__, "jina_v3_client.")
        if not any(part.startswith("_") for part in found.name.split("."))
        and found.name.split(".")[1] not in ("cli", "integrations")  # a program; other people's libraries
    ),
]


def imported_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has after a statement."""
    program = f"{statement}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("module", ["jina_v3_client", "jina_v3_client.errors", "jina_v3_client.transport"])
def test_importing_the_package_imports_nothing_heavy(module: str) -> None:
    assert not HEAVY & imported_by(f"import {module}")


def test_naming_what_a_caller_writes_still_needs_no_numpy_and_no_aws() -> None:
    names = "EmbeddingClient, AsyncEmbeddingClient, Endpoint, Settings, Failover, JinaClientError"
    assert (HEAVY & imported_by(f"from jina_v3_client import {names}")) <= {"asyncio"}


def test_the_synchronous_client_needs_no_asynchronous_library() -> None:
    statement = "from jina_v3_client import EmbeddingClient\nEmbeddingClient('texts', region='eu-west-1').close()"
    assert not {"httpx", "numpy", "rich", "pandas", "pyarrow", "torch", "transformers"} & imported_by(statement)


def test_every_exported_name_is_there_and_listed() -> None:
    assert {"EmbeddingClient", "AsyncEmbeddingClient", "BatchClient", "Embeddings"} <= set(jina_v3_client.__all__)
    assert set(jina_v3_client.__all__) <= set(dir(jina_v3_client))
    assert len(set(jina_v3_client.__all__)) == len(jina_v3_client.__all__)
    for name in jina_v3_client.__all__:
        assert getattr(jina_v3_client, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = jina_v3_client.no_such_name


def test_the_base_install_is_small() -> None:
    brought = closure(base_requirements())
    assert {"boto3", "botocore", "httpx", "numpy", "rich", "urllib3"} <= set(brought)
    assert not NOT_OF_A_CLIENT & set(brought)
    assert len(brought) <= 21, sorted(brought)
    # 89 MB when this was written: 57 of numpy, 21 of botocore
    assert sum(map(size_bytes, brought.values())) < 120e6


def test_types_are_shipped() -> None:
    assert files("jina_v3_client").joinpath("py.typed").is_file()
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert "client/jina_v3_client" in wheel["packages"]


def own_objects(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The public classes and functions that a module defines, or that a package shows."""
    for name in getattr(module, "__all__", vars(module)):
        value = getattr(module, name)
        is_own = getattr(value, "__module__", "") == module.__name__ or name in getattr(module, "__all__", ())
        if not name.startswith("_") and is_own and (inspect.isclass(value) or inspect.isfunction(value)):
            yield name, value


def own_methods(of: type) -> Iterator[tuple[str, Any]]:
    """The public functions of a class's own body."""
    for name, value in vars(of).items():
        function = getattr(value, "__func__", value)  # of classmethods and staticmethods
        if not name.startswith("_") and inspect.isfunction(function):
            yield name, function


def is_protocol(value: Any) -> bool:
    return bool(getattr(value, "_is_protocol", False))


def untyped(function: Any) -> list[str]:
    """The parameters of a function that have no annotation, and ``return``."""
    signature = inspect.signature(function)
    named = [name for name in list(signature.parameters) if name not in ("self", "cls")]
    empty = inspect.Parameter.empty
    lacking = [name for name in named if signature.parameters[name].annotation is empty]
    return lacking + ["return"] * (signature.return_annotation is inspect.Signature.empty)


@pytest.mark.parametrize("name", PUBLIC_MODULES)
def test_everything_public_is_typed(name: str) -> None:
    for owner, value in own_objects(importlib.import_module(name)):
        if inspect.isfunction(value):
            assert untyped(value) == [], owner
            continue
        for method, function in own_methods(value):
            assert untyped(function) == [], f"{owner}.{method}"


@pytest.mark.parametrize("name", PUBLIC_MODULES)
def test_everything_public_has_a_docstring(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    for owner, value in own_objects(module):
        assert inspect.cleandoc(value.__doc__ or ""), owner
        if inspect.isclass(value):
            lacking = [method for method, function in own_methods(value) if not function.__doc__]
            assert lacking == [], owner


def test_every_exported_name_has_an_example() -> None:
    lacking = [
        name
        for name in jina_v3_client.__all__
        if inspect.isclass(value := getattr(jina_v3_client, name)) or inspect.isfunction(value)
        if not is_protocol(value) and ">>>" not in (value.__doc__ or "")
    ]
    assert lacking == []


@pytest.mark.parametrize("name", ["EmbeddingClient", "AsyncEmbeddingClient", "BatchClient", "BatchRun"])
def test_every_method_of_the_clients_has_an_example(name: str) -> None:
    methods = own_methods(getattr(jina_v3_client, name))
    closing = {"close", "aclose"}
    assert [m for m, function in methods if m not in closing and ">>>" not in (function.__doc__ or "")] == []


PROGRAM = """
from jina_v3_client import AsyncEmbeddingClient, EmbeddingClient, Endpoint, Failover

client = EmbeddingClient(Failover(Endpoint("texts", region="eu-west-1"), Endpoint("texts", region="us-east-1")))
reveal_type(client.embed(["a"], task="retrieval.query"))
for one in client.embed_iter(["a"]):
    reveal_type(one.index)
AsyncEmbeddingClient("texts").embed(["a"])
client.embed(["a"], task="retrieval.queries")
client.embed(["a"], dimension=3)
"""


@pytest.mark.slow
def test_a_type_checker_sees_the_clients_and_a_callers_mistakes(tmp_path: Any) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(program)]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path).stdout
    assert 'Revealed type is "jina_v3_client.results.Embeddings"' in told
    assert 'Revealed type is "int"' in told or 'Revealed type is "builtins.int"' in told
    assert "must be used" in told  # a call that nobody awaits
    assert 'Argument "task"' in told
    assert 'Unexpected keyword argument "dimension"' in told
    assert told.count("error:") == 3, told
