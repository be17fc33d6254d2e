"""What the endpoint answers, refuses and writes down."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.exceptions import ClientError
from tests.support.live import TEXTS, Live, until

from jina_v3.contract import Limits
from jina_v3_client import (
    AccessError,
    EmbeddingClient,
    Endpoint,
    EndpointNotFoundError,
    InvalidInputError,
    RequestLimits,
    Settings,
)
from jina_v3_infra.prefixes import folder

pytestmark = pytest.mark.aws

_LOG_LIMIT_S = 60.0


def test_endpoint_answers(deployed: Live) -> None:
    assert deployed.endpoint()["EndpointStatus"] == "InService"
    assert deployed.model()["EnableNetworkIsolation"] or deployed.endpoint_config()["EnableNetworkIsolation"]
    deployed.need_real_time()
    first, again = (
        np.array([one["embedding"] for one in deployed.invoke()["parsed"]["data"]], np.float32) for _ in range(2)
    )
    assert first.shape == (len(TEXTS), 32)
    assert np.abs(np.linalg.norm(first, axis=1) - 1).max() < 1e-3
    assert np.abs(first - again).max() < 1e-2
    assert np.abs(first @ first.T - np.eye(len(TEXTS))).max() > 1e-3


def _ready(live: Live) -> list[dict[str, Any]]:
    return [one for one in live.log_events() if one.get("event") == "ready"]


def test_container_runs_on_its_device(deployed: Live) -> None:
    lines = until("the container's ready line in the log", lambda: _ready(deployed), limit_s=_LOG_LIMIT_S)
    gpu = all(machine.gpu for variant in deployed.deployment.endpoint.variants for machine in variant.instance_types)
    assert {one["device"].partition(":")[0] for one in lines} == ({"cuda"} if gpu else {"cpu"})


def test_container_is_ready_in_time(deployed: Live) -> None:
    until("the container's ready line in the log", lambda: _ready(deployed), limit_s=_LOG_LIMIT_S)
    began: dict[str, float] = {}
    took_s = []
    for one in sorted(deployed.log_events(), key=lambda line: line["logged_s"]):
        if one.get("event") == "listening":
            began[one["stream"]] = one["logged_s"]
        elif one.get("event") == "ready":
            took_s.append(one["logged_s"] - began[one["stream"]])
    print(f"listening to ready: {[round(each, 1) for each in took_s]} s")
    assert took_s
    # half of it, so that a slower machine is no failed deployment
    assert max(took_s) < deployed.deployment.endpoint.startup_timeout_s / 2


def _padded(size: int) -> bytes:
    body = json.dumps({"input": TEXTS[:1], "dimensions": 32}).encode()
    return body[:-1] + b" " * (size - len(body)) + body[-1:]


def test_largest_request_and_one_byte_more(deployed: Live) -> None:
    deployed.need_real_time()
    limit = Limits().max_body_bytes
    assert len(deployed.invoke(_padded(limit))["parsed"]["data"]) == 1
    with pytest.raises(ClientError) as refused:
        deployed.invoke(_padded(limit + 1))
    error = refused.value.response["Error"]
    # the service's own front, or our container
    assert error["Code"] in {"ValidationError", "ModelError"}, error
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in {400, 413, 424}


def test_errors_have_the_forms_that_the_tests_expect(deployed: Live) -> None:
    deployed.need_real_time()
    sagemaker = deployed.client("sagemaker")
    config = deployed.endpoint()["EndpointConfigName"]
    no_config = f"verify-live-{uuid.uuid4().hex[:8]}"
    wrong: list[tuple[Callable[[], Any], str, int, str]] = [
        (lambda: deployed.invoke(EndpointName=no_config), "ValidationError", 400, "not found"),
        (lambda: deployed.invoke(b"no JSON"), "ModelError", 424, "Received client error (400)"),
        (
            lambda: sagemaker.describe_endpoint(EndpointName=no_config),
            "ValidationException",
            400,
            "Could not find endpoint",
        ),
        (
            lambda: sagemaker.create_endpoint(EndpointName=deployed.name, EndpointConfigName=config),
            "ValidationException",
            400,
            "Cannot create already existing endpoint",
        ),
        (
            lambda: sagemaker.update_endpoint(EndpointName=deployed.name, EndpointConfigName=no_config),
            "ValidationException",
            400,
            "Could not find endpoint configuration",
        ),
    ]
    if deployed.component is None:
        unknown = (lambda: deployed.invoke(TargetVariant="nobody"), "ValidationError", 400, "nobody")
        wrong.append(unknown)
    for call, code, status, words in wrong:
        with pytest.raises(ClientError) as refused:
            call()
        response = refused.value.response
        got = (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"])
        assert got == (code, status), response
        assert words in response["Error"]["Message"], response
        if code == "ModelError":
            assert response["OriginalStatusCode"] == 400
            assert json.loads(response["OriginalMessage"])["error"]["code"] == "not_json"
            assert response["LogStreamArn"]


def test_client_tells_errors_apart(deployed: Live) -> None:
    deployed.need_real_time()
    account, variant = deployed.account, deployed.deployment.endpoint.variants[0].name
    wide = Settings(limits=RequestLimits(request_bytes=40_000_000, tokens=10_000_000))
    given: dict[str, Any] = {"region": account.region, "session": account.session, "dimensions": 32}
    with EmbeddingClient.from_deployment(deployed.deployment.name, settings=wide, **given) as client:
        (target,) = client.routing.policy.targets
        with pytest.raises(InvalidInputError) as refused:
            client.embed([*TEXTS, ""])
        assert (refused.value.code, refused.value.index) == ("empty_text", len(TEXTS))
        padded = [" " * 1_000_000 + text for text in TEXTS * 10]  # 30 MB: the service takes 25 at most
        assert client.embed(padded).usage.requests > 1

    absent: list[Endpoint] = [Endpoint(f"verify-live-{uuid.uuid4().hex[:8]}")]
    if deployed.component is None:
        absent.append(Endpoint(deployed.name, variant=f"not-{variant}"))
    for one in absent:
        with EmbeddingClient(one, **given) as client, pytest.raises(EndpointNotFoundError):
            client.embed(TEXTS)

    keys = account.session.get_credentials().get_frozen_credentials()
    for key, secret, words in (
        (keys.access_key, "of-nobody", "secret access key does not belong"),
        ("AKIAIOSFODNN7EXAMPLE", keys.secret_key, "AWS does not know the access key"),
    ):
        wrong = boto3.Session(key, secret, keys.token, region_name=account.region)
        with EmbeddingClient(target, session=wrong) as client, pytest.raises(AccessError, match=words):
            client.embed(TEXTS)


def test_captured_call_is_in_the_bucket(deployed: Live) -> None:
    settings = deployed.deployment.endpoint.capture
    if settings is None:
        pytest.skip("the configuration captures nothing")
    deployed.need_real_time()
    mark = uuid.uuid4().hex
    body = json.dumps({"input": [mark], "dimensions": 32}).encode()
    for _ in range(max(1, 1000 // settings.percent)):  # so that none is captured once in 20,000 runs
        deployed.invoke(body)
    s3, bucket = deployed.client("s3"), deployed.foundation.bucket

    def captured() -> dict[str, Any] | None:
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=folder(settings.prefix)).get("Contents", [])
        for one in listed:
            got = s3.get_object(Bucket=bucket, Key=one["Key"])
            for line in got["Body"].read().decode().splitlines():
                if mark in line:
                    return {**json.loads(line), "key": got.get("SSEKMSKeyId")}
        return None

    found = until("the captured call", captured, limit_s=900, every_s=10 if settings.percent < 100 else 2)
    assert json.loads(found["captureData"]["endpointInput"]["data"])["input"] == [mark]
    assert found["captureData"]["endpointOutput"]["mode"] == "OUTPUT"
    assert found["key"] == deployed.foundation.key_arn


def test_backlog_is_counted_and_worked_off(deployed: Live) -> None:
    settings = deployed.deployment.endpoint.asynchronous
    if settings is None:
        pytest.skip("the endpoint of this configuration is not asynchronous")
    s3, bucket = deployed.client("s3"), deployed.foundation.bucket
    key = f"{folder(settings.output_prefix)}inputs/verify-live-{uuid.uuid4().hex}.json"
    texts = ["the sun rises over a quiet harbour " * 200] * 64
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps({"input": texts}).encode())
    outputs = [
        deployed.runtime.invoke_endpoint_async(
            EndpointName=deployed.name, ContentType="application/json", InputLocation=f"s3://{bucket}/{key}"
        )["OutputLocation"]
        for _ in range(500)
    ]
    until(
        "ApproximateBacklogSize",
        lambda: deployed.metric_sum("ApproximateBacklogSize", {"EndpointName": deployed.name}) > 0,
        limit_s=900,
        every_s=20,
    )
    for one in outputs:
        place, _, name = one.removeprefix("s3://").partition("/")
        s3.get_waiter("object_exists").wait(Bucket=place, Key=name, WaiterConfig={"Delay": 5, "MaxAttempts": 240})


def test_component_that_is_too_large_finds_no_place(deployed: Live) -> None:
    if deployed.component is None:
        pytest.skip("the configuration has no inference component")
    sagemaker = deployed.client("sagemaker")
    name = f"{deployed.name[:40]}-too-large-{uuid.uuid4().hex[:6]}"
    specification = sagemaker.describe_inference_component(InferenceComponentName=deployed.component)["Specification"]
    request = {
        "InferenceComponentName": name,
        "EndpointName": deployed.name,
        "VariantName": deployed.deployment.endpoint.variants[0].name,
        "Specification": {
            "ModelName": specification["ModelName"],
            "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 10_000_000},
        },
        "RuntimeConfig": {"CopyCount": 1},
    }
    try:
        sagemaker.create_inference_component(**request)
    except sagemaker.exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "ValidationException":  # it may be refused at once
            return
        raise
    try:
        deadline = time.monotonic() + 1800
        status = "Creating"
        while status == "Creating" and time.monotonic() < deadline:
            time.sleep(20)
            found = sagemaker.describe_inference_component(InferenceComponentName=name)
            status = found["InferenceComponentStatus"]
        assert status == "Failed", f"{status} after half an hour"
        assert found["FailureReason"]
    finally:
        sagemaker.delete_inference_component(InferenceComponentName=name)
