"""The dashboard of batch runs: how many there are, how they end, how long they take, and how the function does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from jina_v3_infra.config import BatchSettings, Deployment
from jina_v3_infra.stacks.batch.metrics import failed_starts, of_runs, of_steps
from jina_v3_infra.stacks.operations.widgets import dashboard, graph


class BatchDashboard(Construct):
    """A dashboard of the batch stack's own: there may be no endpoint, and neither stack knows of the other."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment: Deployment,
        settings: BatchSettings,
        machine_arn: str,
        function: str,
        rule: str | None,
    ) -> None:
        super().__init__(scope, id)
        name = deployment.batch_stack
        dashboard(
            self,
            deployment=deployment,
            name=name,
            about=f"**{name}** · {settings.jobs} jobs of {settings.instances} × {settings.instance_type} at a time",
            rows=_rows(machine_arn, function, rule),
        )


def _rows(machine_arn: str, function: str, rule: str | None) -> Iterator[Sequence[cloudwatch.IWidget]]:
    ends = {
        "succeeded": "ExecutionsSucceeded",
        "failed": "ExecutionsFailed",
        "ran too long": "ExecutionsTimedOut",
        "stopped": "ExecutionsAborted",
    }
    starts = [of_runs(machine_arn, "ExecutionsStarted", label="started"), *([failed_starts(rule)] if rule else [])]
    yield [
        graph("runs that start", starts),
        graph("runs that end", [of_runs(machine_arn, metric, label=end) for end, metric in ends.items()]),
    ]
    yield [
        graph(
            "runs' time in ms",
            [of_runs(machine_arn, "ExecutionTime", each, label=each) for each in ("Average", "Maximum")],
        ),
        graph(
            "steps that failed or were throttled (they are tried again)",
            [of_steps(function, "Errors", label="failed"), of_steps(function, "Throttles", label="throttled")],
        ),
    ]
    yield [
        graph("steps", [of_steps(function, "Invocations", label="called")]),
        graph(
            "steps' time in ms, of 900,000",
            [of_steps(function, "Duration", each, label=each) for each in ("p50", "Maximum")],
        ),
    ]
