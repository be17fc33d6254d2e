"""Runs of batch transform as AWS knows them: executions of the state machine, and their working files in the bucket."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from jina_v3_infra.config import Deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.failures import CommandError, absent
from jina_v3_infra.outputs import Output, read_foundation, read_outputs
from jina_v3_infra.prefixes import BATCH_RUNS

RUNNING: Final = "RUNNING"
FAILED: Final = "FAILED"
COMPLETE: Final = "complete"
DRY_RUN: Final = "dry_run"
"""Of a report's ``outcome``: every record is accounted for; nothing was to be embedded."""

_NAME_CHARACTERS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run; ``cause`` says why it failed, where it did."""

    name: str
    arn: str
    status: str
    started: datetime
    stopped: datetime | None = None
    cause: str = ""

    @property
    def is_running(self) -> bool:
        """Say whether it goes on."""
        return self.status == RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """The runs of a deployment that stands: its state machine, and its bucket."""

    account: Account
    machine_arn: str
    bucket: str

    def start(self, name: str, fields: Mapping[str, object]) -> Run:
        """Start a run."""
        started = self._states.start_execution(
            stateMachineArn=self.machine_arn, name=name, input=json.dumps(fields, ensure_ascii=False)
        )
        return Run(name=name, arn=started["executionArn"], status=RUNNING, started=started["startDate"])

    def find(self, name: str) -> Run:
        """Return a run.

        **Raises**: ``CommandError`` where there is none of the name.
        """
        try:
            found = self._states.describe_execution(executionArn=self._arn(name))
        except ClientError as error:
            if absent(error):
                raise CommandError(
                    f"there is no run {name!r} (AWS forgets runs after 90 days); batch status lists those there are"
                ) from error
            raise
        return _run(found)

    def latest(self, count: int) -> list[Run]:
        """Return the newest runs."""
        found = self._states.list_executions(stateMachineArn=self.machine_arn, maxResults=count)["executions"]
        return [_run(one) for one in found]

    def stop(self, name: str) -> None:
        """Stop a run, and with it its jobs."""
        self._states.stop_execution(executionArn=self._arn(name), error="Stopped", cause="batch stop")

    def read(self, name: str, file: str) -> str | None:
        """Return a working file of a run, ``None`` where there is none."""
        try:
            body = self.account.client("s3").get_object(Bucket=self.bucket, Key=f"{BATCH_RUNS}{name}/{file}")["Body"]
        except ClientError as error:
            if absent(error):
                return None
            raise
        text: str = body.read().decode("utf-8", "replace")
        return text

    def read_json(self, name: str, file: str) -> dict[str, Any]:
        """Return a working file of a run, empty where there is none."""
        text = self.read(name, file)
        return {} if text is None else dict(json.loads(text))

    @property
    def _states(self) -> Any:
        return self.account.client("stepfunctions")

    def _arn(self, name: str) -> str:
        return f"{self.machine_arn.replace(':stateMachine:', ':execution:')}:{name}"


def open_runs(account: Account, deployment: Deployment) -> Runs:
    """Return the runs of a deployment.

    **Raises**: ``CommandError`` where batch transform is not deployed.
    """
    cloudformation = account.client("cloudformation")
    outputs = read_outputs(cloudformation, deployment.batch_stack) or {}
    foundation = read_foundation(cloudformation, deployment.foundation_stack)
    if Output.STATE_MACHINE not in outputs or foundation is None:
        add = "" if deployment.batch is not None else "add a [batch] section to the configuration, then "
        raise CommandError(
            f"{deployment.batch_stack} does not stand in {account.region}; {add}jina-v3-infra deploy, or give --config"
        )
    return Runs(account=account, machine_arn=outputs[Output.STATE_MACHINE], bucket=foundation.bucket)


def name_run(dataset: str) -> str:
    """Return a new name for a run: the dataset's folder, the time, and some digits."""
    folder = re.sub(r"[^A-Za-z0-9]+", "-", dataset.rstrip("/").rpartition("/")[2]).strip("-")[:_NAME_CHARACTERS]
    now = datetime.now(UTC)
    return f"{folder or 'run'}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def stop_all_runs(account: Account, deployment: Deployment, machine_arn: str) -> Iterator[str]:
    """Stop what goes on, and yield the names of the runs and of jobs that had not heard of it."""
    states, sagemaker = account.client("stepfunctions"), account.client("sagemaker")
    pages = states.get_paginator("list_executions").paginate(stateMachineArn=machine_arn, statusFilter=RUNNING)
    for one in [one for page in pages for one in page["executions"]]:
        states.stop_execution(executionArn=one["executionArn"], error="Stopped", cause="the deployment is destroyed")
        yield f"run {one['name']}"
    for job in running_jobs(account, deployment):
        sagemaker.stop_transform_job(TransformJobName=job)
        yield f"transform job {job}"


def running_jobs(account: Account, deployment: Deployment) -> list[str]:
    """Return the transform jobs that go on and have the deployment's tag; such jobs bill."""
    sagemaker = account.client("sagemaker")
    tag = {"Key": "deployment", "Value": deployment.tags.get("deployment", deployment.name)}
    pages = sagemaker.get_paginator("list_transform_jobs").paginate(StatusEquals="InProgress")
    jobs = [one for page in pages for one in page["TransformJobSummaries"]]
    return [
        one["TransformJobName"]
        for one in jobs
        if tag in sagemaker.list_tags(ResourceArn=one["TransformJobArn"])["Tags"]
    ]


def _run(found: Mapping[str, Any]) -> Run:
    return Run(
        name=found["name"],
        arn=found["executionArn"],
        status=found["status"],
        started=found["startDate"],
        stopped=found.get("stopDate"),
        cause=": ".join(part for part in (found.get("error", ""), found.get("cause", "")) if part),
    )
