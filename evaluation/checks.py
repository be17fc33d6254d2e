"""Hold an encoder against published values: one outcome a value that was published.

Knows an encoder only by two methods, and published values only as what ``published.py`` reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from evaluation.published import Array, PooledSlice, Published, SampleVectors, TokenCounts, TokenStates
from jina_v3.errors import RequestError
from jina_v3.tokens.results import Embeddings

BASE = "none"


class ComparableEncoder(Protocol):
    """What is needed of an encoder."""

    def encode(self, texts: Sequence[str], *, task: str | None = None, dimensions: int | None = None) -> Embeddings:
        """Embed texts."""

    def token_states(self, text: str, *, task: str | None = None, prompt: bool = True) -> npt.NDArray[np.float32]:
        """Return the last state of every token."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of the verdict: what was compared, how far off it is, how far off it may be."""

    name: str
    passed: bool
    measured: str
    allowed: str


def verify(encoder: ComparableEncoder, published: Published, token_ids: Sequence[int]) -> Iterator[Outcome]:
    """Yield every outcome as it is known. ``token_ids`` is what the tokenizer makes of the token states' text."""
    yield from check_token_counts(encoder, published.token_counts)
    yield check_token_ids(token_ids, published.token_states)
    yield from check_token_states(encoder, published.token_states)
    yield from check_sample_vectors(encoder, published.sample_vectors)
    yield check_pooled_slice(encoder, published.pooled_slice)


def check_token_counts(encoder: ComparableEncoder, published: TokenCounts) -> Iterator[Outcome]:
    """Compare the counts of whole texts, and of prompts: a text's count with its task less its count without."""
    texts, wanted = zip(*published.texts, strict=True)
    plain = encoder.encode(texts).token_counts
    for text, count, right in zip(texts, plain, wanted, strict=True):
        yield Outcome(f"token count, {_short(text)}", count == right, str(count), str(right))
    for task, right in published.prompts.items():
        name = f"token count, prompt of {task}"

        def compare(task: str = task, right: int = right, name: str = name) -> Outcome:
            with_prompt = encoder.encode(texts, task=task).token_counts
            added = sorted({more - fewer for more, fewer in zip(with_prompt, plain, strict=True)})
            return Outcome(name, added == [right], " or ".join(map(str, added)), str(right))

        yield _guarded(name, compare)


def check_token_ids(token_ids: Sequence[int], published: TokenStates) -> Outcome:
    """Compare the ids of one text, position by position."""
    pairs = zip(token_ids, published.token_ids, strict=False)
    wrong = sum(a != b for a, b in pairs) + abs(len(token_ids) - len(published.token_ids))
    return Outcome(f"token ids, {_short(published.text)}", wrong == 0, f"{wrong} differ", "0")


def check_token_states(encoder: ComparableEncoder, published: TokenStates) -> Iterator[Outcome]:
    """Compare the window of last states, for the base weights and every task that was published."""
    for task, window in published.states.items():
        name = f"token states, {task if task != BASE else 'base weights'}"

        def compare(task: str = task, window: Array = window, name: str = name) -> Outcome:
            states = encoder.token_states(published.text, task=None if task == BASE else task, prompt=False)
            ours = states[slice(*published.tokens), slice(*published.channels)]
            return _values(name, ours, window, published.tolerance, relative=published.tolerance)

        yield _guarded(name, compare)


def check_sample_vectors(encoder: ComparableEncoder, published: SampleVectors) -> Iterator[Outcome]:
    """Compare whole vectors by cosine and by value, and the cosines of the published pairs."""
    name = f"vectors, {published.task}"
    try:
        vectors = _vectors(encoder, published)
    except (RequestError, ValueError) as error:
        yield Outcome(name, False, str(error), "vectors")
        return
    for text, ours, right in zip(published.texts, vectors, published.vectors, strict=True):
        unit = right / np.linalg.norm(right)
        distance = float(((ours / np.linalg.norm(ours) - unit) ** 2).sum() / 2)
        limit = published.cosine_tolerance
        yield Outcome(f"vector, 1-cos, {_short(text)}", distance <= limit, f"{distance:.1e}", f"{limit:.0e}")
        yield _values(f"vector, values, {_short(text)}", ours, right, published.value_tolerance)
    for first, second, cosine in published.pairs:
        ours = np.array([vectors[first] @ vectors[second]])
        yield _values(f"cosine, texts {first} and {second}", ours, np.array([cosine]), published.pair_tolerance)


def _vectors(encoder: ComparableEncoder, published: SampleVectors) -> Array:
    made = np.asarray(encoder.encode(published.texts, task=published.task, dimensions=published.dimensions))
    if made.shape != published.vectors.shape:
        raise ValueError(f"shape {made.shape}, published are {published.vectors.shape}")
    return made.astype(np.float64)


def check_pooled_slice(encoder: ComparableEncoder, published: PooledSlice) -> Outcome:
    """Pool token states here, since no call of the encoder leaves a task's prompt out, and compare the first values."""
    name = f"pooled without prompt, {published.task}"

    def compare() -> Outcome:
        states = encoder.token_states(published.text, task=published.task, prompt=False).astype(np.float64)
        mean = states.mean(axis=0)
        ours = (mean / np.linalg.norm(mean))[: len(published.values)]
        return _values(name, ours, published.values, published.tolerance)

    return _guarded(name, compare)


def _values(
    name: str, ours: npt.NDArray[np.floating], right: Array, absolute: float, *, relative: float = 0.0
) -> Outcome:
    if ours.shape != right.shape:
        return Outcome(name, False, f"shape {ours.shape}", f"shape {right.shape}")
    off = np.abs(ours.astype(np.float64) - right)
    allowed = f"{absolute:.0e}" + (f" + {relative:.0e} of the value" if relative else "")
    passed = bool((off <= absolute + relative * np.abs(right)).all())  # a NaN is in no bound
    return Outcome(name, passed, f"{off.max():.1e}", allowed)


def _guarded(name: str, compare: Callable[[], Outcome]) -> Outcome:
    """Turn a refusal (a task that the checkpoint lacks, say) into a failed outcome, so that the rest is still seen."""
    try:
        return compare()
    except RequestError as error:
        return Outcome(name, False, str(error), "an answer")


def _short(text: str) -> str:
    return f"“{text if len(text) <= 32 else text[:31] + '…'}”"
