"""CloudWatch's alarms over simulated minutes: periods, data points, missing data, and who is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_aws.server import LocalAws
from local_aws.settings import Settings

REGION = "us-east-1"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with LocalAws(Settings(state_folder=tmp_path_factory.mktemp("aws"))) as running:
        running.client("sagemaker", REGION).list_endpoints()  # a region is there once it was asked
        yield running


def play(aws: LocalAws, name: str, minutes: list[list[float] | None], **settings: Any) -> list[str]:
    """Return an alarm's state after each minute, in which the metric had these values."""
    cloudwatch = aws.client("cloudwatch", REGION)
    rule = {
        "Namespace": "Mine",
        "MetricName": name,
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 10,
        "ComparisonOperator": "GreaterThanThreshold",
        **settings,
    }
    if "ExtendedStatistic" in rule:
        del rule["Statistic"]
    cloudwatch.put_metric_alarm(AlarmName=name, **rule)
    states = []
    for values in minutes:
        for value in values or []:
            cloudwatch.put_metric_data(Namespace="Mine", MetricData=[{"MetricName": name, "Value": value}])
        aws.scaling.minute()
        states.append(cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"])
    return states


@pytest.mark.parametrize(
    ("name", "minutes", "settings", "expected"),
    [
        ("average", [[20], [5, 10], [12]], {}, ["ALARM", "OK", "ALARM"]),
        ("at", [[10], [9]], {"ComparisonOperator": "GreaterThanOrEqualToThreshold"}, ["ALARM", "OK"]),
        ("sum", [[4, 7], [4]], {"Statistic": "Sum"}, ["ALARM", "OK"]),
        ("least", [[4, 70]], {"Statistic": "Minimum"}, ["OK"]),
        ("count", [[1] * 11], {"Statistic": "SampleCount"}, ["ALARM"]),
        ("quantile", [[1] * 98 + [20] * 2, [1] * 100], {"ExtendedStatistic": "p99"}, ["ALARM", "OK"]),
        ("two", [[20], [20], [1]], {"EvaluationPeriods": 2}, ["OK", "ALARM", "OK"]),
        ("two of three", [[20], [1], [20], [1]], {"EvaluationPeriods": 3, "DatapointsToAlarm": 2},
         ["OK", "OK", "ALARM", "OK"]),
        ("long", [[20], [2], [30]], {"Period": 180, "Statistic": "Sum", "Threshold": 50}, ["OK", "OK", "ALARM"]),
        ("absent", [[20], None], {}, ["ALARM", "INSUFFICIENT_DATA"]),
        ("quiet", [[20], None], {"TreatMissingData": "notBreaching"}, ["ALARM", "OK"]),
        ("silent", [[1], None], {"TreatMissingData": "breaching"}, ["OK", "ALARM"]),
        ("kept", [[20], None, [1]], {"TreatMissingData": "ignore"}, ["ALARM", "ALARM", "OK"]),
    ],
)  # fmt: skip
def test_a_state_follows_from_the_minutes(
    aws: LocalAws, name: str, minutes: list[list[float] | None], settings: dict[str, Any], expected: list[str]
) -> None:
    assert play(aws, name, minutes, **settings) == expected


def test_topics_are_told_of_changes_alone(aws: LocalAws, tmp_path: Path) -> None:
    sns, sqs = aws.client("sns", REGION), aws.client("sqs", REGION)
    queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    play(aws, "told", [[20], [30], [1]], AlarmActions=[topic], OKActions=[topic], AlarmDescription="see the runbook")
    told = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        told += [json.loads(json.loads(one["Body"])["Message"]) for one in messages]
        for one in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])
    assert sorted(one["NewStateValue"] for one in told) == ["ALARM", "OK"]
    assert told[0]["AlarmDescription"] == "see the runbook"


def test_what_nobody_counts_is_left_as_it_is(aws: LocalAws) -> None:
    assert play(aws, "never", [None, None], TreatMissingData="breaching") == ["OK", "OK"]
