"""What is watched of a standing endpoint beside its failures and latency: machines, queues, and the container's health.

Of the CPU there is no alarm: a machine whose processors are busy and whose calls are fast is well used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from jina_v3_infra.config import Deployment, VariantSettings
from jina_v3_infra.stacks.endpoint.container_metrics import ContainerMetrics
from jina_v3_infra.stacks.operations.runbook import Page
from jina_v3_infra.stacks.operations.watched import FIVE_MINUTES, MACHINES, alarm, metric, silence_alarm

_FIVE: Final = 5
_GPU_PERIODS: Final = 12  # an hour of five minutes each


class EndpointAlarms(Construct):
    """The alarms of one endpoint; each tells the topics."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment: Deployment,
        container: ContainerMetrics,
        endpoint: sagemaker.CfnEndpoint,
        told: Sequence[sns.ITopic],
    ) -> None:
        super().__init__(scope, id)
        self._deployment, self._limits, self._told = deployment, deployment.operations.alarms, told
        self._endpoint = endpoint
        self._watch_container(container)
        for variant in deployment.endpoint.variants:
            self._watch_machines(variant)
            if variant.scaling.min > 0:
                self._watch_presence(variant)
        if deployment.endpoint.asynchronous is not None:
            self._watch_backlog()

    def _alarm(self, id: str, watched: cloudwatch.IMetric, subject: str, **words: Any) -> None:
        alarm(self, id, watched, subject=subject, told=self._told, **words)

    def _watch_container(self, container: ContainerMetrics) -> None:
        name, most_ms = self._deployment.endpoint_name, self._limits.most_queue_wait_ms
        if self._deployment.endpoint.asynchronous is None:  # its calls are there to wait; their age is watched
            self._alarm(
                "QueueWait",
                container.queue_wait_ms,
                name,
                happened="calls wait too long in a container's queue",
                limit=f"{most_ms:g} ms as a minute's p99, for five minutes",
                page=Page.QUEUE_WAIT,
                most=most_ms,
                periods=_FIVE,
            )
        self._alarm(
            "Ping",
            container.ping_failures,
            name,
            happened="a container cannot serve, so that its /ping fails",
            limit="once",
            page=Page.PING_FAILS,
            most=0,
        )

    def _watch_machines(self, variant: VariantSettings) -> None:
        limits, gpus = self._limits, max(machine.gpus for machine in variant.instance_types)
        watched: list[tuple[str, str, float, str, Page, int]] = [
            ("Memory", "MemoryUtilization", limits.most_memory_percent, "memory", Page.MACHINE_MEMORY, 1),
            ("Disk", "DiskUtilization", limits.most_disk_percent, "disk", Page.DISK, 1),
        ]
        if gpus:
            watched += [
                (
                    "GpuMemory",
                    "GPUMemoryUtilization",
                    limits.most_gpu_memory_percent,
                    "GPU memory",
                    Page.GPU_MEMORY,
                    gpus,
                ),
                ("Gpu", "GPUUtilization", limits.most_gpu_percent, "GPU time", Page.GPU_BUSY, gpus),
            ]
        for id, name, percent, what, page, parts in watched:
            periods, long = (_GPU_PERIODS, "an hour") if page is Page.GPU_BUSY else (1, "five minutes")
            self._alarm(
                f"{id}-{variant.name}",
                metric(name, "Average", self._dimensions(variant), namespace=MACHINES, period=FIVE_MINUTES),
                f"{self._deployment.endpoint_name}/{variant.name}",
                happened=f"the machines have little {what} left",
                limit=f"{percent:g}% for {long}",
                page=page,
                most=percent * parts,  # SageMaker adds up what the GPUs of a machine have
                periods=periods,
            )

    def _watch_presence(self, variant: VariantSettings) -> None:
        """Ring when no machine tells of itself any more: then there is none, whatever the endpoint's status is.

        It comes after the endpoint and goes before it, so that neither its beginning nor its end rings.
        """
        gone = silence_alarm(
            self,
            f"NoMachine-{variant.name}",
            metric("CPUUtilization", "SampleCount", self._dimensions(variant), namespace=MACHINES),
            subject=f"{self._deployment.endpoint_name}/{variant.name}",
            happened="no machine is in service",
            page=Page.NO_MACHINE,
            minutes=self._limits.longest_without_machine_min,
            told=self._told,
        )
        gone.node.add_dependency(self._endpoint)

    def _watch_backlog(self) -> None:
        name, limits = self._deployment.endpoint_name, self._limits
        endpoint = {"EndpointName": name}
        variant = self._dimensions(self._deployment.endpoint.variants[0])
        self._alarm(
            "WithoutMachine",
            metric("HasBacklogWithoutCapacity", "Minimum", endpoint),
            name,
            happened="calls wait, and no machine comes",
            limit=f"{limits.longest_without_machine_min} minutes",
            page=Page.BACKLOG_WITHOUT_MACHINE,
            most=0,
            periods=limits.longest_without_machine_min,
        )
        self._alarm(
            "BacklogAge",
            metric("ApproximateAgeOfOldestRequest", "Maximum", endpoint),
            name,
            happened="the oldest call waits too long",
            limit=f"{limits.most_backlog_age_s} s for five minutes",
            page=Page.BACKLOG_AGE,
            most=limits.most_backlog_age_s,
            periods=_FIVE,
        )
        failed = cloudwatch.MathExpression(
            label="failed and expired calls",
            expression="FILL(failed, 0) + FILL(expired, 0)",
            using_metrics={
                "failed": metric("InvocationFailures", "Sum", variant, period=FIVE_MINUTES),
                "expired": metric("ExpiredRequests", "Sum", variant, period=FIVE_MINUTES),
            },
            period=FIVE_MINUTES,
        )
        self._alarm(
            "FailedCalls",
            failed,
            name,
            happened="asynchronous calls failed or expired",
            limit=f"{limits.most_failed_calls} in five minutes",
            page=Page.FAILED_CALLS,
            most=limits.most_failed_calls,
        )
        self._alarm(
            "Undelivered",
            metric("NotificationFailures", "Sum", variant, period=FIVE_MINUTES),
            name,
            happened="topics could not be told of outputs or failures",
            limit="none in five minutes",
            page=Page.UNDELIVERED_NOTICES,
            most=0,
        )

    def _dimensions(self, variant: VariantSettings) -> dict[str, str]:
        return {"EndpointName": self._deployment.endpoint_name, "VariantName": variant.name}
