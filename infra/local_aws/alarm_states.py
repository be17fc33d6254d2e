"""CloudWatch's alarms, evaluated once a simulated minute over what metrics had in the minutes before.

An alarm on one metric is evaluated from the minute in which the metric first had a value; alarms on expressions, and on
metrics that nobody counts here, stay as they are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from moto.cloudwatch.models import MetricDatum, cloudwatch_backends

from local_aws.settings import ACCOUNT

Key = tuple[str, str, frozenset[tuple[str, str]]]
"""A metric: namespace, name, dimensions."""

_MINUTE_S: Final = 60
_COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "GreaterThanThreshold": lambda value, limit: value > limit,
    "GreaterThanOrEqualToThreshold": lambda value, limit: value >= limit,
    "LessThanThreshold": lambda value, limit: value < limit,
    "LessThanOrEqualToThreshold": lambda value, limit: value <= limit,
}


def key_of(namespace: str, name: str, dimensions: Sequence[Mapping[str, Any]]) -> Key:
    """Return what names a metric, by the dimensions of a request or an answer."""
    return namespace, name, frozenset((one["Name"], one["Value"]) for one in dimensions)


class Minutes:
    """What each metric of a region had in each simulated minute; what was put between two is the later's."""

    def __init__(self, region: str) -> None:
        self._data = cloudwatch_backends[ACCOUNT][region].metric_data
        self._seen = 0
        self._minutes: list[dict[Key, list[float]]] = []
        self.known: set[Key] = set()

    def end(self) -> None:
        """End a minute: what was put since the last one is its."""
        new = self._data[self._seen :]
        self._seen += len(new)
        minute: dict[Key, list[float]] = {}
        for datum in new:
            if isinstance(datum, MetricDatum):
                dimensions = [{"Name": one.name, "Value": one.value} for one in datum.dimensions]
                minute.setdefault(key_of(datum.namespace, datum.name, dimensions), []).append(float(datum.value))
        self.known |= minute.keys()
        self._minutes.append(minute)

    def statistics(self, key: Key, statistic: str, minutes: int, periods: int) -> list[float | None]:
        """Return a statistic of the last periods of so many minutes each, the latest first; ``None`` without data."""
        values = []
        for number in range(periods):
            end = len(self._minutes) - number * minutes
            window = self._minutes[max(0, end - minutes) : max(0, end)]
            data = [value for minute in window for value in minute.get(key, ())]
            values.append(_statistic(statistic, data) if data else None)
        return values


def _statistic(name: str, data: Sequence[float]) -> float:
    if name.startswith("p"):
        return sorted(data)[max(0, math.ceil(float(name[1:]) / 100 * len(data)) - 1)]
    return {
        "Average": sum(data) / len(data),
        "Sum": sum(data),
        "Minimum": min(data),
        "Maximum": max(data),
        "SampleCount": float(len(data)),
    }[name]


def evaluate_alarms(client: Callable[[str], Any], minutes: Minutes) -> list[tuple[dict[str, Any], float]]:
    """Bring the alarms up to date, tell their topics, and return those that ring, with their metric's latest value."""
    cloudwatch, ringing = client("cloudwatch"), []
    for page in cloudwatch.get_paginator("describe_alarms").paginate():
        for alarm in page["MetricAlarms"]:
            if "MetricName" not in alarm:
                continue
            key = key_of(alarm["Namespace"], alarm["MetricName"], alarm.get("Dimensions", []))
            if key not in minutes.known:
                continue
            values = _values(alarm, minutes, key)
            state = _state(alarm, values)
            if state != alarm["StateValue"]:
                _change(client, alarm, state, values)
            if state == "ALARM" and alarm.get("ActionsEnabled", True):
                ringing.append((alarm, next(value for value in [*values, 0.0] if value is not None)))
    return ringing


def _values(alarm: Mapping[str, Any], minutes: Minutes, key: Key) -> list[float | None]:
    length = max(1, math.ceil(alarm["Period"] / _MINUTE_S))
    statistic = alarm.get("Statistic") or alarm["ExtendedStatistic"]
    return minutes.statistics(key, statistic, length, alarm["EvaluationPeriods"])


def _state(alarm: Mapping[str, Any], values: Sequence[float | None]) -> str:
    """Say what state the last periods make; ``ignore`` keeps the state where data is missing.

    **Source**: docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html, without the extra
    data points that CloudWatch looks back for.
    """
    missing = alarm.get("TreatMissingData", "missing")
    needed = alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"]
    breaches = _COMPARISONS[alarm["ComparisonOperator"]]
    found = [breaches(value, alarm["Threshold"]) for value in values if value is not None]
    absent = len(values) - len(found)
    if absent and missing == "ignore":
        return str(alarm["StateValue"])
    if not found and missing == "missing":
        return "INSUFFICIENT_DATA"
    return "ALARM" if sum(found) + (absent if missing == "breaching" else 0) >= needed else "OK"


def _change(client: Callable[[str], Any], alarm: Mapping[str, Any], state: str, values: Sequence[float | None]) -> None:
    reason = f"Threshold Crossed: the last data points were {list(values)}, the threshold is {alarm['Threshold']}."
    client("cloudwatch").set_alarm_state(AlarmName=alarm["AlarmName"], StateValue=state, StateReason=reason)
    actions = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}[state]
    message = {
        "AlarmName": alarm["AlarmName"],
        "AlarmDescription": alarm.get("AlarmDescription", ""),
        "NewStateValue": state,
        "OldStateValue": alarm["StateValue"],
        "NewStateReason": reason,
    }
    for action in alarm.get(actions, ()) if alarm.get("ActionsEnabled", True) else ():
        if ":sns:" in action:
            client("sns").publish(
                TopicArn=action, Subject=f"{state}: {alarm['AlarmName']}", Message=json.dumps(message)
            )
