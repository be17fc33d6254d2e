"""Alarms, dashboards and budget: what must hold between its settings and the rest of the deployment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from jina_v3_infra.config.schema import Deployment

LOG_DAYS: Final = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827),
    *(2192, 2557, 2922, 3288, 3653),
)
"""What CloudWatch Logs offers."""

_FREQUENCIES_S: Final = (10, 30, 60, 120, 180, 240, 300)


def operations_rules(deployment: Deployment) -> Iterator[str]:
    """Yield one sentence for each rule that the settings break."""
    settings = deployment.operations
    if settings.log_days not in LOG_DAYS:
        longer = next(days for days in LOG_DAYS if days > settings.log_days)
        yield (
            f"operations: log_days = {settings.log_days}: CloudWatch Logs keeps logs for "
            f"{', '.join(map(str, LOG_DAYS))} days; set it to {longer}"
        )
    if settings.metrics_every_s not in _FREQUENCIES_S:
        nearest = min(_FREQUENCIES_S, key=lambda one: abs(one - settings.metrics_every_s))
        yield (
            f"operations: metrics_every_s = {settings.metrics_every_s}: SageMaker publishes every "
            f"{', '.join(map(str, _FREQUENCIES_S))} seconds; set it to {nearest}"
        )
    minutes = settings.alarms.longest_without_machine_min
    if minutes * 60 < 2 * settings.metrics_every_s:
        yield (
            f"operations.alarms: longest_without_machine_min = {minutes}: machines tell of themselves every "
            f"{settings.metrics_every_s} seconds (metrics_every_s), so that the alarm would ring in between; set it to "
            f"{-(-2 * settings.metrics_every_s // 60)} or more"
        )
    regions = [deployment.region, *([] if deployment.router is None else [deployment.router.second_region])]
    for arn in settings.topics:
        if arn.split(":")[3] not in regions:
            yield (
                f"operations.topics: {arn!r} is in {arn.split(':')[3]}, and alarms tell topics of their own "
                f"region only; take one in {' or '.join(regions)}"
            )
    for name in ("emails", "topics"):
        given = getattr(settings, name)
        for one in sorted({one for one in given if given.count(one) > 1}):
            yield f"operations.{name}: {one} is there twice; list each once"
    if deployment.endpoint.asynchronous is not None and (settings.detailed_metrics or settings.enhanced_metrics):
        yield (
            "operations: detailed_metrics and enhanced_metrics are of real-time endpoints; SageMaker publishes neither "
            "for an asynchronous one, so set both to false"
        )
