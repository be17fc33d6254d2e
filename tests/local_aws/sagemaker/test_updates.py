"""UpdateEndpoint: blue/green in all its ways, without a failed call."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.sagemaker_bench import Bench, until, variant

from local_aws.sagemaker.deployment import traffic_steps

PERCENT = {"Type": "CAPACITY_PERCENT", "Value": 30}


def blue_green(kind: str, wait_s: int = 0, **more: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": wait_s, **more}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 60}}


@pytest.mark.parametrize(
    ("config", "shares"),
    [
        ({}, [1.0]),
        (blue_green("ALL_AT_ONCE", 5), [1.0]),
        (blue_green("CANARY", 5, CanarySize=PERCENT), [0.3, 1.0]),
        (blue_green("CANARY", 5, CanarySize={"Type": "INSTANCE_COUNT", "Value": 1}), [0.25, 1.0]),
        (blue_green("LINEAR", 5, LinearStepSize=PERCENT), [0.3, 0.6, 0.9, 1.0]),
        ({"RollingUpdatePolicy": {"MaximumBatchSize": PERCENT, "WaitIntervalInSeconds": 5}}, [0.3, 0.6, 0.9, 1.0]),
    ],
)
def test_traffic_goes_over_in_the_steps_that_were_asked_for(config: dict[str, Any], shares: list[float]) -> None:
    steps = list(traffic_steps(config, 4))
    assert [share for share, _ in steps] == pytest.approx(shares)
    assert {wait_s for _, wait_s in steps} == ({5} if config else {0})


class Load:
    """Clients that call an endpoint without pause and remember what came.

    ``late_tags`` came of calls that began after ``mark`` was set, ``tags`` of all.
    """

    def __init__(self, bench: Bench, endpoint: str, clients: int) -> None:
        self.tags: list[str] = []
        self.late_tags: list[str] = []
        self.mark = threading.Event()
        self.failures: list[Exception] = []
        self._bench = bench
        self._endpoint = endpoint
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def _run(self, number: int) -> None:
        while not self._over.is_set():
            late = self.mark.is_set()
            try:
                tag = self._bench.ask(self._endpoint, {"sleep_s": 0.02 * (number % 3)})["tag"]
                self.tags.append(tag)
                if late:
                    self.late_tags.append(tag)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is counted
                self.failures.append(error)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


@contextmanager
def load(bench: Bench, endpoint: str, clients: int = 6) -> Iterator[Load]:
    running = Load(bench, endpoint, clients)
    running.start()
    try:
        until(lambda: len(running.tags) > 2 * clients)
        yield running
        seen = len(running.tags)
        until(lambda: len(running.tags) > seen + 2 * clients)
    finally:
        running.stop()


def put_alarm(bench: Bench, name: str) -> Any:
    """Make an alarm, which is quiet, and return the client."""
    cloudwatch = bench.connect("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        MetricName="Invocation5XXErrors",
        Namespace="AWS/SageMaker",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
    )
    return cloudwatch


def watched(alarm: str) -> dict[str, Any]:
    return {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]}}


def update(bench: Bench, name: str, config: str, **more: Any) -> dict[str, Any]:
    bench.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config, **more)
    assert bench.wait(name, "Updating", "InService")["EndpointConfigName"]
    return bench.wait(name, "InService")


@pytest.mark.parametrize(
    "policy",
    [
        {},
        blue_green("CANARY", 300, CanarySize=PERCENT) | watched("quiet"),
        blue_green("LINEAR", 200, LinearStepSize=PERCENT),
    ],
    ids=["at once", "canary", "linear"],
)
def test_no_call_fails_while_an_endpoint_is_updated(bench: Bench, policy: dict[str, Any]) -> None:
    put_alarm(bench, "quiet")
    name = bench.create_endpoint(bench.simple_config(TAG="old"))
    old = bench.ask(name)["pid"]
    with load(bench, name) as running:
        described = update(bench, name, new := bench.simple_config(TAG="new"), DeploymentConfig=policy)
        running.mark.set()
        until(lambda: len(running.late_tags) > 6)
    assert running.failures == []
    assert "old" in running.tags
    assert set(running.late_tags) == {"new"}
    assert described["EndpointConfigName"] == new
    assert described.get("LastDeploymentConfig", {}) == policy
    assert bench.ask(name)["pid"] != old
    assert not list(bench.aws.settings.state_folder.glob(f"endpoints/*/{name}/1/*/model"))
    bench.delete(name)


def test_a_canary_gets_its_share(bench: Bench) -> None:
    name = bench.create_endpoint(bench.simple_config(TAG="old"))
    with bench.set_to(waiting=1):  # the canary does not end while it is looked at
        bench.sagemaker.update_endpoint(
            EndpointName=name,
            EndpointConfigName=bench.simple_config(TAG="new"),
            DeploymentConfig=blue_green("CANARY", 2000, CanarySize=PERCENT),
        )
        until(lambda: bench.ask(name)["tag"] == "new")
        pending = bench.sagemaker.describe_endpoint(EndpointName=name)
        assert pending["PendingDeploymentSummary"]["ProductionVariants"][0]["VariantName"] == "main"
        with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
            bench.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=pending["EndpointConfigName"])
        seen = Counter(bench.ask(name)["tag"] for _ in range(120))
    assert 16 <= seen["new"] <= 56  # 36 expected, 4 standard deviations of 5
    bench.wait(name, "InService")
    assert bench.ask(name)["tag"] == "new"
    bench.delete(name)


def test_a_fleet_that_does_not_start_leaves_the_old_one_as_it_was(bench: Bench) -> None:
    name = bench.create_endpoint(old := bench.simple_config(TAG="old"))
    with load(bench, name, clients=2) as running:
        described = update(bench, name, bench.simple_config(TINY_START="exit"))
    assert (running.failures, set(running.tags)) == ([], {"old"})
    assert described["EndpointConfigName"] == old
    assert "did not pass the ping health check" in described["FailureReason"]
    described = update(bench, name, bench.simple_config(TAG="better"))
    assert "FailureReason" not in described
    assert bench.ask(name)["tag"] == "better"
    bench.delete(name)


def test_an_alarm_rolls_an_update_back(bench: Bench) -> None:
    cloudwatch = put_alarm(bench, "errors")
    name = bench.create_endpoint(old := bench.simple_config(TAG="old"))
    policy = blue_green("CANARY", 3600, CanarySize=PERCENT) | watched("errors")
    with bench.set_to(waiting=1), load(bench, name, clients=3) as running:
        bench.sagemaker.update_endpoint(
            EndpointName=name, EndpointConfigName=bench.simple_config(TAG="new"), DeploymentConfig=policy
        )
        until(lambda: running.tags.count("new") > 5)
        time.sleep(0.5)  # the alarm is there, and quiet
        assert bench.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Updating"
        cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
        described = bench.wait(name, "InService")
    assert running.failures == []
    assert described["EndpointConfigName"] == old
    assert described["FailureReason"] == "One or more configured alarms went into alarm: errors"
    assert bench.ask(name)["tag"] == "old"
    bench.delete(name)


@pytest.mark.parametrize(
    ("request_", "count", "weight"),
    [
        ({"RetainAllVariantProperties": True}, 4, 0.25),
        (
            {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}],
            },
            4,
            1.0,
        ),
        (
            {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredInstanceCount"}],
            },
            1,
            0.25,
        ),
        ({}, 1, 1.0),
    ],
)
def test_what_autoscaling_has_set_is_kept_if_asked_for(
    bench: Bench, request_: dict[str, Any], count: int, weight: float
) -> None:
    name = bench.create_endpoint(bench.simple_config())
    bench.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name,
        DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredInstanceCount": 4, "DesiredWeight": 0.25}],
    )
    bench.wait(name, "InService")
    (row,) = update(bench, name, bench.simple_config(), **request_)["ProductionVariants"]
    assert (row["CurrentInstanceCount"], row["CurrentWeight"]) == (count, weight)
    bench.delete(name)


@pytest.mark.parametrize("excluded", [False, True])
def test_capture_of_the_new_configuration_holds_where_it_is_excluded(bench: Bench, excluded: bool) -> None:
    def config(percent: int) -> str:
        capture = {
            "EnableCapture": True,
            "InitialSamplingPercentage": percent,
            "DestinationS3Uri": "s3://captured/here",
            "CaptureOptions": [{"CaptureMode": "Input"}],
        }
        return bench.create_config(variant(bench.create_model()), DataCaptureConfig=capture)

    name = bench.create_endpoint(config(10))
    described = update(
        bench,
        name,
        config(70),
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DataCaptureConfig"}] if excluded else [],
    )
    assert described["DataCaptureConfig"]["CurrentSamplingPercentage"] == (70 if excluded else 10)
    bench.delete(name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"InstanceType": "ml.g5.xlarge"}, "Cannot change the instance type of variant .main."),
        ({"name": "other"}, "Cannot remove variant .main."),
    ],
)
def test_the_machine_of_a_scaled_variant_changes_only_without_its_scalable_target(
    bench: Bench, change: dict[str, Any], message: str
) -> None:
    name = bench.create_endpoint(old := bench.simple_config(TAG="old"))
    scaling = bench.connect("application-autoscaling")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{name}/variant/main",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=3)
    new = bench.create_config(variant(bench.create_model(TAG="new"), **change))
    with pytest.raises(ClientError, match=message + ".*Deregister endpoint/"):
        bench.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=new)
    described = bench.sagemaker.describe_endpoint(EndpointName=name)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", old)
    update(bench, name, bench.simple_config(TAG="same machine"))
    assert bench.ask(name)["tag"] == "same machine"
    scaling.deregister_scalable_target(**target)
    assert update(bench, name, new)["EndpointConfigName"] == new
    bench.delete(name)


def test_a_call_that_takes_long_is_answered_by_the_fleet_that_began_it(bench: Bench, tmp_path: Path) -> None:
    name = bench.create_endpoint(bench.simple_config(TAG="old"))
    begun, end = tmp_path / "begun", tmp_path / "end"
    answers: list[str] = []
    wish = {"begun_file": str(begun), "until_file": str(end)}
    asking = threading.Thread(target=lambda: answers.append(bench.ask(name, wish)["tag"]))
    asking.start()
    until(begun.exists)
    bench.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=bench.simple_config(TAG="new"))
    until(lambda: bench.ask(name)["tag"] == "new")
    time.sleep(0.3)  # the old fleet stays, whatever else is done
    assert bench.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Updating"
    end.touch()
    asking.join()
    bench.wait(name, "InService")
    assert answers == ["old"]
    bench.delete(name)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (blue_green("CANARY"), "CanarySize must be given where"),
        (blue_green("ALL_AT_ONCE", CanarySize=PERCENT), "CanarySize must be given where"),
        (blue_green("CANARY", CanarySize={**PERCENT, "Value": 60}), "at most 50 percent"),
    ],
)
def test_a_policy_that_can_not_be_is_refused(bench: Bench, policy: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        bench.sagemaker.create_endpoint(
            EndpointName="never", EndpointConfigName=bench.simple_config(), DeploymentConfig=policy
        )


def test_variants_get_calls_by_their_weights(bench: Bench) -> None:
    config = bench.create_config(
        variant(bench.create_model(TAG="a"), "a", InitialVariantWeight=3.0),
        variant(bench.create_model(TAG="b"), "b", InitialVariantWeight=1.0),
        variant(bench.create_model(TAG="c"), "c", InitialVariantWeight=0.0),
    )

    def draw() -> Sequence[str]:
        name = bench.create_endpoint(config)
        drawn = [bench.ask(name) for _ in range(200)]
        assert all(said["variant"] == said["tag"] for said in drawn)
        assert bench.ask(name, TargetVariant="c")["tag"] == "c"
        with pytest.raises(bench.runtime.exceptions.ValidationError, match="Variant d not found for Request"):
            bench.ask(name, TargetVariant="d")
        bench.delete(name)
        return [said["tag"] for said in drawn]

    first = draw()
    seen = Counter(first)
    assert 126 <= seen["a"] <= 174  # 150 expected, 4 standard deviations of 6.1
    assert seen["c"] == 0
    assert draw() == first  # the seed's
