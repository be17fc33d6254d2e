"""Six tasks, each embedded as an evaluation would, and held against the oracle: its vectors and its score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from evaluation.offline import scores
from evaluation.offline.oracle import Oracle, Vectors
from evaluation.offline.standin import CONFIG
from evaluation.offline.texts import Inputs
from jina_v3.contract import Task

VECTOR_TOLERANCE: Final = 2e-6
"""What a value of a vector may be off: the engine computes in float32, which was seen to cost 1e-7."""

SCORE_TOLERANCE: Final = 1e-9
"""What a score may be off: scores follow from orders and neighbours, which rounding leaves as they are."""

SMALL: Final = 32  # of the dimensions, where a wrong cut shows


class Embedder(Protocol):
    """What is needed of a client; ``EngineClient`` and ``EmbeddingClient`` have it."""

    def embed(self, texts: Any, **parameters: Any) -> Any:
        """Embed texts, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One task: its score, the oracle's, and the most that a value of a vector is off."""

    name: str
    measure: str
    score: float
    expected: float
    off: float

    @property
    def passed(self) -> bool:
        """Whether both agree; a NaN agrees with nothing."""
        return self.off <= VECTOR_TOLERANCE and abs(self.score - self.expected) <= SCORE_TOLERANCE


Embed = Callable[..., Vectors]


def run(client: Embedder, oracle: Oracle, inputs: Inputs) -> Iterator[Result]:
    """Yield each task's result."""

    def embed(
        texts: Sequence[str], task: Task, dimensions: int = CONFIG.hidden, late_chunking: bool = False
    ) -> Vectors:
        made = client.embed(list(texts), task=task.value, dimensions=dimensions, late_chunking=late_chunking)
        return np.asarray(made.vectors, np.float64)

    def foretold(
        texts: Sequence[str], task: Task, dimensions: int = CONFIG.hidden, late_chunking: bool = False
    ) -> Vectors:
        return oracle.embed(texts, task=task.value, dimensions=dimensions, late_chunking=late_chunking)

    for name, measure, task in _TASKS:
        vectors, score = task(embed, inputs)
        expected_vectors, expected = task(foretold, inputs)
        off = max(
            float(np.abs(a - b).max()) if a.shape == b.shape else np.inf
            for a, b in zip(vectors, expected_vectors, strict=True)
        )
        yield Result(name=name, measure=measure, score=score, expected=expected, off=off)


Scored = tuple[list[Vectors], float]


def _retrieval(embed: Embed, inputs: Inputs, dimensions: int = CONFIG.hidden) -> Scored:
    queries = embed(inputs.queries, Task.RETRIEVAL_QUERY, dimensions)
    passages = embed(inputs.passages, Task.RETRIEVAL_PASSAGE, dimensions)
    return [queries, passages], scores.ndcg(queries, passages, inputs.relevant)


def _small_retrieval(embed: Embed, inputs: Inputs) -> Scored:
    return _retrieval(embed, inputs, SMALL)


def _sts(embed: Embed, inputs: Inputs) -> Scored:
    first, second, right = zip(*inputs.pairs, strict=True)
    vectors = [embed(texts, Task.TEXT_MATCHING) for texts in (first, second)]
    return vectors, scores.spearman(vectors[0], vectors[1], right)


def _classification(embed: Embed, inputs: Inputs) -> Scored:
    train, labels = zip(*inputs.train, strict=True)
    test, right = zip(*inputs.test, strict=True)
    vectors = [embed(train, Task.CLASSIFICATION), embed(test, Task.CLASSIFICATION)]
    return vectors, scores.accuracy(vectors[0], labels, vectors[1], right)


def _clustering(embed: Embed, inputs: Inputs) -> Scored:
    texts, right = zip(*inputs.mixed, strict=True)
    vectors = embed(texts, Task.SEPARATION)
    return [vectors], scores.v_measure(vectors, right)


def _late_chunking(embed: Embed, inputs: Inputs) -> Scored:
    chunks = [embed(document, Task.RETRIEVAL_PASSAGE, late_chunking=True) for document in inputs.documents]
    texts, numbers = zip(*inputs.chunk_queries, strict=True)
    queries = embed(texts, Task.RETRIEVAL_QUERY)
    return [*chunks, queries], scores.ndcg(queries, np.concatenate(chunks), [{number: 1.0} for number in numbers])


_TASKS: Final[tuple[tuple[str, str, Callable[[Embed, Inputs], Scored]], ...]] = (
    ("retrieval", "nDCG@10", _retrieval),
    (f"retrieval at {SMALL}", "nDCG@10", _small_retrieval),
    ("STS", "Spearman", _sts),
    ("classification", "accuracy, 5-NN", _classification),
    ("clustering", "V-measure", _clustering),
    ("late chunking", "nDCG@10", _late_chunking),
)
