"""What a scaling policy wants: Application Auto Scaling's arithmetic, over simulated minutes.

It knows nothing of endpoints, and changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from local_aws.alarm_states import Key, Minutes, key_of

_OUT_MINUTES: Final = 3
_IN_MINUTES: Final = 15
_IN_SHARE: Final = 0.9
_USUAL_COOLDOWN_S: Final = 300
_PREDEFINED: Final = {
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": "ConcurrentRequestsPerModel",
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": "ConcurrentRequestsPerCopy",
}


@dataclass(slots=True)
class Past:
    """What a policy has done: its last change of each direction (s), and the count before it went out."""

    out_s: float = -math.inf
    in_s: float = -math.inf
    before_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The count that a policy wants, and why."""

    count: int
    cause: str


def step_wish(policy: Mapping[str, Any], past: Past, now_s: float, current: int, breach: float) -> int:
    """Return the count that a step policy wants while its alarm rings; ``breach`` is how far above the threshold.

    Within the cooldown, what was added counts as a part of the next step.
    """
    settings = policy["StepScalingPolicyConfiguration"]
    cooling = now_s - past.out_s < settings.get("Cooldown", _USUAL_COOLDOWN_S)
    base = past.before_out if cooling else current
    for step in settings["StepAdjustments"]:
        lower, upper = step.get("MetricIntervalLowerBound", -math.inf), step.get("MetricIntervalUpperBound", math.inf)
        if lower <= breach < upper:
            wanted = _adjust(settings["AdjustmentType"], base, step["ScalingAdjustment"])
            return max(current, wanted) if wanted >= base else wanted
    return current


def _adjust(kind: str, base: int, adjustment: int) -> int:
    if kind == "ExactCapacity":
        return adjustment
    if kind == "PercentChangeInCapacity":
        change = base * adjustment / 100
        return base + (math.ceil(change) if change > 0 else math.floor(change))
    return base + adjustment


def tracking_wish(policy: Mapping[str, Any], past: Past, now_s: float, current: int, minutes: Minutes) -> int:
    """Return the count that a target tracking policy wants.

    It scales out, in proportion, when the metric is above the target for three minutes, and in, one at a time, when it
    is below nine tenths of it for fifteen; without data it does nothing. Of none it makes one.

    **Source**: docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
    """
    settings = policy["TargetTrackingScalingPolicyConfiguration"]
    target = float(settings["TargetValue"])
    key, statistic = _metric(settings, policy["ResourceId"])
    if key not in minutes.known:
        return current
    values = minutes.statistics(key, statistic, 1, _IN_MINUTES)
    if _all(values[:_OUT_MINUTES], above=target):
        latest = values[0] or 0.0
        cooling = now_s - past.out_s < settings.get("ScaleOutCooldown", _USUAL_COOLDOWN_S)
        base = past.before_out if cooling else current
        return max(current, math.ceil(base * latest / target) if base else 1)
    if settings.get("DisableScaleIn") or any(value is None or value >= _IN_SHARE * target for value in values):
        return current
    cooldown_s = settings.get("ScaleInCooldown", _USUAL_COOLDOWN_S)
    return current if now_s - max(past.in_s, past.out_s) < cooldown_s else current - 1


def _all(values: Sequence[float | None], *, above: float) -> bool:
    return all(value is not None and value > above for value in values)


def _metric(settings: Mapping[str, Any], resource: str) -> tuple[Key, str]:
    customised = settings.get("CustomizedMetricSpecification")
    if customised is not None:
        named = key_of(customised["Namespace"], customised["MetricName"], customised.get("Dimensions", []))
        return named, customised["Statistic"]
    kind = settings["PredefinedMetricSpecification"]["PredefinedMetricType"]
    parts = resource.split("/")
    names = ("InferenceComponentName",) if parts[0] == "inference-component" else ("EndpointName", "VariantName")
    values = (parts[1],) if len(names) == 1 else (parts[1], parts[3])
    dimensions = [{"Name": name, "Value": value} for name, value in zip(names, values, strict=True)]
    return key_of("AWS/SageMaker", _PREDEFINED.get(kind, kind), dimensions), "Maximum"
