"""The alarms of batch runs: one failed, one ran too long, one could not be started.

Of the function there is none: the state machine tries a failed step again, and what does not pass fails the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from jina_v3_infra.config import Deployment
from jina_v3_infra.stacks.batch.metrics import failed_starts, of_runs
from jina_v3_infra.stacks.operations.runbook import Page
from jina_v3_infra.stacks.operations.watched import alarm

_NONE: Final = "none in five minutes"


class BatchAlarms(Construct):
    """Alarms that ring in the five minutes after a single failure; no runs ring none."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment: Deployment,
        machine_arn: str,
        rule: str | None,
        told: Sequence[sns.ITopic],
    ) -> None:
        super().__init__(scope, id)
        self._subject, self._told = deployment.batch_stack, told
        self._alarm("Failed", of_runs(machine_arn, "ExecutionsFailed"), "a run failed", Page.RUN_FAILED)
        self._alarm("TimedOut", of_runs(machine_arn, "ExecutionsTimedOut"), "a run ran too long", Page.RUN_TOO_LONG)
        if rule is not None:
            happened = "a success file arrived, and no run could be started"
            self._alarm("NotStarted", failed_starts(rule), happened, Page.RUN_NOT_STARTED)

    def _alarm(self, id: str, watched: cloudwatch.IMetric, happened: str, page: Page) -> None:
        alarm(
            self,
            id,
            watched,
            subject=self._subject,
            happened=happened,
            limit=_NONE,
            page=page,
            most=0,
            told=self._told,
        )
