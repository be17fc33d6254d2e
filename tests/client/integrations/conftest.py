"""Tests against other people's libraries: `make test-integrations` has them, in an environment of their own."""

import importlib
import os
import warnings
from importlib.util import find_spec

import pytest

from jina_v3_client.testing import AsyncInMemoryClient, InMemoryClient

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"
LIBRARIES = (
    "haystack",
    "jina_sagemaker",
    "langchain_community.embeddings.sagemaker_endpoint",
    "langchain_core.embeddings",
    "llama_index.core",
    "mteb",
    "sagemaker",
    "sentence_transformers",
)

# what they do while they are imported is theirs; what they say when they are called is an error, as everywhere
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for library in LIBRARIES:
        if find_spec(library.partition(".")[0]):
            importlib.import_module(library)


@pytest.fixture
def client() -> InMemoryClient:
    return InMemoryClient()


@pytest.fixture
def async_client() -> AsyncInMemoryClient:
    return AsyncInMemoryClient()
