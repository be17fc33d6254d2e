"""The alarms that roll an update back, and tell of it: too many failures, or too slow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from jina_v3_infra.config import UpdateSettings
from jina_v3_infra.stacks.operations.runbook import Page
from jina_v3_infra.stacks.operations.watched import MINUTE, alarm, metric

_US_PER_MS: Final = 1000


class RollbackAlarms(Construct):
    """Two alarms for what the dimensions name: a variant, or an inference component. No calls ring neither.

    Asynchronous calls may last an hour, so that slow ones neither ring nor roll an update back.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        subject: str,
        dimensions: Mapping[str, str],
        update: UpdateSettings,
        asynchronous: bool,
        told: Sequence[sns.ITopic],
    ) -> None:
        super().__init__(scope, id)
        self.alarms = [
            alarm(
                self,
                "Errors",
                _failures_percent(dimensions, asynchronous=asynchronous),
                subject=subject,
                happened="too many calls failed (5xx)",
                limit=f"{update.most_5xx_percent:g}% of a minute's calls",
                page=Page.FAILURES,
                most=update.most_5xx_percent,
                told=told,
            )
        ]
        if not asynchronous:
            self.alarms.append(
                alarm(
                    self,
                    "Latency",
                    metric("ModelLatency", "p99", dimensions),
                    subject=subject,
                    happened="the model answers too slowly",
                    limit=f"{update.most_latency_ms:g} ms as a minute's p99",
                    page=Page.SLOW_ANSWERS,
                    most=update.most_latency_ms * _US_PER_MS,
                    told=told,
                )
            )


def _failures_percent(dimensions: Mapping[str, str], *, asynchronous: bool) -> cloudwatch.IMetric:
    """Return the share of failed calls. An asynchronous endpoint counts no ``Invocations``.

    **Source**: docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html; each call of the container counts
    as 0 or 1 there, so that the average is the share.
    """
    label = "5xx answers in percent of calls"
    if asynchronous:
        return cloudwatch.MathExpression(
            label=label,
            expression="100 * errors",
            using_metrics={"errors": metric("Invocation5XXErrors", "Average", dimensions)},
            period=MINUTE,
        )
    return cloudwatch.MathExpression(
        label=label,
        expression="IF(calls > 0, 100 * errors / calls, 0)",
        using_metrics={
            "errors": metric("Invocation5XXErrors", "Sum", dimensions),
            "calls": metric("Invocations", "Sum", dimensions),
        },
        period=MINUTE,
    )
