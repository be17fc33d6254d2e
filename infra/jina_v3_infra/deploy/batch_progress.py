"""How far a run is: the map runs' counts of jobs, and the records that were verified so far."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from jina_v3_infra.deploy.batch_runs import Run, Runs
from jina_v3_infra.deploy.failures import AWS_ERRORS
from jina_v3_infra.prefixes import BATCH_RUNS


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
        return f"embedding: {self._items(run, 'jobs')}, {self._records():,} records verified"

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

    def _records(self) -> int:
        """Count the records of files that were verified; a file that is tried again counts once."""
        s3, prefix = self.runs.account.client("s3"), f"{BATCH_RUNS}{self.name}/jobs/"
        try:
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.runs.bucket, Prefix=prefix):
                for one in page.get("Contents", ()):
                    key = one["Key"].removeprefix(prefix)
                    job, _, file = key.partition("/")
                    if file.startswith("verified-") and key not in self._verified:
                        self._verified[key] = self._read(job, f"jobs/{key}")
        except AWS_ERRORS:
            return 0
        files = {name: records for found in self._verified.values() for name, records in found.items()}
        return sum(files.values())

    def _read(self, job: str, file: str) -> dict[str, int]:
        results = json.loads(self.runs.read(self.name, file) or "{}").get("files", ())
        return {f"{job}/{one['index']}": int(one.get("records", 0)) for one in results if one.get("ok")}
