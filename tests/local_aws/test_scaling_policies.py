"""Application Auto Scaling's arithmetic, against figures worked out by hand."""

from typing import Any

import pytest

from local_aws.alarm_states import Key, key_of
from local_aws.scaling_policies import Past, step_wish, tracking_wish

TARGET = 10.0
BACKLOG = {"Namespace": "AWS/SageMaker", "MetricName": "Backlog", "Dimensions": [], "Statistic": "Average"}


KEY = key_of("AWS/SageMaker", "Backlog", [])


class History:
    """What a metric had in the last minutes, the latest first."""

    def __init__(self, values: list[float | None], key: Key = KEY) -> None:
        self.known = {key}
        self._values = values

    def statistics(self, key: Key, statistic: str, minutes: int, periods: int) -> list[float | None]:
        assert key in self.known
        assert (statistic, minutes) in {("Average", 1), ("Maximum", 1)}
        return (self._values + [None] * periods)[:periods]


def tracked(values: list[float | None], current: int, past: Past | None = None, now_s: float = 0, **more: Any) -> int:
    settings = {"TargetValue": TARGET, "CustomizedMetricSpecification": BACKLOG, **more}
    policy = {"ResourceId": "endpoint/e/variant/v", "TargetTrackingScalingPolicyConfiguration": settings}
    return tracking_wish(policy, past or Past(), now_s, current, History(values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "current", "wanted"),
    [
        ([25, 25, 25], 2, 5),  # 2 · 25 / 10
        ([11, 11, 11], 3, 4),  # 3.3 upwards
        ([25, 25, 10], 2, 2),  # not three minutes above
        ([25, 25, None], 2, 2),
        ([40, 40, 40], 0, 1),  # of none it makes one
        ([8.9] * 15, 3, 2),
        ([8.9] * 14, 3, 3),  # not a quarter of an hour
        ([9] * 15, 3, 3),  # nine tenths is near enough
        ([], 3, 3),
        ([0] * 15, 1, 0),
    ],
)
def test_a_target_is_tracked(values: list[float | None], current: int, wanted: int) -> None:
    assert tracked(values, current) == wanted


def test_what_was_added_counts_until_the_cooldown_is_over() -> None:
    past = Past(out_s=0, before_out=2)  # it went from 2 to 5
    high: list[float | None] = [30, 30, 30]
    assert tracked(high, 5, past, 120, ScaleOutCooldown=180) == 6  # 2 · 3: more than the 5 that are there
    assert tracked([20, 20, 20], 5, past, 120, ScaleOutCooldown=180) == 5
    assert tracked(high, 5, past, 180, ScaleOutCooldown=180) == 15


def test_one_is_taken_away_in_each_cooldown() -> None:
    low: list[float | None] = [0] * 15
    assert tracked(low, 5, Past(in_s=0), 60, ScaleInCooldown=120) == 5
    assert tracked(low, 5, Past(in_s=0), 120, ScaleInCooldown=120) == 4
    assert tracked(low, 5, DisableScaleIn=True) == 5


def test_predefined_metrics_are_of_variants_and_components() -> None:
    for resource, metric, name, values in (
        ("endpoint/e/variant/v", "SageMakerVariantConcurrentRequestsPerModelHighResolution",
         "ConcurrentRequestsPerModel", {"EndpointName": "e", "VariantName": "v"}),
        ("inference-component/c", "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution",
         "ConcurrentRequestsPerCopy", {"InferenceComponentName": "c"}),
    ):  # fmt: skip
        dimensions = [{"Name": key, "Value": value} for key, value in values.items()]
        history = History([20, 20, 20], key_of("AWS/SageMaker", name, dimensions))
        settings = {"TargetValue": TARGET, "PredefinedMetricSpecification": {"PredefinedMetricType": metric}}
        policy = {"ResourceId": resource, "TargetTrackingScalingPolicyConfiguration": settings}
        assert tracking_wish(policy, Past(), 0, 1, history) == 2  # type: ignore[arg-type]


STEPS = [
    {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 1},
    {"MetricIntervalLowerBound": 10, "ScalingAdjustment": 50},
    {"MetricIntervalUpperBound": 0, "ScalingAdjustment": -1},
]


@pytest.mark.parametrize(
    ("kind", "current", "breach", "wanted"),
    [
        ("ChangeInCapacity", 0, 0, 1),
        ("ChangeInCapacity", 4, 9.9, 5),
        ("ChangeInCapacity", 4, 10, 54),
        ("ChangeInCapacity", 4, -3, 3),
        ("PercentChangeInCapacity", 5, 10, 8),  # 2.5 upwards
        ("ExactCapacity", 4, 10, 50),
    ],
)
def test_a_step_is_chosen_by_how_far_the_metric_is_beyond(kind: str, current: int, breach: float, wanted: int) -> None:
    policy = {"StepScalingPolicyConfiguration": {"AdjustmentType": kind, "StepAdjustments": STEPS}}
    assert step_wish(policy, Past(), 0, current, breach) == wanted


def test_a_step_is_not_repeated_within_its_cooldown() -> None:
    settings = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": STEPS, "Cooldown": 120}
    policy, past = {"StepScalingPolicyConfiguration": settings}, Past(out_s=0, before_out=0)
    assert [step_wish(policy, past, now_s, 1, 1) for now_s in (60, 119, 120)] == [1, 1, 2]
