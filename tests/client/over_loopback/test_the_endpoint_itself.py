"""The loopback endpoint itself, asked by boto3: what proves the client has to be right first."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import botocore.exceptions
import numpy as np
import pytest
from botocore.config import Config
from tests.support.loopback_endpoint import Fault, Hosted, LoopbackEndpoint, Pace, expected, faults

TEXTS = [f"text number {number}" for number in range(40)]


def boto(endpoint: LoopbackEndpoint, region: str = "eu-west-1", *, secret: str = "testing", url: str = "") -> Any:
    return boto3.client(
        "sagemaker-runtime",
        region_name=region,
        endpoint_url=url or endpoint.url,
        aws_access_key_id="testing",
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


def invoke(client: Any, body: dict[str, Any], name: str = "texts", **more: str) -> Any:
    answer = client.invoke_endpoint(EndpointName=name, Body=json.dumps(body), ContentType="application/json", **more)
    return json.loads(answer["Body"].read())


def code_of(client: Any, name: str = "texts", **more: str) -> str:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        invoke(client, {"input": ["a"]}, name, **more)
    return str(caught.value.response["Error"]["Code"])


def test_every_shape_has_the_expected_vectors(endpoint: LoopbackEndpoint) -> None:
    client = boto(endpoint)
    floats = invoke(client, {"input": TEXTS, "task": "retrieval.query", "dimensions": 7})
    wanted = expected(TEXTS, "retrieval.query", 7)
    assert np.array_equal(np.array([item["embedding"] for item in floats["data"]], np.float32), wanted)
    coded = invoke(client, {"input": TEXTS, "task": "retrieval.query", "dimensions": 7, "embedding_type": "base64"})
    decoded = [np.frombuffer(base64.b64decode(item["embedding"]), "<f4") for item in coded["data"]]
    assert np.array_equal(np.array(decoded), wanted)
    jina = invoke(client, {"data": [{"text": text} for text in TEXTS], "parameters": {"dimensions": None}})
    assert np.array_equal(
        np.array([item["embedding"] for item in jina["data"]], np.float32), expected(TEXTS, "text-matching")
    )
    assert len({row.tobytes() for row in expected(TEXTS)}) == len(TEXTS)


def test_lines_have_their_errors_on_their_own(endpoint: LoopbackEndpoint) -> None:
    lines = [{"id": 1, "text": "sunrise", "embedding_type": "base64"}, {"id": 2, "text": ""}]
    answer = boto(endpoint).invoke_endpoint(
        EndpointName="texts",
        Body="\n".join(map(json.dumps, lines)) + "\n",
        ContentType="application/jsonlines",
    )
    first, second = map(json.loads, answer["Body"].read().splitlines())
    assert np.array_equal(np.frombuffer(base64.b64decode(first["embedding"]), "<f4"), expected(["sunrise"])[0])
    assert (first["id"], first["tokens"]) == (1, 3)
    assert (second["id"], second["error"]["code"], second["error"]["line"]) == (2, "empty_text", 2)


def test_signatures_are_checked(endpoint: LoopbackEndpoint) -> None:
    assert code_of(boto(endpoint, secret="wrong")) == "InvalidSignatureException"
    endpoint.set_clock(301.5)
    with pytest.raises(botocore.exceptions.ClientError, match="Signature expired"):
        invoke(boto(endpoint), {"input": "a"})
    endpoint.set_clock(-900)  # seconds may pass on the way, which bring it nearer
    with pytest.raises(botocore.exceptions.ClientError, match="Signature not yet current"):
        invoke(boto(endpoint), {"input": "a"})
    assert endpoint.totals()["refused"] == 3
    assert not endpoint.answered()


def test_a_body_changed_on_its_way_is_refused(endpoint: LoopbackEndpoint) -> None:
    client = boto(endpoint)

    def change(request: Any, **_: Any) -> None:
        request.body = request.body.replace(b"mine", b"ours")

    client.meta.events.register("before-send.sagemaker-runtime.InvokeEndpoint", change)
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidSignature"):
        invoke(client, {"input": "mine"})


def test_names_are_known_by_region_variant_and_component(endpoint: LoopbackEndpoint) -> None:
    client = boto(endpoint)
    assert code_of(client, "other") == "ValidationError"
    assert code_of(boto(endpoint, "us-east-1"), "split") == "ValidationError"
    assert code_of(client, "split", TargetVariant="red") == "ValidationError"
    assert code_of(client, "parts") == "ValidationError"
    invoke(client, {"input": "a"}, "split", TargetVariant="green")
    invoke(client, {"input": "a"}, "parts", InferenceComponentName="part")
    asked = [one for one in endpoint.asked() if one.status == 200]
    assert [(one.endpoint, one.variant, one.component) for one in asked] == [
        ("split", "green", None),
        ("parts", None, "part"),
    ]


def test_a_router_asks_the_next_where_one_region_is_gone(endpoint: LoopbackEndpoint) -> None:
    client = boto3.client(
        "sagemaker-inference-router-runtime",
        region_name="eu-west-1",
        endpoint_url=endpoint.url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    for dead in ("", "us-east-1"):
        if dead:
            endpoint.die(dead)
        client.invoke_inference_router(
            InferenceRouterName="everywhere",
            RoutingTargetName="jina-embeddings-v3",
            ContentType="application/json",
            Body=b'{"input": "a"}',
        )
    assert [one.region for one in endpoint.asked()] == ["us-east-1", "eu-west-1"]


def test_what_the_container_refuses_comes_as_a_model_error(endpoint: LoopbackEndpoint) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        invoke(boto(endpoint), {"input": ["a", ""]})
    response = caught.value.response
    assert (response["Error"]["Code"], response["OriginalStatusCode"]) == ("ModelError", 422)
    error = json.loads(response["OriginalMessage"])["error"]
    assert (error["code"], error["field"]) == ("empty_text", "input[1]")


def test_a_fault_meets_those_it_is_meant_for_as_often_as_it_says(endpoint: LoopbackEndpoint) -> None:
    client = boto(endpoint)
    endpoint.inject(faults.throttled(region="eu-west-1", times=1, after=1), faults.model_error(503, times=1))
    endpoint.inject(faults.unavailable(region="us-east-1"))
    assert code_of(client) == "ModelError"  # the throttle lets the first pass
    assert code_of(client) == "ThrottlingException"
    assert invoke(client, {"input": "a"})
    assert code_of(boto(endpoint, "us-east-1")) == "ServiceUnavailable"


def test_broken_connections_break_as_they_should(endpoint: LoopbackEndpoint) -> None:
    client = boto(endpoint)
    for kind, error in [
        ("reset", botocore.exceptions.ConnectionClosedError),
        ("abort", botocore.exceptions.ConnectionClosedError),
        ("cut", botocore.exceptions.ResponseStreamingError),
    ]:
        endpoint.inject(Fault(kind=kind, times=1))
        with pytest.raises((error, botocore.exceptions.HTTPClientError)):
            invoke(client, {"input": TEXTS})
        assert invoke(client, {"input": "a"})
    assert set(endpoint.answered()) == {"a"}


def test_a_region_that_is_dead_takes_no_connections_until_it_is_back(endpoint: LoopbackEndpoint) -> None:
    near, far = (boto(endpoint, region, url=endpoint.url_of(region)) for region in ("eu-west-1", "us-east-1"))
    invoke(near, {"input": "a"})
    endpoint.die("eu-west-1")
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        invoke(near, {"input": "a"})
    with pytest.raises(botocore.exceptions.HTTPClientError):
        invoke(boto(endpoint), {"input": "a"})  # by the common address, too
    invoke(far, {"input": "b"})
    endpoint.revive("eu-west-1")
    invoke(near, {"input": "c"})
    assert endpoint.answered() == {"a": 1, "b": 1, "c": 1}
    assert endpoint.answered("us-east-1") == {"b": 1}


def test_idle_connections_can_be_closed_behind_a_clients_back(endpoint: LoopbackEndpoint) -> None:
    client = boto(endpoint)
    invoke(client, {"input": "a"})
    assert endpoint.close_idle() >= 1
    invoke(client, {"input": "b"})
    first, second = endpoint.asked()
    assert first.connection != second.connection


def test_a_request_that_hangs_holds_up_no_other(endpoint: LoopbackEndpoint) -> None:
    client = boto(endpoint)
    endpoint.inject(Fault(kind="hang", times=1))
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(invoke, client, {"input": "a"})
        while endpoint.totals()["requests"] < 1:
            time.sleep(0.002)
        assert invoke(client, {"input": "b"})
        assert not hanging.done()
        endpoint.die()
        with pytest.raises(botocore.exceptions.HTTPClientError):
            hanging.result()
    assert endpoint.answered() == {"b": 1}


def test_pace_is_kept_by_many_clients_at_once() -> None:
    pace = Pace(slots=2, request_s=0.01, text_s=0.0005)
    with LoopbackEndpoint(hosted=[Hosted(pace=pace)]) as endpoint, ThreadPoolExecutor(6) as pool:
        client = boto(endpoint)
        began = time.monotonic()
        list(pool.map(lambda _: invoke(client, {"input": TEXTS, "dimensions": 2}), range(10)))
        taken_s = time.monotonic() - began
        assert taken_s >= pace.seconds(10 * len(TEXTS), 10) == pytest.approx(0.15)
        assert endpoint.totals()["texts"] == 10 * len(TEXTS)
        assert all(count == 10 for count in endpoint.answered().values())
