"""How alarms are made: on one metric or expression, with the words that lead to the runbook, and who is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from jina_v3_infra.stacks.operations.runbook import Page, describe_alarm

SERVICE: Final = "AWS/SageMaker"
"""The namespace of calls, latencies and queues."""

MACHINES: Final = "/aws/sagemaker/Endpoints"
"""The namespace of what the machines have left."""

MINUTE: Final = Duration.minutes(1)
FIVE_MINUTES: Final = Duration.minutes(5)


def metric(
    name: str,
    statistic: str,
    dimensions: Mapping[str, str],
    *,
    namespace: str = SERVICE,
    period: Duration = MINUTE,
    label: str | None = None,
) -> cloudwatch.Metric:
    """Return a metric of SageMaker's, or of the namespace that is given."""
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map={**dimensions} or None,
        statistic=statistic,
        period=period,
        label=label,
    )


def alarm(
    scope: Construct,
    id: str,
    watched: cloudwatch.IMetric,
    *,
    subject: str,
    happened: str,
    limit: str,
    page: Page,
    most: float,
    told: Sequence[sns.ITopic],
    periods: int = 1,
) -> cloudwatch.Alarm:
    """Make an alarm that rings above ``most`` in each of some periods; no data is no alarm."""
    return _tell(
        cloudwatch.Alarm(
            scope,
            id,
            metric=watched,
            threshold=most,
            alarm_description=describe_alarm(subject, happened, limit, page),
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=periods,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        ),
        told,
    )


def silence_alarm(
    scope: Construct,
    id: str,
    watched: cloudwatch.IMetric,
    *,
    subject: str,
    happened: str,
    page: Page,
    minutes: int,
    told: Sequence[sns.ITopic],
) -> cloudwatch.Alarm:
    """Make an alarm that rings when a metric has had no data for so many minutes."""
    return _tell(
        cloudwatch.Alarm(
            scope,
            id,
            metric=watched,
            threshold=1,
            alarm_description=describe_alarm(subject, happened, f"{minutes} minutes", page),
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            evaluation_periods=minutes,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        ),
        told,
    )


def _tell(made: cloudwatch.Alarm, told: Sequence[sns.ITopic]) -> cloudwatch.Alarm:
    for topic in told:
        made.add_alarm_action(actions.SnsAction(topic))
    return made
