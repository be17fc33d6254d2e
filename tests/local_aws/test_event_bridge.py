"""EventBridge: what happens in S3 and Step Functions starts state machines; schedules fire when told to."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.flows import ROLE, Flows

from local_aws.errors import LocalAwsError
from local_aws.event_bridge.expressions import check_expression
from local_aws.event_bridge.inputs import fill
from local_aws.server import LocalAws
from local_aws.settings import Settings

SAY = {"Say": {"Type": "Pass", "End": True}}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    settings = Settings(state_folder=tmp_path_factory.mktemp("state"))
    with LocalAws(settings, ["local_aws.step_functions", "local_aws.event_bridge"]) as local:
        yield local


class Events(Flows):
    """Rules, a bucket that tells of its objects, and what reaches state machines."""

    def __init__(self, aws: LocalAws) -> None:
        super().__init__(aws)
        self.events, self.s3 = aws.client("events", "us-east-1"), aws.client("s3", "us-east-1")
        self.scheduler = aws.client("scheduler", "us-east-1")
        self.bucket = f"told-{uuid.uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )

    def rule(self, pattern: dict[str, Any], arn: str, **target: Any) -> str:
        name = f"rule-{uuid.uuid4().hex[:12]}"
        self.events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        self.events.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": arn, "RoleArn": ROLE, **target}])
        return name

    def inputs(self, machine: str, count: int) -> list[Any]:
        """Wait for so many executions, and return their inputs in the order of their starts."""
        deadline = time.monotonic() + 60
        while len(found := self.api.list_executions(stateMachineArn=machine)["executions"]) < count:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return [json.loads(self.finish(one["executionArn"])["input"]) for one in reversed(found)]


@pytest.fixture
def events(aws: LocalAws) -> Events:
    return Events(aws)


def created(bucket: str, *key: Any) -> dict[str, Any]:
    detail = {"bucket": {"name": [bucket]}, "object": {"key": list(key)}}
    return {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}


def test_objects_that_are_made_start_an_execution(events: Events) -> None:
    machine = events.make(SAY)
    events.rule(created(events.bucket, {"wildcard": "data/*/_SUCCESS"}), machine)
    events.s3.put_object(Bucket=events.bucket, Key="data/day/part-0", Body=b"not this one")
    answer = events.s3.put_object(Bucket=events.bucket, Key="data/day/_SUCCESS", Body=b"four")
    events.s3.copy_object(Bucket=events.bucket, Key="data/b/_SUCCESS", CopySource=f"{events.bucket}/data/day/_SUCCESS")
    upload = {"Bucket": events.bucket, "Key": "data/c/_SUCCESS"}
    number = events.s3.create_multipart_upload(**upload)["UploadId"]
    part = events.s3.upload_part(**upload, UploadId=number, PartNumber=1, Body=b"five!")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    events.s3.complete_multipart_upload(**upload, UploadId=number, MultipartUpload=parts)
    put, copied, completed = events.inputs(machine, 3)
    assert put["detail"]["bucket"] == {"name": events.bucket}
    assert {name: put["detail"]["object"][name] for name in ("key", "size", "etag")} == {
        "key": "data/day/_SUCCESS",
        "size": 4,
        "etag": answer["ETag"].strip('"'),
    }
    assert put["resources"] == [f"arn:aws:s3:::{events.bucket}"]
    assert put["time"].endswith("Z")
    reasons = [event["detail"]["reason"] for event in (put, copied, completed)]
    assert reasons == ["PutObject", "CopyObject", "CompleteMultipartUpload"]
    assert completed["detail"]["object"]["size"] == 5


def test_a_bucket_that_does_not_tell_starts_nothing(events: Events) -> None:
    machine = events.make(SAY)
    events.rule(created(events.bucket, "key"), machine)
    events.s3.put_bucket_notification_configuration(Bucket=events.bucket, NotificationConfiguration={})
    events.s3.put_object(Bucket=events.bucket, Key="key")
    _tell(events, machine)
    assert events.inputs(machine, 1) == [{"last": True}]


def _tell(events: Events, machine: str) -> None:
    """Send what comes after everything that was sent before."""
    events.rule({"source": ["test"]}, machine, Input='{"last": true}')
    events.events.put_events(Entries=[{"Source": "test", "DetailType": "end", "Detail": "{}"}])


def test_a_transformer_writes_the_input(events: Events) -> None:
    machine = events.make(SAY)
    transformer = {
        "InputPathsMap": {"bucket": "$.detail.bucket.name", "key": "$.detail.object.key", "at": "$.detail.object"},
        "InputTemplate": '{"success_file": {"bucket": <bucket>, "key": <key>}, "note": "made <key>", "size": <at>}',
    }
    events.rule(created(events.bucket, {"suffix": "done"}), machine, InputTransformer=transformer)
    events.s3.put_object(Bucket=events.bucket, Key='a "b"/done', Body=b"x")
    (found,) = events.inputs(machine, 1)
    assert found["success_file"] == {"bucket": events.bucket, "key": 'a "b"/done'}
    assert found["note"] == 'made a "b"/done'
    assert found["size"]["size"] == 1


def test_the_end_of_an_execution_is_told_to_a_topic(events: Events) -> None:
    sns, sqs = events.aws.client("sns", "us-east-1"), events.aws.client("sqs", "us-east-1")
    topic, queue = sns.create_topic(Name="ends")["TopicArn"], sqs.create_queue(QueueName="ends")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:123456789012:ends"
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    machine = events.make({"No": {"Type": "Fail", "Error": "Bad", "Cause": "it is"}})
    detail = {"status": ["FAILED"], "stateMachineArn": [machine]}
    events.rule({"source": ["aws.states"], "detail": detail}, topic)
    execution = events.start(machine)
    deadline = time.monotonic() + 60
    while not (messages := sqs.receive_message(QueueUrl=queue).get("Messages")):
        assert time.monotonic() < deadline
    event = json.loads(messages[0]["Body"])
    assert event["detail-type"] == "Step Functions Execution Status Change"
    assert (event["detail"]["executionArn"], event["detail"]["error"]) == (execution, "Bad")


def test_a_disabled_rule_and_a_rule_of_a_schedule_take_nothing(events: Events) -> None:
    machine = events.make(SAY)
    events.events.disable_rule(Name=events.rule({"source": ["test"]}, machine))
    name = f"scheduled-{uuid.uuid4().hex[:8]}"
    events.events.put_rule(Name=name, ScheduleExpression="rate(5 minutes)")
    events.events.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": machine, "RoleArn": ROLE}])
    _tell(events, machine)
    assert events.inputs(machine, 1) == [{"last": True}]


def test_a_target_that_nothing_reaches_is_refused(events: Events) -> None:
    with pytest.raises(ClientError, match="delivers to state machines, topics, queues and functions"):
        events.rule({"source": ["test"]}, "arn:aws:ecs:us-east-1:123456789012:cluster/some")


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ('{"a": <x>}', '{"a": "a \\"b\\""}'),
        ('{"a": "is <x>"}', '{"a": "is a \\"b\\""}'),
        ('{"a": "\\"<x>\\""}', '{"a": "\\"a \\"b\\"\\""}'),
        ('{"a": <n>, "b": "<n>"}', '{"a": 7, "b": "7"}'),
        ('"<x>"', '"a \\"b\\""'),
    ],
)
def test_templates_are_filled_by_where_the_place_is(template: str, filled: str) -> None:
    assert fill(template, {"x": 'a "b"', "n": 7}) == filled


# --- schedules


def schedule(events: Events, machine: str, expression: str = "cron(0 3 * * ? *)", **target: Any) -> str:
    name = f"schedule-{uuid.uuid4().hex[:12]}"
    events.scheduler.create_schedule(
        Name=name,
        ScheduleExpression=expression,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": machine, "RoleArn": ROLE, **target},
    )
    return name


def test_a_schedule_fires_when_it_is_told_to(events: Events) -> None:
    machine = events.make(SAY)
    given = {"dataset": "s3://data/today/", "at": "<aws.scheduler.scheduled-time>"}
    name = schedule(events, machine, Input=json.dumps(given))
    fired = events.aws.schedules.fire(name)
    events.finish(fired["executionArn"])
    request = urllib.request.Request(f"{events.aws.url}/_local/schedules/{name}", method="POST")
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["executionArn"].startswith(machine.replace(":stateMachine:", ":execution:"))
    first, second = events.inputs(machine, 2)
    assert first["dataset"] == second["dataset"] == "s3://data/today/"
    assert first["at"].endswith("Z")


def test_a_schedule_without_input_gives_its_event(events: Events) -> None:
    machine = events.make(SAY)
    events.aws.schedules.fire(schedule(events, machine))
    (event,) = events.inputs(machine, 1)
    assert (event["source"], event["detail-type"]) == ("aws.scheduler", "Scheduled Event")


def test_a_schedule_that_is_not_there_or_off_is_told(events: Events) -> None:
    with pytest.raises(LocalAwsError, match="there is no schedule"):
        events.aws.schedules.fire("absent")
    request = urllib.request.Request(f"{events.aws.url}/_local/schedules/absent", method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    with refused.value as answer:
        assert "there is no schedule" in json.load(answer)["message"]
    machine = events.make(SAY)
    name = schedule(events, machine)
    events.scheduler.update_schedule(
        Name=name,
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": machine, "RoleArn": ROLE},
        State="DISABLED",
    )
    with pytest.raises(LocalAwsError, match="is DISABLED"):
        events.aws.schedules.fire(name)


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 hour)",
        "rate(15 minutes)",
        "at(2030-01-31T12:00:00)",
        "cron(0/15 * ? * MON-FRI *)",
        "cron(0 3 L JAN,JUL ? 2026-2030)",
        "cron(5 0 ? * 2#1 *)",
    ],
)
def test_expressions_that_are_right_pass(expression: str) -> None:
    check_expression(expression)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("rate(0 hours)", "it is none of"),
        ("rate(1 week)", "it is none of"),
        ("every day", "it is none of"),
        ("at(2030-02-31T12:00:00)", "day is out of range"),
        ("cron(0 3 * * *)", "6 fields, not 5"),
        ("cron(0 3 * * * *)", "not both|is \\?"),
        ("cron(60 3 * * ? *)", "'60' is no minutes"),
        ("cron(0 3 ? * ? *)", "not both"),
    ],
)
def test_expressions_that_are_wrong_are_refused(events: Events, expression: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_expression(expression)
    with pytest.raises(events.scheduler.exceptions.ValidationException, match="Invalid Schedule Expression"):
        schedule(events, "arn:aws:states:us-east-1:123456789012:stateMachine:any", expression)
