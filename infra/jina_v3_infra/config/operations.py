"""Operating it: who is told, what is too much, what is kept and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

from pydantic import Field

from jina_v3_infra.config.fields import EMAIL, TOPIC_ARN

Percent: TypeAlias = Annotated[float, Field(gt=0, le=100)]
Minutes: TypeAlias = Annotated[int, Field(ge=1, le=1440)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmSettings:
    """What is too much, and for how long. Failures and slow answers have their limits in `[endpoint.update]`."""

    most_gpu_percent: Annotated[Percent, Field(description="of the GPUs' time, for an hour")] = 98.0
    most_gpu_memory_percent: Annotated[Percent, Field(description="of the GPUs' memory, for five minutes")] = 95.0
    most_memory_percent: Annotated[Percent, Field(description="of the machines' memory, for five minutes")] = 90.0
    most_disk_percent: Annotated[Percent, Field(description="of the machines' disk, for five minutes")] = 85.0
    most_queue_wait_ms: Annotated[
        float,
        Field(
            gt=0,
            le=3_600_000,
            description="in the container's queue, as a minute's p99, for five minutes; not of asynchronous calls",
        ),
    ] = 5000.0
    most_backlog_age_s: Annotated[
        int, Field(ge=60, le=21_600, description="of the oldest asynchronous call that waits")
    ] = 1800
    most_failed_calls: Annotated[
        int, Field(ge=0, le=1_000_000, description="asynchronous calls that fail or expire within five minutes")
    ] = 0
    longest_without_machine_min: Annotated[
        Minutes, Field(description="that calls may wait for a first machine, or an endpoint stand without one")
    ] = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsSettings:
    """Alarms, dashboards, the budget, metrics and how long logs are kept."""

    emails: Annotated[
        tuple[Annotated[str, Field(pattern=EMAIL)], ...],
        Field(max_length=10, description="who is told of alarms and of the budget; each confirms a message of AWS's"),
    ] = ()
    topics: Annotated[
        tuple[Annotated[str, Field(pattern=TOPIC_ARN)], ...],
        Field(max_length=4, description="topics that exist and are told of alarms too"),
    ] = ()
    alarms: AlarmSettings = field(default_factory=AlarmSettings)
    monthly_budget_usd: Annotated[
        float | None,
        Field(gt=0, le=10_000_000, description="warn at 80% of it spent and at 100% foreseen; it stops nothing"),
    ] = None
    log_days: Annotated[int, Field(ge=1, le=3653, description="that logs are kept, as CloudWatch Logs offers it")] = 90
    dashboard: Annotated[
        bool, Field(description="make dashboards in CloudWatch, of endpoint and of batch transform")
    ] = True
    detailed_metrics: Annotated[
        bool, Field(description="have SageMaker scrape the container's /metrics into CloudWatch; billed by metric")
    ] = False
    enhanced_metrics: Annotated[
        bool, Field(description="SageMaker's own metrics by machine and GPU too; billed by metric")
    ] = False
    metrics_every_s: Annotated[
        int, Field(ge=10, le=300, description="how often SageMaker publishes them: 10, 30, or a multiple of 60")
    ] = 60
