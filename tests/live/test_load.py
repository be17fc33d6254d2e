"""What the endpoint does under load: how fast it is, how it is shared, scaled, watched and changed."""

import functools
import math
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.live import Live, Load, until

from jina_v3.contract import Limits
from jina_v3_infra.config import ScalingSettings
from jina_v3_infra.prefixes import asynchronous_prefixes

pytestmark = pytest.mark.aws

_LOAD_S = 10.0
_METRICS_LIMIT_S = 900.0


def test_latency_is_within_the_alarm_s_limit(deployed: Live) -> None:
    deployed.need_real_time()
    load = Load(deployed.invoke)
    with load.running(callers=8):
        time.sleep(_LOAD_S)
    assert not load.errors, load.errors[0]
    took_s = sorted(load.latencies_s)
    p50_s, p99_s = (took_s[math.ceil(len(took_s) * share) - 1] for share in (0.5, 0.99))
    print(f"{len(took_s) / _LOAD_S:.1f} calls/s, p50 {p50_s * 1000:.0f} ms, p99 {p99_s * 1000:.0f} ms, from here")
    assert p99_s * 1000 < deployed.deployment.endpoint.update.most_latency_ms


def test_calls_are_shared_between_instances(deployed: Live) -> None:
    deployed.need_real_time()
    variant = deployed.deployment.endpoint.variants[0]
    if variant.initial_instances < 2 or deployed.component is not None:
        pytest.skip("the first variant of this configuration has one instance")
    found: dict[str, Any] = {one["VariantName"]: one for one in deployed.endpoint()["ProductionVariants"]}
    instances = found[variant.name]["CurrentInstanceCount"]
    assert instances >= 2

    def streams() -> set[str]:
        ready = [one for one in deployed.log_events() if one.get("event") == "ready"]
        return {one["stream"] for one in ready if one["stream"].startswith(f"{variant.name}/")}

    until("a log stream of each instance", lambda: len(streams()) >= instances, limit_s=120)

    def all_busy() -> bool:
        """Say whether there was a minute in which no instance was idle beside a busy one."""
        now = datetime.now(UTC)
        points = deployed.client("cloudwatch").get_metric_statistics(
            Namespace="/aws/sagemaker/Endpoints",
            MetricName="CPUUtilization",
            Dimensions=[
                {"Name": "EndpointName", "Value": deployed.name},
                {"Name": "VariantName", "Value": variant.name},
            ],
            StartTime=now - timedelta(minutes=10),
            EndTime=now,
            Period=60,
            Statistics=["Minimum", "Maximum", "SampleCount"],
        )["Datapoints"]
        busy = [one for one in points if one["SampleCount"] >= instances and one["Maximum"] > 5]
        return any(one["Minimum"] > one["Maximum"] / 4 for one in busy)

    load = Load(deployed.invoke)
    with load.running(callers=16):
        until("a minute with every instance busy", all_busy, limit_s=_METRICS_LIMIT_S, every_s=20)
    assert not load.errors, load.errors[0]


