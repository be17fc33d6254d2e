"""All that a run's working files say together: the account from which reports are written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from jina_v3_batch.failures import seconds
from jina_v3_batch.job_state import last_states
from jina_v3_batch.planning import read_job
from jina_v3_batch.resume import original_of
from jina_v3_batch.run import Run

FIRST_PLACES: Final = 10
"""Of each kind of bad record in a report."""
_VERIFIED: Final = re.compile(r"jobs/\d+/verified-\d+-\d+-\d+\.json")
_THREADS: Final = 16


@dataclass(slots=True)
class Totals:
    """Records and files of a run and those it resumed.

    ``outstanding`` are units of work that are not verified: a file, or a shard of one.
    """

    verified_files: set[str] = field(default_factory=set)
    outstanding: list[dict[str, Any]] = field(default_factory=list)
    records: int = 0
    embedded: int = 0
    tokens: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    transforms: list[dict[str, Any]] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)

    @property
    def outstanding_files(self) -> frozenset[str]:
        """The dataset's files that are not verified as a whole."""
        return frozenset(one["file"] for one in self.outstanding)

    @property
    def billed_s(self) -> float:
        """Machine seconds: SageMaker bills each machine of a transform job from its start to its end."""
        return sum(_length_s(one) * (one["instances"] or 0) for one in self.transforms)

    @property
    def working_s(self) -> float:
        """Seconds that jobs took, one after the other."""
        return sum(_length_s(one) for one in self.transforms)


def add_up(run: Run) -> Totals:
    """Add up a run's account."""
    totals = Totals(runs=[run.name])
    carried = run.find("carried.json")
    if carried is not None:
        totals.transforms += carried["transforms"]
        totals.runs = [*carried["runs"], run.name]
        for result in carried["verified"]:
            _add(totals, original_of(result), result)
    for number, state in last_states(run).items():
        job = read_job(run.read(f"jobs/{number}/files.json"))
        totals.transforms += [{"run": run.name, "job": number, **one} for one in state["transforms"]]
        for index, result in state["verified"].items():
            _add(totals, job.files[int(index)].original, result)
        for index, entry in {**state["outstanding"], **state["given_up"]}.items():
            file = job.files[int(index)]
            shard = {"shard": file.key} if file.source else {}
            why = {"reason": entry.get("reason", "not_started"), "message": entry.get("message", "")}
            totals.outstanding.append({"file": file.original, **shard, **why, "failures": entry["failures"]})
    return totals


def first_bad(run: Run, runs: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the first bad records of each group that was verified."""
    for name in runs:
        one = Run(run.store, run.settings, name)
        keys = [item.key for item in one.list("jobs") if _VERIFIED.fullmatch(item.key)]
        with ThreadPoolExecutor(_THREADS) as threads:
            for result in threads.map(one.read, keys):
                yield from result["first_bad"]


def places_by_code(bad: Iterator[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the first places of each kind, by file and line."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in sorted(bad, key=lambda one: (one["file"], one["line"])):
        places = found.setdefault(one["code"], [])
        if len(places) < FIRST_PLACES:
            places.append(one)
    return found


def _add(totals: Totals, original: str, result: Mapping[str, Any]) -> None:
    totals.verified_files.add(original)
    totals.records += result["records"]
    totals.embedded += result["embedded"]
    totals.tokens += result["tokens"]
    totals.errors.update(result["errors"])


def _length_s(transform: Mapping[str, Any]) -> float:
    start, end = seconds(transform.get("start")), seconds(transform.get("end"))
    return max(0.0, end - start) if start is not None and end is not None else 0.0
