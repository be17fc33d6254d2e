"""Tests against other people's libraries: `make test-integrations` has them, in an environment of their own."""

import importlib
import os
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest

from jina_v3_client.testing import AsyncInMemoryClient, InMemoryClient

LIBRARIES = (
    "haystack",
    "jina_sagemaker",
    "langchain_community.embeddings.sagemaker_endpoint",
    "langchain_core.embeddings",
    "llama_index.core",
    "mteb",
    "sentence_transformers",
)

# in their own environment none may be missing; elsewhere each test skips what is not there
IS_THEIRS = Path(sys.prefix).name == ".venv-integrations"

# for the whole process, where other tests may have use for a hub
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
if IS_THEIRS:
    os.environ["HF_HUB_OFFLINE"] = "1"

# what they warn of while they are imported is their own affair; a warning during a test is an error, as everywhere
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for library in LIBRARIES:
        if IS_THEIRS or find_spec(library.partition(".")[0]):
            importlib.import_module(library)
    if find_spec("jina_sagemaker"):
        importlib.import_module("sagemaker")  # where it is for other tests' sake, nothing here needs it


@pytest.fixture
def client() -> InMemoryClient:
    return InMemoryClient()


@pytest.fixture
def async_client() -> AsyncInMemoryClient:
    return AsyncInMemoryClient()
