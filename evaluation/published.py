"""The published values of the real weights, as files beside this one, each with its source and tolerance."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FOLDER = Path(__file__).parent / "published"

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounts:
    """Tokens of whole texts (with ``<s>`` and ``</s>``) and of each task's prompt (without)."""

    texts: tuple[tuple[str, int], ...]
    prompts: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStates:
    """A window of one text's last states, without a prompt.

    **Shapes**: ``states[task]: (tokens, channels)``; the task ``none`` is the base weights. ``tokens`` and
    ``channels`` are the window's bounds, the second one excluded. ``tolerance`` is absolute and relative.
    """

    text: str
    token_ids: tuple[int, ...]
    tokens: tuple[int, int]
    channels: tuple[int, int]
    states: dict[str, Array]
    tolerance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleVectors:
    """Whole normalised vectors and the cosines of some pairs.

    **Shapes**: ``vectors: (texts, dimensions)``. ``pairs``: first text, second text, cosine.
    """

    texts: tuple[str, ...]
    task: str
    dimensions: int
    vectors: Array
    pairs: tuple[tuple[int, int, float], ...]
    cosine_tolerance: float
    value_tolerance: float
    pair_tolerance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledSlice:
    """The first values of one text's normalised mean, made without a prompt. **Shapes**: ``values: (n,)``."""

    text: str
    task: str
    values: Array
    tolerance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Everything a checkpoint is held against."""

    token_counts: TokenCounts
    token_states: TokenStates
    sample_vectors: SampleVectors
    pooled_slice: PooledSlice


def read_published(folder: Path = FOLDER) -> Published:
    """Read the four files."""

    def read(name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        return content

    counts, states, vectors, pooled = map(read, ("token_counts", "token_states", "sample_vectors", "pooled_slice"))
    return Published(
        token_counts=TokenCounts(
            texts=tuple((one["text"], one["tokens"]) for one in counts["texts"]), prompts=counts["prompts"]
        ),
        token_states=TokenStates(
            text=states["text"],
            token_ids=tuple(states["token_ids"]),
            tokens=(states["tokens"][0], states["tokens"][1]),
            channels=(states["channels"][0], states["channels"][1]),
            states={task: np.array(window) for task, window in states["states"].items()},
            tolerance=states["tolerance"],
        ),
        sample_vectors=SampleVectors(
            texts=tuple(vectors["texts"]),
            task=vectors["task"],
            dimensions=vectors["dimensions"],
            vectors=np.array(vectors["vectors"]),
            pairs=tuple((*one["pair"], one["cosine"]) for one in vectors["cosines"]),
            cosine_tolerance=vectors["cosine_tolerance"],
            value_tolerance=vectors["value_tolerance"],
            pair_tolerance=vectors["pair_tolerance"],
        ),
        pooled_slice=PooledSlice(
            text=pooled["text"],
            task=pooled["task"],
            values=np.array(pooled["values"]),
            tolerance=pooled["tolerance"],
        ),
    )
