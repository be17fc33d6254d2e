"""What a run of the state machine leaves in its bucket, as far as a client reads it.

``plan.json`` is what it does, ``report.json`` what became of it. ``jobs/<n>/files.json`` has a job's files and the
newest ``state-<attempt>.json`` its account; ``carried.json`` what a resumed run took over; ``verified-….json`` what was
verified meanwhile; ``bad/`` all bad records of text. ``infra/jina_v3_batch`` writes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from jina_v3.record_fields import RecordFields
from jina_v3_client.batch.outputs import BadFile, Counts, OutputFile, Outputs
from jina_v3_client.batch.places import RUNS, Place, read_place
from jina_v3_client.batch.records import TOO_LARGE
from jina_v3_client.batch.store import Store, Stored
from jina_v3_client.errors import BatchError

_STATE: Final = re.compile(r"(\d+)/state-(\d+)\.json")
_VERIFIED: Final = re.compile(r"(\d+)/verified-\d+-\d+-\d+\.json")
_THREADS: Final = 16
_READ_AT_A_LOOK: Final = 200
"""Working files, of which a large run has thousands: what follows a run catches up from look to look."""


@dataclass(slots=True)
class ExecutionFiles:
    """The working files of one run."""

    store: Store
    bucket: str
    name: str
    _verified: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)  # records and bad ones, by file

    @property
    def place(self) -> Place:
        """Where they are."""
        return Place(self.bucket, f"{RUNS}{self.name}/")

    def find(self, name: str) -> dict[str, Any] | None:
        """Read a working file, ``None`` where there is none."""
        return self.store.find_json(self.bucket, self.place.prefix + name)

    def progress(self) -> tuple[int, int, int]:
        """Return how many files, records and bad records were verified so far; each file is read once."""
        jobs = self.place.below("jobs")
        names = [one.key.removeprefix(jobs.prefix) for one in self.store.list(jobs)]
        new = [name for name in names if _VERIFIED.fullmatch(name) and name not in self._verified]
        with ThreadPoolExecutor(_THREADS) as threads:
            for name, found in threads.map(self._read_verified, new[:_READ_AT_A_LOOK]):
                self._verified[name] = found
        files = {name: counts for found in self._verified.values() for name, counts in found.items()}
        return len(files), sum(one for one, _ in files.values()), sum(bad for _, bad in files.values())

    def outputs(self) -> Outputs:
        """Return all verified outputs, in the order of their records.

        **Raises**: ``BatchError`` where one is gone.
        """
        plan = self.find("plan.json")
        if plan is None:
            raise BatchError("the run has no plan, and so no outputs", run=self.name)
        place = read_place(plan["output"], "output")
        there = {one.key: one for one in self.store.list(place)}
        files, earlier = [], self.find("carried.json") or {"verified": [], "runs": []}
        for file, result, aside in self._accounts(earlier):
            key = result["output"]
            if key not in there:
                raise BatchError(
                    f"the output s3://{place.bucket}/{key} is gone, which the run had verified",
                    run=self.name,
                    advice="embed its file again: what was deleted is in no report",
                )
            files.append(_output(file, result, aside, there[key], has_names=plan.get("columns") is not None))
        return Outputs(
            run=self.name,
            format=plan["format"],
            form=plan["embedding_type"],
            files=tuple(sorted(files, key=lambda one: one.order)),
            bad_files=None if plan["format"] == "parquet" else self._bad_files(earlier),
            names=RecordFields(plan.get("text_field"), plan.get("id_field")),
        )

    def _accounts(self, earlier: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any], list[int]]]:
        """Yield each verified file, what was found of it, and the lines of it that were too large to be sent."""
        for result in earlier["verified"]:
            yield result["file"], result, []
        jobs = self.place.below("jobs")
        newest: dict[str, int] = {}
        for one in self.store.list(jobs):
            if found := _STATE.fullmatch(one.key.removeprefix(jobs.prefix)):
                newest[found[1]] = max(newest.get(found[1], 0), int(found[2]))
        for job, attempt in newest.items():
            files = (self.find(f"jobs/{job}/files.json") or {})["files"]
            state = self.find(f"jobs/{job}/state-{attempt}.json") or {}
            for index, result in state["verified"].items():
                rewritten = state["rewritten"].get(index, {})
                yield files[int(index)], result, [line for line, _ in rewritten.get("aside", ())]

    def _bad_files(self, earlier: Mapping[str, Any]) -> tuple[BadFile, ...]:
        carried = frozenset(_original(result["file"]) for result in earlier["verified"])
        places = [(Place(self.bucket, f"{RUNS}{name}/bad/"), carried) for name in earlier["runs"]]
        return tuple(
            BadFile(one, only)
            for place, only in [*places, (self.place.below("bad"), None)]
            for one in self.store.list(place)
        )

    def _read_verified(self, name: str) -> tuple[str, dict[str, tuple[int, int]]]:
        job = name.split("/")[0]
        results = (self.find(f"jobs/{name}") or {}).get("files", ())
        return name, {
            f"{job}/{one['index']}": (int(one["records"]), sum(one["errors"].values())) for one in results if one["ok"]
        }


def _original(file: Mapping[str, Any]) -> str:
    """Return the file of the dataset that a file or a shard is of."""
    return str(file.get("source") or file["key"])


def _output(
    file: Mapping[str, Any], result: Mapping[str, Any], aside: list[int], stored: Stored, *, has_names: bool
) -> OutputFile:
    """Return an output; with ``has_names`` a file begins with those of its columns, which have no answer."""
    before = int(file.get("lines_before", 0))
    errors: Mapping[str, int] = result["errors"]
    return OutputFile(
        stored=stored,
        file=_original(file),
        lines_before=before or int(has_names),
        aside=frozenset({line for line, _ in file.get("aside", ())} | {before + line for line in aside}),
        counts=Counts(
            embedded=result["embedded"],
            bad=sum(errors.values()) - errors.get(TOO_LARGE, 0),
            tokens=result["tokens"],
        ),
    )
