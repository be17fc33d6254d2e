"""The alarms that roll an update back: too many failures, or too slow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from jina_v3_infra.config import UpdateSettings

NAMESPACE: Final = "AWS/SageMaker"
_MINUTE: Final = Duration.minutes(1)
_US_PER_MS: Final = 1000


class Alarms(Construct):
    """Two alarms for what the dimensions name: a variant, or an inference component. No calls ring neither."""

    def __init__(
        self, scope: Construct, id: str, *, subject: str, dimensions: Mapping[str, str], update: UpdateSettings
    ) -> None:
        super().__init__(scope, id)
        self._dimensions = dict(dimensions)
        errors = cloudwatch.MathExpression(
            label="5xx answers in percent of calls",
            expression="IF(calls > 0, 100 * errors / calls, 0)",
            using_metrics={
                "errors": self._metric("Invocation5XXErrors", "Sum"),
                "calls": self._metric("Invocations", "Sum"),
            },
            period=_MINUTE,
        )
        latency = self._metric("ModelLatency", "p99")
        self.alarms = (
            self._alarm("Errors", errors, update.most_5xx_percent, f"{subject}: more 5xx answers than allowed"),
            self._alarm("Latency", latency, update.most_latency_ms * _US_PER_MS, f"{subject}: p99 above the limit"),
        )

    def _metric(self, name: str, statistic: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=NAMESPACE, metric_name=name, dimensions_map=self._dimensions, statistic=statistic, period=_MINUTE
        )

    def _alarm(self, id: str, metric: cloudwatch.IMetric, most: float, description: str) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            id,
            metric=metric,
            threshold=most,
            alarm_description=description,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
