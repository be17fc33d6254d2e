"""Asynchronous endpoints from no machine to several and back, minute by minute, with real containers and calls."""

import itertools
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.support.sagemaker_bench import Bench, until, variant

TARGET = 8
OUTPUT = {"S3OutputPath": "s3://models/out", "S3FailurePath": "s3://models/failed"}


class Sleeper:
    """An asynchronous endpoint that scales from 0 to 5, whose calls take until they are let go."""

    def __init__(self, bench: Bench, folder: Path, **settings: Any) -> None:
        self.bench, self.folder, self.sent = bench, folder, 0
        config = {"OutputConfig": OUTPUT, "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 4}, **settings}
        self.name = bench.create_endpoint(
            bench.create_config(variant(bench.create_model()), AsyncInferenceConfig=config)
        )
        self.resource = f"endpoint/{self.name}/variant/main"
        self.outputs: list[str] = []
        scaling, cloudwatch = bench.connect("application-autoscaling"), bench.connect("cloudwatch")
        target = {
            "ServiceNamespace": "sagemaker",
            "ResourceId": self.resource,
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        }
        scaling.register_scalable_target(**target, MinCapacity=0, MaxCapacity=5)
        metric = {
            "Namespace": "AWS/SageMaker",
            "MetricName": "ApproximateBacklogSizePerInstance",
            "Dimensions": [{"Name": "EndpointName", "Value": self.name}],
            "Statistic": "Average",
        }
        scaling.put_scaling_policy(
            **target,
            PolicyName="backlog",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": TARGET,
                "ScaleOutCooldown": 30,
                "ScaleInCooldown": 120,
                "CustomizedMetricSpecification": metric,
            },
        )
        first = scaling.put_scaling_policy(
            **target,
            PolicyName="first",
            PolicyType="StepScaling",
            StepScalingPolicyConfiguration={
                "AdjustmentType": "ChangeInCapacity",
                "Cooldown": 300,
                "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
            },
        )["PolicyARN"]
        cloudwatch.put_metric_alarm(
            AlarmName=f"{self.name}-first",
            Namespace="AWS/SageMaker",
            MetricName="HasBacklogWithoutCapacity",
            Dimensions=metric["Dimensions"],
            Statistic="Average",
            Period=60,
            EvaluationPeriods=2,
            DatapointsToAlarm=2,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",
            AlarmActions=[first],
        )

    @property
    def machines(self) -> int:
        (one,) = self.bench.sagemaker.describe_endpoint(EndpointName=self.name)["ProductionVariants"]
        assert one["CurrentInstanceCount"] == one["DesiredInstanceCount"]
        count: int = one["CurrentInstanceCount"]
        return count

    def pids(self) -> list[int]:
        fleet = self.bench.aws.scaling._hosting.store("us-east-1").endpoints[self.name].fleet
        assert fleet is not None
        return [each.container.pid or 0 for each in fleet.variants.values() if each.container is not None]

    def send(self, count: int, **more: Any) -> list[dict[str, Any]]:
        answers = []
        for _ in range(count):
            wish = {"until_file": str(self.folder / str(self.sent)), "echo": self.sent}
            self.sent += 1
            answers.append(
                self.bench.runtime.invoke_endpoint_async(EndpointName=self.name, Body=json.dumps(wish).encode(), **more)
            )
            self.outputs.append(answers[-1]["OutputLocation"].removeprefix("s3://models/"))
        return answers

    def let_go(self, first: int, end: int) -> None:
        """Let calls be answered, and wait until they are."""
        for number in range(first, end):
            (self.folder / str(number)).touch()
        until(lambda: all(self.answered(number) for number in range(first, end)))
        endpoint = self.bench.aws.scaling._hosting.store("us-east-1").endpoints[self.name]
        left = self.sent - sum((self.folder / str(number)).exists() for number in range(self.sent))
        until(lambda: endpoint.queue is not None and len(endpoint.queue) == left)

    def answered(self, number: int) -> bool:
        found = self.bench.s3.list_objects_v2(Bucket="models", Prefix=self.outputs[number])
        return bool(found["KeyCount"])

    def sleep(self) -> None:
        """Have the last machine go."""
        for _ in range(40):
            if self.machines == 0:
                return
            self.bench.aws.scaling.minute()
        raise AssertionError("it does not go to none")


@pytest.fixture
def sleeper(bench: Bench, tmp_path: Path) -> Any:
    made = Sleeper(bench, tmp_path)
    yield made
    for number in range(made.sent):
        (tmp_path / str(number)).touch()
    bench.delete(made.name)


def values(bench: Bench, name: str, endpoint: str) -> list[float]:
    """What was put of a metric, in its order, by whatever dimensions it has."""
    from moto.cloudwatch.models import cloudwatch_backends

    data = cloudwatch_backends["123456789012"]["us-east-1"].metric_data
    return [one.value for one in data if one.name == name and endpoint in {each.value for each in one.dimensions}]


