"""What the container writes into its log, as metrics: how long calls wait in its queue, and when it is not well."""

from __future__ import annotations

from typing import Final

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from constructs import Construct

from jina_v3_infra.config import Deployment
from jina_v3_infra.stacks.operations.watched import MINUTE, metric

LOAD: Final = '{ $.event = "load" }'
CRITICAL: Final = '{ $.level = "critical" }'
"""Lines of the container's log, which docs/server.md describes: each minute's, and that it cannot serve (any more)."""


class ContainerMetrics(Construct):
    """Filters over the endpoint's log group; they cost nothing while the container is silent."""

    def __init__(self, scope: Construct, id: str, *, deployment: Deployment, log: logs.ILogGroup) -> None:
        super().__init__(scope, id)
        self._namespace = f"JinaV3/{deployment.endpoint_name}"
        self._log = log
        self._filter(LOAD, "QueueWaitP99", "$.queue_wait_p99_ms")
        self._filter(LOAD, "QueueRequests", "$.queue_requests")
        self._filter(CRITICAL, "PingFailures", "1")
        self.queue_wait_ms = self._metric("QueueWaitP99", "Maximum")
        self.queue_requests = self._metric("QueueRequests", "Maximum")
        self.ping_failures = self._metric("PingFailures", "Sum")

    def _filter(self, lines: str, name: str, value: str) -> None:
        logs.MetricFilter(
            self,
            name,
            log_group=self._log,
            filter_pattern=logs.FilterPattern.literal(lines),
            metric_namespace=self._namespace,
            metric_name=name,
            metric_value=value,
        )

    def _metric(self, name: str, statistic: str) -> cloudwatch.Metric:
        return metric(name, statistic, {}, namespace=self._namespace, period=MINUTE)
