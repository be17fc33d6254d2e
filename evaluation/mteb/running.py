"""Run tasks one by one, keep what is done, and go on where one fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.comparison import Measured
from evaluation.mteb.sets import Chosen
from jina_v3_client.errors import AccessError, ConnectionFailedError, EndpointNotFoundError

if TYPE_CHECKING:
    from mteb.results import TaskResult

_LOST = (ConnectionError, TimeoutError, ConnectionFailedError, AccessError, EndpointNotFoundError)
"""What the hub's libraries and the client raise when nobody answers, or not us."""

Say = Callable[[str], None]


@dataclass(slots=True)
class Outcome:
    """What came of a run: results, and why tasks have none."""

    measured: list[Measured] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


class LostError(Exception):
    """The network went away during a run; what is done is kept."""


def run(
    make_model: Callable[[int], Any],
    chosen: Sequence[Chosen],
    dimensions: Sequence[int],
    folder: Path,
    *,
    say: Say,
    bars: bool = False,
    outcome: Outcome,
) -> None:
    """Evaluate each task at each dimension into ``outcome``; results in ``folder`` are not made again.

    **Raises**: ``LostError`` where the hub or the endpoint does not answer any more.
    """
    import mteb

    cache = mteb.ResultCache(cache_path=folder)
    number, total = 0, len(chosen) * len(dimensions)
    for dimension in dimensions:
        model = make_model(dimension)
        for one in chosen:
            task, number = one.task, number + 1
            name = task.metadata.name
            place = f"[{number}/{total}] {name}" + (f", {dimension} dimensions" if len(dimensions) > 1 else "")
            started = time.perf_counter()
            try:
                result = mteb.evaluate(
                    model,
                    task,
                    cache=cache,
                    co2_tracker=False,
                    show_progress_bar=False,
                    encode_kwargs={"batch_size": 512, "show_progress_bar": bars},
                ).task_results[0]
            except _LOST as error:
                raise LostError(f"{name}: {error}; run the same again to go on from here") from error
            except Exception as error:  # noqa: BLE001  # whatever a task of somebody else's does, the others go on
                outcome.failed[f"{name}, {dimension} dimensions"] = f"{type(error).__name__}: {error}"
                say(f"{place}: failed, {type(error).__name__}: {error}")
                continue
            found = measured(result, one, dimension)
            outcome.measured.append(found)
            say(f"{place}: {found.score:.2f} ({time.perf_counter() - started:.0f} s)")
            task.unload_data()


def measured(result: TaskResult, chosen: Chosen, dimension: int) -> Measured:
    """Read a result: the score over all splits and parts, and each part's."""
    subsets: dict[str, list[float]] = {}
    languages: dict[str, tuple[str, ...]] = {}
    for entries in result.scores.values():
        for entry in entries:
            subsets.setdefault(entry["hf_subset"], []).append(100 * float(entry["main_score"]))
            languages[entry["hf_subset"]] = tuple(entry["languages"])
    return Measured(
        task=chosen.task.metadata.name,
        category=str(chosen.task.metadata.type),
        score=100 * float(result.get_score()),
        dimension=dimension,
        subsets={name: sum(scores) / len(scores) for name, scores in subsets.items()},
        languages=languages,
        whole=chosen.whole,
    )
