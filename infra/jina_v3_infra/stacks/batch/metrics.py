"""The metrics of batch runs: of the state machine, of the function that does its steps, and of what starts runs.

**Source**: docs.aws.amazon.com/step-functions/latest/dg/concepts-examine-map-run.html: the items of a distributed map
count under an ARN of their own, so that the machine's is that of the runs alone.
"""

from __future__ import annotations

from aws_cdk import aws_cloudwatch as cloudwatch

from jina_v3_infra.stacks.operations.watched import FIVE_MINUTES, metric


def of_runs(machine_arn: str, name: str, statistic: str = "Sum", label: str | None = None) -> cloudwatch.Metric:
    """Return a metric of the state machine's executions."""
    machine = {"StateMachineArn": machine_arn}
    return metric(name, statistic, machine, namespace="AWS/States", period=FIVE_MINUTES, label=label)


def of_steps(function: str, name: str, statistic: str = "Sum", label: str | None = None) -> cloudwatch.Metric:
    """Return a metric of the function."""
    named = {"FunctionName": function}
    return metric(name, statistic, named, namespace="AWS/Lambda", period=FIVE_MINUTES, label=label)


def failed_starts(rule: str) -> cloudwatch.Metric:
    """Return how many success files could start no run."""
    return metric("FailedInvocations", "Sum", {"RuleName": rule}, namespace="AWS/Events", period=FIVE_MINUTES)
