"""What dashboards are made of: graphs of one size, two beside each other, under a line that leads to the runbook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from jina_v3_infra.config import Deployment
from jina_v3_infra.stacks.operations.runbook import RUNBOOK

_WIDTH: Final = 12
_HEIGHT: Final = 6
_DAY: Final = Duration.hours(24)


def dashboard(
    scope: Construct, *, deployment: Deployment, name: str, about: str, rows: Iterable[Sequence[cloudwatch.IWidget]]
) -> None:
    """Make a dashboard. Its name has the region: all regions of an account share one list of dashboards."""
    made = cloudwatch.Dashboard(scope, "Dashboard", dashboard_name=f"{name}-{deployment.region}", default_interval=_DAY)
    made.add_widgets(
        _text(f"{about} · alarms: {RUNBOOK} · cost: Cost Explorer, tag `deployment` = `{deployment.name}`")
    )
    for row in rows:
        made.add_widgets(*row)


def graph(title: str, metrics: Sequence[cloudwatch.IMetric]) -> cloudwatch.GraphWidget:
    """Return a graph of some metrics over time."""
    return cloudwatch.GraphWidget(title=title, left=[*metrics], width=_WIDTH, height=_HEIGHT)


def _text(markdown: str) -> cloudwatch.TextWidget:
    return cloudwatch.TextWidget(markdown=markdown, width=2 * _WIDTH, height=2)
