"""The alarms of batch runs: one failed, one ran out of time, one could not be started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

_PERIOD: Final = Duration.minutes(5)


class BatchAlarms(Construct):
    """Alarms that ring in the five minutes after a single failure; no runs ring none."""

    def __init__(self, scope: Construct, id: str, *, machine_arn: str, machine_name: str, rule: str | None) -> None:
        super().__init__(scope, id)
        machine = {"StateMachineArn": machine_arn}
        self.alarms = [
            self._alarm("Failed", "AWS/States", "ExecutionsFailed", machine, f"{machine_name}: a run failed"),
            self._alarm("TimedOut", "AWS/States", "ExecutionsTimedOut", machine, f"{machine_name}: a run ran too long"),
        ]
        if rule is not None:
            self.alarms.append(
                self._alarm(
                    "NotStarted",
                    "AWS/Events",
                    "FailedInvocations",
                    {"RuleName": rule},
                    f"{machine_name}: a success file arrived, and no run could be started",
                )
            )

    def _alarm(
        self, id: str, namespace: str, name: str, dimensions: Mapping[str, str], description: str
    ) -> cloudwatch.Alarm:
        metric = cloudwatch.Metric(
            namespace=namespace, metric_name=name, dimensions_map=dict(dimensions), statistic="Sum", period=_PERIOD
        )
        return cloudwatch.Alarm(
            self,
            id,
            metric=metric,
            threshold=0,
            alarm_description=description,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
