"""The ways to embed a list of texts that are compared: our clients, and what people write without them.

All ask the same endpoint with the same number of texts a request, and all begin with their connections open.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import boto3
import numpy as np
import urllib3
from botocore.config import Config

from benchmarks.agreement import Vectors
from benchmarks.client.stream import ENDPOINT, REGION
from jina_v3_client import AsyncEmbeddingClient, EmbeddingClient

OURS: Final = "ours"
OURS_ASYNC: Final = "ours, asynchronous"
BOTO3_FLOATS: Final = "boto3, threads, JSON floats"
BOTO3_BASE64: Final = "boto3, threads, base64"
JINA_WAY: Final = "jina-sagemaker's way"
BARE: Final = "urllib3 alone, unsigned"
BOTO3: Final = "boto3"

TASK: Final = "text-matching"
TEXTS_A_REQUEST: Final = 512
THREADS: Final = 8

Embed = Callable[[Sequence[str]], Any]
"""Embeds texts and returns what the caller of that way gets: an array, or lists."""


@contextmanager
def our_client() -> Iterator[Embed]:
    """Embed with our synchronous client, its defaults."""
    with EmbeddingClient(ENDPOINT, region=REGION) as client:
        yield lambda texts: client.embed(texts, task=TASK, progress=False).vectors


@contextmanager
def our_async_client() -> Iterator[Embed]:
    """Embed with our asynchronous client, its defaults, from one event loop."""
    with asyncio.Runner() as runner:
        client = AsyncEmbeddingClient(ENDPOINT, region=REGION)

        async def embed(texts: Sequence[str]) -> Vectors:
            vectors: Vectors = (await client.embed(texts, task=TASK, progress=False)).vectors
            return vectors

        try:
            yield lambda texts: runner.run(embed(texts))
        finally:
            runner.run(client.aclose())


@contextmanager
def hand_written(form: str) -> Iterator[Embed]:
    """Embed by boto3 from a pool of threads, as a careful application would; retries are boto3's own."""
    client = runtime()

    def ask(texts: Sequence[str]) -> Vectors:
        body = {"input": texts, "task": TASK, "embedding_type": form}
        answer = client.invoke_endpoint(EndpointName=ENDPOINT, ContentType="application/json", Body=json.dumps(body))
        items = json.loads(answer["Body"].read())["data"]
        if form == "base64":
            return np.stack([np.frombuffer(base64.b64decode(item["embedding"]), "<f4") for item in items])
        return np.array([item["embedding"] for item in items], np.float32)

    with ThreadPoolExecutor(THREADS) as pool:
        yield lambda texts: np.concatenate(list(pool.map(ask, requests_of(texts))))


@contextmanager
def jina_way() -> Iterator[Embed]:
    """Embed as jina-sagemaker's client does: a call at a time, floats in JSON, and lists come back.

    Its one call for all texts would exceed what an endpoint takes, so it is called as its users then have to.
    """
    client = runtime()

    def embed(texts: Sequence[str]) -> list[list[float]]:
        vectors: list[list[float]] = []
        for part in requests_of(texts):
            parameters = {"task": TASK, "dimensions": None, "late_chunking": False}
            body = json.dumps({"data": [{"text": text} for text in part], "parameters": parameters})
            answer = client.invoke_endpoint(EndpointName=ENDPOINT, ContentType="application/json", Body=body)
            vectors += [item["embedding"] for item in json.loads(answer["Body"].read().decode())["data"]]
        return vectors

    yield embed


@contextmanager
def our_query() -> Iterator[Callable[[str], Any]]:
    """Embed one query with our client."""
    with EmbeddingClient(ENDPOINT, region=REGION) as client:
        yield client.embed_query


@contextmanager
def boto3_query() -> Iterator[Callable[[str], Any]]:
    """Embed one query by boto3."""
    client = runtime()

    def ask(text: str) -> Any:
        body = json.dumps({"input": [text], "task": "retrieval.query", "embedding_type": "base64"})
        answer = client.invoke_endpoint(EndpointName=ENDPOINT, ContentType="application/json", Body=body)
        return json.loads(answer["Body"].read())

    yield ask


@contextmanager
def bare_query(url: str) -> Iterator[Callable[[str], Any]]:
    """Send one request that is ready, and look at nothing: what the connection and the server take."""
    with urllib3.PoolManager() as pool:
        # the scope of the signature is how the endpoint tells the region
        headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential=testing/20261121/{REGION}/sagemaker/aws4_request"}
        address = f"{url}/endpoints/{ENDPOINT}/invocations"

        def ask(text: str) -> bytes:
            body = json.dumps({"input": [text], "task": "retrieval.query", "embedding_type": "base64"}).encode()
            answer = pool.request("POST", address, body=body, headers=headers)
            assert answer.status == 200, answer.data
            return answer.data

        yield ask


def requests_of(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut texts into requests."""
    return (texts[first : first + TEXTS_A_REQUEST] for first in range(0, len(texts), TEXTS_A_REQUEST))


def runtime() -> Any:
    """Return boto3's client, with a connection for each thread."""
    return boto3.client("sagemaker-runtime", region_name=REGION, config=Config(max_pool_connections=THREADS))