def test_from_none_to_several_and_back_and_awake_again(bench: Bench, sleeper: Sleeper) -> None:
    sleeper.sleep()
    assert sleeper.pids() == []  # no process runs
    sleeper.send(40)
    course = []
    for minute in range(8):
        bench.aws.scaling.minute()
        course.append(sleeper.machines)
        if minute == 5:
            sleeper.let_go(0, 20)
    # two minutes until the alarm, one machine, then in proportion to the backlog of each: 40 / 8
    assert course[:4] == [0, 1, 5, 5]
    assert len(sleeper.pids()) == 1
    assert max(values(bench, "ApproximateBacklogSize", sleeper.name)) == 40
    assert 1 in values(bench, "HasBacklogWithoutCapacity", sleeper.name)
    assert max(values(bench, "ApproximateAgeOfOldestRequest", sleeper.name)) >= 7 * 60
    sleeper.let_go(20, 40)
    assert len(values(bench, "TimeInBacklog", sleeper.name)) == 40
    counts = []
    while sleeper.machines:
        bench.aws.scaling.minute()
        counts.append(sleeper.machines)
        assert len(counts) < 60
    assert counts.count(5) == 12  # with the two before, and the one that takes a machine away, a quarter of an hour
    assert all(before - after in (0, 1) for before, after in itertools.pairwise(counts))
    assert all(counts.count(number) == 2 for number in (4, 3, 2, 1))  # the cooldown of two minutes between
    assert sleeper.pids() == []

    sleeper.send(1)
    course = []
    for _ in range(2):
        bench.aws.scaling.minute()
        course.append(sleeper.machines)
    assert course == [0, 1]
    sleeper.let_go(40, 41)
    told = bench.connect("application-autoscaling").describe_scaling_activities(
        ServiceNamespace="sagemaker", ResourceId=sleeper.resource
    )["ScalingActivities"]
    assert told[0]["Description"] == "Setting desired instance count to 1."
    assert "HasBacklog" not in told[0]["Cause"]
    assert "-first in state ALARM" in told[0]["Cause"]
    assert {one["StatusCode"] for one in told} == {"Successful"}


def test_a_minute_over_http(bench: Bench, sleeper: Sleeper) -> None:
    minute = urllib.request.Request(f"{bench.aws.url}/_local/scaling/minute", method="POST")
    with urllib.request.urlopen(minute) as answer:
        first = json.load(answer)
    with urllib.request.urlopen(minute) as answer:
        assert json.load(answer)["minute"] == first["minute"] + 1
    with pytest.raises(urllib.error.HTTPError, match="405") as refused:
        urllib.request.urlopen(f"{bench.aws.url}/_local/scaling/minute")
    refused.value.close()


def test_who_waits_too_long_fails_and_is_told(bench: Bench, sleeper: Sleeper) -> None:
    sleeper.sleep()
    (answer, _) = (*sleeper.send(1, RequestTTLSeconds=120), *sleeper.send(1, RequestTTLSeconds=3600))
    bench.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=sleeper.name, DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredInstanceCount": 0}]
    )
    bench.wait(sleeper.name, "InService")
    bench.connect("application-autoscaling").deregister_scalable_target(
        ServiceNamespace="sagemaker",
        ResourceId=sleeper.resource,
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
    )
    for _ in range(3):
        bench.aws.scaling.minute()
    key = answer["FailureLocation"].removeprefix("s3://models/")
    assert b"not processed within 120 seconds" in bench.s3.get_object(Bucket="models", Key=key)["Body"].read()
    assert values(bench, "ExpiredRequests", sleeper.name) == [1]
    assert values(bench, "ApproximateBacklogSize", sleeper.name)[-1] == 1  # the other waits on


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"InvocationTimeoutSeconds": 3601}, "invocationTimeoutSeconds"),
        ({"RequestTTLSeconds": 59}, "requestTTLSeconds"),
        ({"RequestTTLSeconds": 21_601}, "from 60 to 21600"),
    ],
)
def test_time_limits_are_those_of_the_service(bench: Bench, sleeper: Sleeper, wish: dict[str, int], words: str) -> None:
    runtime = bench.connect("sagemaker-runtime", config=Config(parameter_validation=False))  # botocore would refuse it
    with pytest.raises(ClientError, match=words):
        runtime.invoke_endpoint_async(EndpointName=sleeper.name, Body=b"{}", **wish)


def test_a_call_that_takes_too_long_fails(bench: Bench, sleeper: Sleeper) -> None:
    (answer,) = sleeper.send(1, InvocationTimeoutSeconds=1)
    key = answer["FailureLocation"].removeprefix("s3://models/")
    until(lambda: bench.s3.list_objects_v2(Bucket="models", Prefix=key)["KeyCount"])
    assert b"timed out" in bench.s3.get_object(Bucket="models", Key=key)["Body"].read()
    assert values(bench, "InvocationFailures", sleeper.name) == [1]


def test_real_time_endpoints_do_not_go_to_none(bench: Bench, endpoint: str) -> None:
    with pytest.raises(ClientError, match="only asynchronous endpoints"):
        bench.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=endpoint, DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredInstanceCount": 0}]
        )


def test_an_endpoint_that_sleeps_is_updated_and_sleeps_on(bench: Bench, sleeper: Sleeper) -> None:
    sleeper.sleep()
    config = {"OutputConfig": OUTPUT}
    bench.sagemaker.update_endpoint(
        EndpointName=sleeper.name,
        EndpointConfigName=bench.create_config(variant(bench.create_model()), AsyncInferenceConfig=config),
        RetainAllVariantProperties=True,
    )
    bench.wait(sleeper.name, "InService")
    assert (sleeper.machines, sleeper.pids()) == (0, [])
    sleeper.send(1)
    bench.aws.scaling.minute()
    bench.aws.scaling.minute()
    sleeper.let_go(0, 1)