def test_metrics_come_and_an_alarm_goes_off(deployed: Live) -> None:
    deployed.need_real_time()
    dimensions = deployed.call_dimensions()
    cloudwatch, name = deployed.client("cloudwatch"), f"{deployed.name}-verify-live-{uuid.uuid4().hex[:6]}"
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/SageMaker",
        MetricName="Invocations",
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )

    def state() -> str:
        (alarm,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return str(alarm["StateValue"])

    try:
        with Load(deployed.invoke).running(callers=1):
            until("the alarm", lambda: state() == "ALARM", limit_s=_METRICS_LIMIT_S, every_s=10)
        for metric in ("Invocations", "ModelLatency", "OverheadLatency"):
            summed = functools.partial(deployed.metric_sum, metric, dimensions)
            until(metric, summed, limit_s=_METRICS_LIMIT_S, every_s=10)
        until("the alarm's end", lambda: state() == "OK", limit_s=_METRICS_LIMIT_S, every_s=10)
    finally:
        cloudwatch.delete_alarms(AlarmNames=[name])


def _scaling(live: Live) -> tuple[ScalingSettings, str]:
    """Return what is scaled, as it is configured, and its name for Application Auto Scaling."""
    endpoint = live.deployment.endpoint
    if endpoint.inference_component is not None:
        return endpoint.inference_component.scaling, f"inference-component/{live.component}"
    return endpoint.variants[0].scaling, f"endpoint/{live.name}/variant/{endpoint.variants[0].name}"


def _count(live: Live) -> int:
    if live.component is not None:
        found = live.client("sagemaker").describe_inference_component(InferenceComponentName=live.component)
        return int(found["RuntimeConfig"]["CurrentCopyCount"])
    name = live.deployment.endpoint.variants[0].name
    (variant,) = [one for one in live.endpoint()["ProductionVariants"] if one["VariantName"] == name]
    return int(variant["CurrentInstanceCount"])


def test_load_adds_and_quiet_takes_away(deployed: Live) -> None:
    settings, resource = _scaling(deployed)
    if not settings.scales or deployed.deployment.endpoint.asynchronous is not None:
        pytest.skip("the first variant of this configuration does not scale by concurrency")
    least = max(settings.min, 1)
    if settings.max <= least:
        pytest.skip("the most that this configuration scales to is one")
    with Load(deployed.invoke).running(callers=min(int(settings.concurrency * least * 3), 60)):
        until("one more", lambda: _count(deployed) > least, limit_s=2400, every_s=20)
    until("the fewest", lambda: _count(deployed) <= least, limit_s=3600 + settings.scale_in_cooldown_s, every_s=30)
    named = {"ServiceNamespace": "sagemaker", "ResourceId": resource}
    done = deployed.client("application-autoscaling").describe_scaling_activities(**named)["ScalingActivities"]
    assert len(done) >= 2
    assert {one["StatusCode"] for one in done} <= {"Successful", "InProgress"}


def test_component_goes_to_zero_and_comes_back(deployed: Live) -> None:
    settings, _ = _scaling(deployed)
    if deployed.component is None or settings.min > 0:
        pytest.skip("this configuration does not scale to zero")
    until("no copy", lambda: _count(deployed) == 0, limit_s=3600 + settings.scale_in_cooldown_s, every_s=30)
    with pytest.raises(ClientError, match=r"(?i)capacity|copies"):
        deployed.invoke()
    until("an answer again", deployed.answers, limit_s=2400, every_s=20)


def test_asynchronous_endpoint_sleeps_and_a_call_wakes_it(deployed: Live) -> None:
    settings, asynchronous = _scaling(deployed)[0], deployed.deployment.endpoint.asynchronous
    if asynchronous is None or settings.min > 0:
        pytest.skip("no asynchronous endpoint that goes to none")
    until("no machine", lambda: _count(deployed) == 0, limit_s=3600 + settings.scale_in_cooldown_s, every_s=30)
    s3, bucket = deployed.client("s3"), deployed.foundation.bucket
    key = f"{asynchronous_prefixes(asynchronous)[0]}verify-live-{uuid.uuid4().hex}.json"
    s3.put_object(Bucket=bucket, Key=key, Body=b'{"input": ["the sun rises"]}')
    answer = deployed.runtime.invoke_endpoint_async(
        EndpointName=deployed.name, ContentType="application/json", InputLocation=f"s3://{bucket}/{key}"
    )
    place, _, name = answer["OutputLocation"].removeprefix("s3://").partition("/")
    s3.get_waiter("object_exists").wait(Bucket=place, Key=name, WaiterConfig={"Delay": 15, "MaxAttempts": 160})


def test_update_is_invisible_to_callers(deployed: Live) -> None:
    deployed.need_real_time()
    before = deployed.model()["PrimaryContainer"].get("Environment", {})
    texts = int(before.get("JINA_V3_MAX_TEXTS", Limits().max_texts)) - 1
    update, load = deployed.deployment.endpoint.update, Load(deployed.invoke)
    deployed.overrides.append(f"endpoint.environment.JINA_V3_MAX_TEXTS={texts}")
    began = time.monotonic()
    with load.running(callers=2):
        deployed.command("deploy", "--yes", "--from", "endpoint")
        took_s = time.monotonic() - began
        time.sleep(_LOAD_S)
    assert not load.errors, load.errors[0]
    assert load.latencies_s
    assert deployed.model()["PrimaryContainer"]["Environment"]["JINA_V3_MAX_TEXTS"] == str(texts)
    if deployed.component is None:
        least_s = update.canary_wait_s + update.termination_wait_s
        print(f"the update took {took_s:.0f} s, of which {least_s} s are waited for")
        assert took_s > least_s
