"""The dashboard of an endpoint: one page that says who calls, how it goes, and what it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from jina_v3_infra.config import Deployment
from jina_v3_infra.stacks.endpoint.container_metrics import ContainerMetrics
from jina_v3_infra.stacks.operations.watched import MACHINES, metric
from jina_v3_infra.stacks.operations.widgets import dashboard, graph

_MINUTE_S: Final = 60


class EndpointDashboard(Construct):
    """A dashboard with the deployment's name and region: all its variants beside each other."""

    def __init__(self, scope: Construct, id: str, *, deployment: Deployment, container: ContainerMetrics) -> None:
        super().__init__(scope, id)
        self._deployment = deployment
        self._variants = [
            (variant.name, {"EndpointName": deployment.endpoint_name, "VariantName": variant.name})
            for variant in deployment.endpoint.variants
        ]
        component = deployment.endpoint.inference_component is not None
        self._callers = (
            [("component", {"InferenceComponentName": deployment.endpoint_name})] if component else self._variants
        )
        machines = ", ".join(
            f"{variant.name}: {variant.scaling.min} to {variant.scaling.max} × {variant.instance_type}"
            for variant in deployment.endpoint.variants
        )
        dashboard(
            self,
            deployment=deployment,
            name=deployment.name,
            about=f"**{deployment.endpoint_name}** · {machines}",
            rows=self._rows(container),
        )

    def _rows(self, container: ContainerMetrics) -> Iterator[Sequence[cloudwatch.IWidget]]:
        asynchronous = self._deployment.endpoint.asynchronous is not None
        calls = {"processed": "InvocationsProcesssed"} if asynchronous else {"calls": "Invocations"}
        errors = {"4xx": "Invocation4XXErrors", "5xx": "Invocation5XXErrors"}
        yield [self._callers_graph("calls", calls, "Sum"), self._callers_graph("errors", errors, "Sum")]
        latency = {"model": "ModelLatency", **({} if asynchronous else {"overhead": "OverheadLatency"})}
        yield [self._callers_graph(f"latency in µs, {quantile}", latency, quantile) for quantile in ("p50", "p99")]
        gpu = {"GPU": "GPUUtilization", "GPU memory": "GPUMemoryUtilization"}
        machine = {"CPU": "CPUUtilization", "memory": "MemoryUtilization", "disk": "DiskUtilization"}
        yield [self._machines("GPUs in percent", gpu), self._machines("machines in percent", machine)]
        yield [
            graph("wait in the container's queue, p99 in ms", [container.queue_wait_ms]),
            graph(
                "requests in the container's queue, and failed /ping",
                [container.queue_requests, container.ping_failures],
            ),
        ]
        if asynchronous:
            yield self._backlog()
        yield [
            graph("machines (each costs by the hour, called or not)", list(self._counts())),
        ]

    def _callers_graph(self, title: str, names: dict[str, str], statistic: str) -> cloudwatch.GraphWidget:
        return graph(
            title,
            [
                metric(name, statistic, dimensions, label=f"{who} {what}")
                for who, dimensions in self._callers
                for what, name in names.items()
            ],
        )

    def _machines(self, title: str, names: dict[str, str]) -> cloudwatch.GraphWidget:
        return graph(
            title,
            [
                metric(name, "Average", dimensions, namespace=MACHINES, label=f"{who} {what}")
                for who, dimensions in self._variants
                for what, name in names.items()
            ],
        )

    def _counts(self) -> Iterator[cloudwatch.IMetric]:
        """Count machines by who tells of itself: each does so as often as is configured, once a minute by default."""
        every_s = self._deployment.operations.metrics_every_s
        period_s = max(_MINUTE_S, every_s)
        for number, (who, dimensions) in enumerate(self._variants):
            told = metric(
                "CPUUtilization",
                "SampleCount",
                dimensions,
                namespace=MACHINES,
                period=Duration.seconds(period_s),
                label=who,
            )
            times = period_s // every_s
            yield (
                told
                if times == 1
                else cloudwatch.MathExpression(
                    label=who,
                    expression=f"told{number} / {times}",
                    using_metrics={f"told{number}": told},
                    period=Duration.seconds(period_s),
                )
            )

    def _backlog(self) -> list[cloudwatch.IWidget]:
        endpoint = {"EndpointName": self._deployment.endpoint_name}
        sizes = ("ApproximateBacklogSize", "ApproximateBacklogSizePerInstance", "HasBacklogWithoutCapacity")
        _, variant = self._variants[0]
        waits = [
            metric("ApproximateAgeOfOldestRequest", "Maximum", endpoint),
            *(
                metric(name, "Sum", variant)
                for name in ("InvocationFailures", "ExpiredRequests", "NotificationFailures")
            ),
        ]
        return [
            graph("backlog", [metric(name, "Maximum", endpoint) for name in sizes]),
            graph("age of the oldest call in s, and what failed", waits),
        ]
