"""Which tasks a name stands for. mteb itself is imported when it is needed: that takes eight seconds."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jina_v3.contract import MATRYOSHKA_DIMENSIONS, MODEL_DIMENSIONS

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

_MOST_NAMED: Final = 3


class UnknownTaskError(ValueError):
    """A name that is no task, no benchmark and no set; the message says what is near."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSet:
    """A named choice: a benchmark of mteb, or tasks by name, and the dimensions it is run at."""

    purpose: str
    benchmark: str = ""
    tasks: tuple[str, ...] = ()
    dimensions: tuple[int, ...] = (MODEL_DIMENSIONS,)


SETS: Final[dict[str, TaskSet]] = {
    "quick": TaskSet(
        purpose="six small English tasks that have published results",
        tasks=(
            "STSBenchmark",
            "SICK-R",
            "SprintDuplicateQuestions",
            "AmazonCounterfactualClassification",
            "BiorxivClusteringP2P.v2",
            "SciFact",
        ),
    ),
    "english": TaskSet(
        purpose="MTEB English v1, the paper's 56 tasks; some have millions of passages", benchmark="MTEB(eng, v1)"
    ),
    "multilingual": TaskSet(
        purpose="MTEB(Multilingual, v2): 131 tasks, not the paper's choice, which is not published as a set of mteb",
        benchmark="MTEB(Multilingual, v2)",
    ),
    "languages": TaskSet(
        purpose="three small tasks in many languages that have published results by language",
        tasks=("STS17", "STS22.v2", "AmazonCounterfactualClassification"),
    ),
    "longembed": TaskSet(purpose="LongEmbed: six tasks of long documents", benchmark="LongEmbed"),
    "matryoshka": TaskSet(
        purpose="retrieval and STS at the seven dimensions of training (small tasks, not the paper's)",
        tasks=("SciFact", "NFCorpus", "ArguAna", "STSBenchmark", "SICK-R", "STS17"),
        dimensions=MATRYOSHKA_DIMENSIONS,
    ),
}


def names(text: str) -> list[str]:
    """Split what was asked for at commas; a benchmark's name may have one within parentheses.

    >>> names("quick, MTEB(eng, v1),STS12")
    ['quick', 'MTEB(eng, v1)', 'STS12']
    """
    found, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            found.append("")
        else:
            found[-1] += character
    return [name for name in map(str.strip, found) if name]


def dimensions_of(asked: Sequence[str]) -> tuple[int, ...]:
    """Return the dimensions that the sets among the names are run at."""
    return tuple(sorted({d for name in asked for d in SETS.get(name, TaskSet(purpose="")).dimensions}))


@dataclass(frozen=True, slots=True)
class Chosen:
    """A task of mteb, and whether all of the parts are run that its name or benchmark has."""

    task: AbsTask
    whole: bool = True


def find_tasks(asked: Sequence[str], languages: Sequence[str] = ()) -> list[Chosen]:
    """Return the tasks of all the names, each once, in order; with ``languages`` only their parts in these.

    **Raises**: ``UnknownTaskError``, also where two names stand for different parts of one task.
    """
    found: dict[str, Any] = {}
    for name in asked:
        for task in _resolve(name):
            known = found.setdefault(task.metadata.name, task)
            if set(known.hf_subsets) != set(task.hf_subsets):
                raise UnknownTaskError(
                    f"{', '.join(asked)} stand for different parts of {task.metadata.name}; run them one by one"
                )
    if not languages:
        return [Chosen(task) for task in found.values()]
    kept = []
    for task in found.values():
        before = set(task.hf_subsets)
        try:
            after = before & set(task.filter_languages(list(languages)).hf_subsets)
        except ValueError:  # has nothing in these languages
            continue
        if after:
            task.hf_subsets = [part for part in task.hf_subsets if part in after]
            kept.append(Chosen(task, whole=after == before))
    if not kept:
        raise UnknownTaskError(
            f"none of the tasks has anything in {', '.join(languages)}; codes are of ISO 639-3, such as deu or deu-Latn"
        )
    return kept


def stand_for(asked: Sequence[str]) -> dict[str, set[str]]:
    """Return each name with the names of the tasks that it stands for."""
    return {name: {task.metadata.name for task in _resolve(name)} for name in asked}


def _resolve(name: str) -> list[AbsTask]:
    import mteb

    chosen = SETS.get(name)
    if chosen is not None and chosen.tasks:
        return [mteb.get_task(task) for task in chosen.tasks]
    try:
        return list(mteb.get_benchmark(chosen.benchmark if chosen else name).tasks)
    except KeyError:
        pass
    try:
        return [mteb.get_task(name)]
    except KeyError:
        known = [*SETS, *(task.metadata.name for task in mteb.get_tasks())]
        near = difflib.get_close_matches(name, known, n=_MOST_NAMED)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise UnknownTaskError(
            f"{name!r} is no task or benchmark of mteb and no set of ours; {meant}Sets: {', '.join(SETS)}"
        ) from None
