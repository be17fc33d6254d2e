"""What writing a response costs: our handler on a ready prediction, beside other ways to write the same vectors."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson
from pydantic import BaseModel

from benchmarks.endpoint.figures import percentile
from jina_v3.contract import TASKS, EncodeJob
from jina_v3.serving import handler
from jina_v3.tokens.results import Embeddings

OUR_JSON, OUR_BASE64 = "output_fn, JSON floats", "output_fn, base64"
TEXTS, DIMENSIONS = 32, 1024


class _ReadyVectors:
    """Stands in for the encoder: the vectors are there already."""

    tasks = TASKS

    def __init__(self, vectors: np.ndarray[Any, np.dtype[np.float32]]) -> None:
        self._vectors = vectors

    def encode_jobs(self, jobs: Sequence[EncodeJob]) -> list[Embeddings]:
        """Give every job all vectors."""
        return [Embeddings(self._vectors, (16,) * len(self._vectors), ()) for _ in jobs]


class _Item(BaseModel):
    object: str = "embedding"
    index: int
    embedding: list[float]


class _Response(BaseModel):
    object: str = "list"
    data: list[_Item]


def unit_vectors(texts: int = TEXTS, dimensions: int = DIMENSIONS) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Draw vectors of length one, seeded."""
    vectors = np.random.default_rng(0).standard_normal((texts, dimensions)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def writers() -> dict[str, Callable[[], bytes]]:
    """Return every way to write the response to the same vectors, by name."""
    vectors = unit_vectors()
    model: Any = _ReadyVectors(vectors)

    def ours(form: str) -> Callable[[], bytes]:
        body = json.dumps({"input": ["text"] * TEXTS, "encoding_format": form}).encode()
        prediction = handler.predict_fn(handler.input_fn(body, "application/json"), model)
        return lambda: handler.output_fn(prediction, "application/json")[0]

    def items() -> list[dict[str, Any]]:
        return [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors.tolist())]

    def with_pydantic() -> bytes:
        return _Response(data=[_Item(**item) for item in items()]).model_dump_json().encode()

    return {
        OUR_JSON: ours("float"),
        OUR_BASE64: ours("base64"),
        "orjson of lists": lambda: orjson.dumps({"object": "list", "data": items()}),
        "pydantic of lists": with_pydantic,
        "json.dumps of lists": lambda: json.dumps({"object": "list", "data": items()}).encode(),
    }


def time_writers(rounds: int, clock: Callable[[], float] = time.perf_counter) -> dict[str, tuple[float, float]]:
    """Return the median and the 95th percentile of each in milliseconds, taken in turns after a warm-up.

    **Raises**: ``RuntimeError`` where one does not write as many vectors as there are.
    """
    ways = writers()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for name, write in ways.items():
        written = len(json.loads(write()).get("data", []))
        if written != TEXTS:
            raise RuntimeError(f"{name} wrote {written} vectors of {TEXTS}: not comparable")
    for _ in range(rounds):
        for name, write in ways.items():
            begun = clock()
            write()
            seconds[name].append(clock() - begun)
    return {name: (1e3 * percentile(times, 50), 1e3 * percentile(times, 95)) for name, times in seconds.items()}
