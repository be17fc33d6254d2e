"""The alarms of batch runs: one failed, one ran out of time, one could not be started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from aws_cdk import aws_sns as sns
from constructs import Construct

from jina_v3_infra.stacks.runbook import Page
from jina_v3_infra.stacks.watched import FIVE_MINUTES, alarm, metric

_ONCE: Final = "once in five minutes"


class BatchAlarms(Construct):
    """Alarms that ring in the five minutes after a single failure, and tell the topics; no runs ring none."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        machine_arn: str,
        machine_name: str,
        rule: str | None,
        told: Sequence[sns.ITopic],
    ) -> None:
        super().__init__(scope, id)
        self._subject, self._told = machine_name, told
        machine = {"StateMachineArn": machine_arn}
        runs = "AWS/States"
        self._alarm("Failed", runs, "ExecutionsFailed", machine, "a run failed", Page.FAILED_RUN)
        self._alarm("TimedOut", runs, "ExecutionsTimedOut", machine, "a run ran too long", Page.FAILED_RUN)
        if rule is not None:
            happened = "a success file arrived, and no run could be started"
            of_rule = {"RuleName": rule}
            self._alarm("NotStarted", "AWS/Events", "FailedInvocations", of_rule, happened, Page.RUN_NOT_STARTED)

    def _alarm(
        self, id: str, namespace: str, name: str, dimensions: Mapping[str, str], happened: str, page: Page
    ) -> None:
        alarm(
            self,
            id,
            metric(name, "Sum", dimensions, namespace=namespace, period=FIVE_MINUTES),
            subject=self._subject,
            happened=happened,
            limit=_ONCE,
            page=page,
            most=0,
            told=self._told,
        )
