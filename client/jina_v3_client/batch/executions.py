"""Runs as executions of the state machine, which accounts for every record."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any, Final

from jina_v3_client.batch.aws_failures import code_of, explained
from jina_v3_client.batch.execution_files import ExecutionFiles
from jina_v3_client.batch.outputs import Outputs
from jina_v3_client.batch.places import Place, read_place
from jina_v3_client.batch.service import RunRequest
from jina_v3_client.batch.status import BatchStatus, State
from jina_v3_client.batch.store import Store
from jina_v3_client.errors import ConfigurationError, EndpointNotFoundError, JinaClientError

_STATES: Final[dict[str, State]] = {
    "RUNNING": "running",
    "PENDING_REDRIVE": "running",
    "SUCCEEDED": "succeeded",
    "ABORTED": "stopped",
}
"""All others have failed."""
_LISTED: Final = 10


class Executions:
    """Executions of one state machine, whose working files are in ``bucket``."""

    most_record_bytes: int | None = None
    resumes = True

    def __init__(self, states: Any, store: Store, machine_arn: str, bucket: str) -> None:
        self._states, self._store, self._machine, self._bucket = states, store, machine_arn, bucket
        self._files: dict[str, ExecutionFiles] = {}
        self._lock = threading.Lock()

    def start(self, request: RunRequest) -> None:
        """Start an execution of the run's name."""
        asked = {"dataset": request.dataset.uri, **request.fields}
        with explained("states", self._machine):
            try:
                self._states.start_execution(
                    stateMachineArn=self._machine, name=request.name, input=json.dumps(asked, ensure_ascii=False)
                )
            except self._states.exceptions.ExecutionAlreadyExists:
                if json.loads(self._describe(request.name)["input"]) != asked:
                    raise ConfigurationError(
                        f"a run named {request.name!r} is there already, of another dataset or other parameters",
                        advice="choose another name, or give none",
                    ) from None

    def status(self, name: str) -> BatchStatus:
        """Return how far a run is, as its working files say."""
        found = self._describe(name)
        status = _read(found)
        return self._running(status, found) if status["state"] == "running" else self._ended(status)

    def latest(self, count: int) -> list[BatchStatus]:
        """Return the newest executions."""
        with explained("states", self._machine):
            found = self._states.list_executions(stateMachineArn=self._machine, maxResults=count)["executions"]
        return [BatchStatus(**_read(one)) for one in found]

    def stop(self, name: str) -> None:
        """Stop an execution, and with it its jobs."""
        with explained("states", self._arn(name)):
            self._states.stop_execution(executionArn=self._arn(name), error="Stopped", cause="by the client")

    def dataset(self, name: str) -> Place | None:
        """Return the place of a run's dataset."""
        plan = self._of(name).find("plan.json")
        return None if plan is None else read_place(plan["dataset"])

    def report(self, name: str) -> dict[str, Any]:
        """Return a run's ``report.json``."""
        return self._of(name).find("report.json") or {}

    def outputs(self, name: str) -> Outputs:
        """Return the verified outputs of a run."""
        return self._of(name).outputs()

    def _running(self, status: dict[str, Any], found: Mapping[str, Any]) -> BatchStatus:
        plan = self._of(status["name"]).find("plan.json")
        if plan is None:
            return BatchStatus(**status, phase="planning")
        jobs, done = self._items(found["executionArn"])
        known = {"jobs": jobs, "jobs_done": done, "files": plan["files"], "records": plan["estimate"]["records"]}
        if not plan["jobs"]:  # a plan without jobs is that of cutting, after which is planned again
            return BatchStatus(**status, **known, phase="cutting")
        files, records, bad = self._of(status["name"]).progress()
        return BatchStatus(
            **status, **known, phase="embedding", files_done=files, records_done=records, records_bad=bad
        )

    def _ended(self, status: dict[str, Any]) -> BatchStatus:
        report = self.report(status["name"])
        if not report:
            return BatchStatus(**status, phase="ended")
        error = report.get("error")
        if error:
            status["reason"] = f"{error['name']}: {error['message']}"
        return BatchStatus(
            **status,
            phase="ended",
            outcome=report["outcome"],
            files=report["files"]["all"],
            files_done=report["files"]["verified"],
            records=report["records"]["all"],
            records_done=report["records"]["all"],
            records_bad=report["records"]["bad"],
        )

    def _items(self, arn: str) -> tuple[int | None, int | None]:
        """Return the items of the newest map run, and how many are done; nothing where it cannot be asked."""
        try:
            with explained("states", arn):
                found = self._states.list_map_runs(executionArn=arn)["mapRuns"]
                if not found:
                    return None, None
                newest = max(found, key=lambda one: one["startDate"])
                counts = self._states.describe_map_run(mapRunArn=newest["mapRunArn"])["itemCounts"]
        except JinaClientError:  # progress is not worth a failure
            return None, None
        return counts["total"], counts["succeeded"]

    def _describe(self, name: str) -> Mapping[str, Any]:
        from botocore.exceptions import ClientError

        with explained("states", self._arn(name)):
            try:
                found: Mapping[str, Any] = self._states.describe_execution(executionArn=self._arn(name))
            except ClientError as error:
                if code_of(error) not in ("ExecutionDoesNotExist", "InvalidArn"):
                    raise
                raise EndpointNotFoundError(
                    f"there is no run {name!r}; {describe_known(self.latest(_LISTED))}", target=self._machine
                ) from None
        return found

    def _arn(self, name: str) -> str:
        return f"{self._machine.replace(':stateMachine:', ':execution:')}:{name}"

    def _of(self, name: str) -> ExecutionFiles:
        with self._lock:
            return self._files.setdefault(name, ExecutionFiles(self._store, self._bucket, name))


def describe_known(runs: list[BatchStatus]) -> str:
    """Say which runs there are, the newest first."""
    return f"there are {', '.join(one.name for one in runs)}" if runs else "there is none at all"


def _read(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": found["name"],
        "state": _STATES.get(found["status"], "failed"),
        "started": found["startDate"],
        "ended": found.get("stopDate"),
        "reason": ": ".join(part for part in (found.get("error"), found.get("cause")) if part),
    }
