"""What is watched and who is told: logs, alarms, dashboards and topics."""

# ruff: noqa: ARG002  # the methods of every kind take the same
from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from local_aws.cloudformation.kinds.base import Calls, Kind, Physical, Properties, Written, changed_tags, only, without
from local_aws.settings import ACCOUNT


def _as_map(tags: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


class LogGroup(Kind):
    """A log group."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the group."""
        name = properties.get("LogGroupName") or calls.name(512)
        request = {**only(properties, "KmsKeyId", "LogGroupClass"), "LogGroupName": name}
        tags = _as_map(properties.get("Tags", ()))
        calls("logs", "CreateLogGroup", {**request, **({"tags": tags} if tags else {})})
        return Physical(name, {"Arn": f"arn:aws:logs:{calls.region}:{ACCOUNT}:log-group:{name}:*"})

    def set_up(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Set how long it keeps what is written."""
        self._retain(calls, physical.id, properties)

    def _retain(self, calls: Calls, name: str, properties: Properties) -> None:
        if "RetentionInDays" in properties:
            request = {"LogGroupName": name, **only(properties, "RetentionInDays")}
            calls("logs", "PutRetentionPolicy", request)
        else:
            calls.delete("logs", "DeleteRetentionPolicy", logGroupName=name)

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Set what has changed."""
        self._retain(calls, physical.id, after)
        if before.get("KmsKeyId") != after.get("KmsKeyId"):
            if "KmsKeyId" in after:
                calls("logs", "AssociateKmsKey", {"LogGroupName": physical.id, **only(after, "KmsKeyId")})
            else:
                calls("logs", "DisassociateKmsKey", {"LogGroupName": physical.id})
        put, removed = changed_tags(before, after)
        arn = {"resourceArn": physical.attributes["Arn"].removesuffix(":*")}
        if put:
            calls("logs", "TagResource", {**arn, "tags": _as_map(put)})
        if removed:
            calls("logs", "UntagResource", {**arn, "tagKeys": removed})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the group with what is in it."""
        calls.delete("logs", "DeleteLogGroup", logGroupName=physical.id)


class MetricFilter(Kind):
    """A filter that makes a metric of a log group's lines. Nothing here evaluates it."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Put the filter."""
        name = properties.get("FilterName") or calls.name(512)
        calls("logs", "PutMetricFilter", {**properties, "FilterName": name})
        return Physical(name)

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Put the filter again; moto would keep the old one beside it."""
        self.delete(calls, physical, before)
        calls("logs", "PutMetricFilter", {**after, "FilterName": physical.id})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the filter."""
        calls.delete("logs", "DeleteMetricFilter", filterName=physical.id, logGroupName=properties["LogGroupName"])


class Alarm(Kind):
    """An alarm on a metric, or on an expression of several."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Put the alarm."""
        name = properties.get("AlarmName") or calls.name(255)
        calls("cloudwatch", "PutMetricAlarm", {**properties, "AlarmName": name})
        return Physical(name, {"Arn": f"arn:aws:cloudwatch:{calls.region}:{ACCOUNT}:alarm:{name}"})

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Put the alarm again."""
        calls("cloudwatch", "PutMetricAlarm", {**without(after, "Tags"), "AlarmName": physical.id})
        put, removed = changed_tags(before, after)
        arn = {"ResourceARN": physical.attributes["Arn"]}
        if put:
            calls("cloudwatch", "TagResource", {**arn, "Tags": put})
        if removed:
            calls("cloudwatch", "UntagResource", {**arn, "TagKeys": removed})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the alarm."""
        calls.delete("cloudwatch", "DeleteAlarms", AlarmNames=[physical.id])


class Dashboard(Kind):
    """A dashboard."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Put the dashboard."""
        name = properties.get("DashboardName") or calls.name(255)
        calls("cloudwatch", "PutDashboard", {**properties, "DashboardName": name})
        return Physical(name)

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Put the dashboard again."""
        calls("cloudwatch", "PutDashboard", {**after, "DashboardName": physical.id})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the dashboard."""
        calls.delete("cloudwatch", "DeleteDashboards", DashboardNames=[physical.id])


class Topic(Kind):
    """A topic."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the topic."""
        name = properties.get("TopicName") or calls.name(256)
        request = {"Name": name, **only(properties, "Tags"), "Attributes": self._attributes(properties)}
        arn = calls("sns", "CreateTopic", request)["TopicArn"]
        return Physical(arn, {"TopicArn": arn, "TopicName": name})

    def _attributes(self, properties: Mapping[str, Any]) -> dict[str, str]:
        return only(properties, "DisplayName", "KmsMasterKeyId")

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Set what has changed."""
        old, new = self._attributes(before), self._attributes(after)
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                request = {"TopicArn": physical.id, "AttributeName": name, "AttributeValue": new.get(name, "")}
                calls("sns", "SetTopicAttributes", request)
        put, removed = changed_tags(before, after)
        if put:
            calls("sns", "TagResource", {"ResourceArn": physical.id, "Tags": put})
        if removed:
            calls("sns", "UntagResource", {"ResourceArn": physical.id, "TagKeys": removed})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the topic."""
        calls.delete("sns", "DeleteTopic", TopicArn=physical.id)


class TopicPolicy(Written):
    """A policy of topics."""

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Put it on each topic."""
        for topic in after["Topics"]:
            policy = json.dumps(after["PolicyDocument"])
            request = {"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": policy}
            calls("sns", "SetTopicAttributes", request)


class Subscription(Kind):
    """Someone who is told of a topic."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Subscribe."""
        request = {
            **only(properties, "Endpoint", "Protocol", "TopicArn"),
            "Attributes": only(properties, "FilterPolicy", "RawMessageDelivery"),
            "ReturnSubscriptionArn": True,
        }
        arn = calls("sns", "Subscribe", request)["SubscriptionArn"]
        return Physical(arn, {"Arn": arn})

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Set what has changed."""
        for name, value in only(after, "FilterPolicy", "RawMessageDelivery").items():
            request = {"SubscriptionArn": physical.id, "AttributeName": name, "AttributeValue": value}
            calls("sns", "SetSubscriptionAttributes", request)

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Unsubscribe."""
        calls.delete("sns", "Unsubscribe", SubscriptionArn=physical.id)
