"""How far a run is: the map runs' counts of jobs, and the records that were verified so far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from jina_v3_batch.wording import count
from jina_v3_infra.deploy.batch.runs import Run, Runs
from jina_v3_infra.deploy.failures import AWS_ERRORS
from jina_v3_infra.prefixes import BATCH_RUNS

_READ_AT_A_LOOK: Final = 200
"""Working files, of which a large run has thousands: following catches up from look to look."""


@dataclass(slots=True)
class RunProgress:
    """What is known of one run's progress; each working file is read once, so that asking often costs little."""

    runs: Runs
    name: str
    _plan: dict[str, Any] = field(default_factory=dict)
    _verified: dict[str, dict[str, int]] = field(default_factory=dict)  # by working file: records by file of the job

    def describe(self, run: Run) -> str:
        """Say in a few words where the run is."""
        if not self._plan.get("jobs"):  # a plan without jobs is that of resharding, which is planned again
            self._plan = self.runs.read_json(self.name, "plan.json")
        if not self._plan:
            return "planning"
        if not self._plan.get("jobs"):
            return f"cutting large files: {self._items(run, 'pieces')}"
        return f"embedding: {self._items(run, 'jobs')}, {self._records()} verified"

    def _items(self, run: Run, noun: str) -> str:
        counts = self._counts(run)
        if not counts:
            return f"{noun} are being started"
        done = f"{counts['succeeded']:,} of {counts['total']:,} {noun} done"
        running = f", {counts['running']:,} running" if counts.get("running") else ""
        failed = counts.get("failed", 0) + counts.get("aborted", 0) + counts.get("timedOut", 0)
        return f"{done}{running}{f', {failed:,} failed' if failed else ''}"

    def _counts(self, run: Run) -> dict[str, int]:
        """Return the counts of the newest map run, none where there is none or it cannot be asked."""
        states = self.runs.account.client("stepfunctions")
        try:
            found = states.list_map_runs(executionArn=run.arn)["mapRuns"]
            if not found:
                return {}
            newest = max(found, key=lambda one: one["startDate"])
            return dict(states.describe_map_run(mapRunArn=newest["mapRunArn"])["itemCounts"])
        except AWS_ERRORS:  # progress is not worth a failure
            return {}

    def _records(self) -> str:
        """Count the records of files that were verified; a file that is tried again counts once."""
        try:
            new = [key for key in self._list_verified() if key not in self._verified]
            for key in new[:_READ_AT_A_LOOK]:
                self._verified[key] = self._read(key)
        except AWS_ERRORS:
            return "an unknown number of records"
        files = {name: records for found in self._verified.values() for name, records in found.items()}
        return f"{'at least ' if len(new) > _READ_AT_A_LOOK else ''}{count(sum(files.values()), 'record')}"

    def _list_verified(self) -> Iterator[str]:
        s3, prefix = self.runs.account.client("s3"), f"{BATCH_RUNS}{self.name}/"
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self.runs.bucket, Prefix=f"{prefix}jobs/")
        for key in (one["Key"].removeprefix(prefix) for page in pages for one in page.get("Contents", ())):
            if key.rpartition("/")[2].startswith("verified-"):
                yield key

    def _read(self, key: str) -> dict[str, int]:
        job = key.split("/")[1]
        results = self.runs.read_json(self.name, key).get("files", ())
        return {f"{job}/{one['index']}": int(one.get("records", 0)) for one in results if one.get("ok")}
