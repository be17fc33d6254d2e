"""How each server wants to be asked for the vectors of texts, and how it gives them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.agreement import Vectors
from benchmarks.endpoint.http_client import post_message


@dataclass(frozen=True, slots=True)
class Dialect:
    """A path, the JSON that asks for texts, and where in the answer's JSON the vectors are."""

    path: str
    question: Callable[[list[str]], dict[str, Any]]
    vectors_in: Callable[[Any], list[Any]]

    def message(self, texts: Sequence[str]) -> bytes:
        """Return the whole HTTP request for these texts."""
        return post_message(self.path, json.dumps(self.question(list(texts))).encode())

    def read(self, body: bytes) -> Vectors:
        """Return the vectors in an answer."""
        return np.stack([_vector(one) for one in self.vectors_in(json.loads(body))])


def _vector(value: Any) -> Vectors:
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value), "<f4")
    return np.asarray(value, np.float32)


def _openai_vectors(answer: Any) -> list[Any]:
    return [item["embedding"] for item in sorted(answer["data"], key=lambda item: int(item["index"]))]


def _embeddings(answer: Any) -> list[Any]:
    vectors: list[Any] = answer["embeddings"]
    return vectors


OURS_FLOAT = Dialect("/invocations", lambda texts: {"input": texts}, _openai_vectors)
OURS_BASE64 = Dialect("/invocations", lambda texts: {"input": texts, "encoding_format": "base64"}, _openai_vectors)
INFINITY = Dialect("/embeddings", lambda texts: {"input": texts, "model": "model"}, _openai_vectors)
FASTAPI = Dialect("/embed", lambda texts: {"texts": texts}, _embeddings)
HF_SERVE = Dialect("/invocations", lambda texts: {"inputs": texts}, _embeddings)
