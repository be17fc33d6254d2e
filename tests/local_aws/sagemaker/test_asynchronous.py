"""InvokeEndpointAsync and data capture: what lies in S3 afterwards, and who is told."""

import base64
import json
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.sagemaker_bench import Bench, until, variant

from local_aws.sagemaker.queue import BoundedQueue, Waiting

OUTPUT = {"S3OutputPath": "s3://models/out", "S3FailurePath": "s3://models/failed"}


def create(bench: Bench, output: dict[str, Any] = OUTPUT, **more: Any) -> str:
    config: dict[str, Any] = {"OutputConfig": output, **more}
    return bench.create_endpoint(bench.create_config(variant(bench.create_model()), AsyncInferenceConfig=config))


@pytest.fixture(scope="module")
def waiting(bench: Bench) -> str:
    """An asynchronous endpoint that the tests share."""
    return create(bench)


def read(bench: Bench, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")

    def look() -> bytes | None:
        try:
            body: bytes = bench.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except bench.s3.exceptions.NoSuchKey:
            return None
        return body

    found: bytes = until(look)
    return found


def test_an_input_of_s3_becomes_an_output_in_s3(bench: Bench, waiting: str) -> None:
    bench.s3.put_object(Bucket="models", Key="in/1.json", Body=b'{"echo": "me"}')
    answer = bench.runtime.invoke_endpoint_async(
        EndpointName=waiting, InputLocation="s3://models/in/1.json", InferenceId="mine", ContentType="application/json"
    )
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["InferenceId"]) == (202, "mine")
    assert answer["OutputLocation"].startswith("s3://models/out/")
    assert answer["FailureLocation"].startswith("s3://models/failed/")
    assert read(bench, answer["OutputLocation"]) == b'{"echo": "me"}'


def test_an_input_in_the_request_and_a_name_for_the_output(bench: Bench, waiting: str) -> None:
    answer = bench.runtime.invoke_endpoint_async(
        EndpointName=waiting, Body=b"{}", Accept="x/y", CustomAttributes="a", S3OutputPathExtension="day/one",
        Filename="named.json", ContentType="application/jsonlines",
    )  # fmt: skip
    assert answer["OutputLocation"] == "s3://models/out/day/one/named.json"
    headers = json.loads(read(bench, answer["OutputLocation"]))["headers"]
    assert (headers["Accept"], headers["Content-Type"]) == ("x/y", "application/jsonlines")


@pytest.mark.parametrize(
    ("wish", "message"),
    [({"status": 400, "message": "bad input"}, b"bad input"), (None, b"The specified key does not exist")],
)
def test_a_failure_becomes_an_object_of_its_own(
    bench: Bench, waiting: str, wish: dict[str, Any] | None, message: bytes
) -> None:
    if wish is not None:
        bench.s3.put_object(Bucket="models", Key="in/2.json", Body=json.dumps(wish).encode())
    location = "s3://models/in/2.json" if wish is not None else "s3://models/in/absent.json"
    answer = bench.runtime.invoke_endpoint_async(EndpointName=waiting, InputLocation=location)
    assert message in read(bench, answer["FailureLocation"])
    key = answer["OutputLocation"].removeprefix("s3://models/")
    assert bench.s3.list_objects_v2(Bucket="models", Prefix=key)["KeyCount"] == 0


def test_topics_are_told_of_success_and_failure(bench: Bench) -> None:
    sns, sqs = bench.connect("sns"), bench.connect("sqs")
    queue = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topics = {kind: sns.create_topic(Name=kind)["TopicArn"] for kind in ("SuccessTopic", "ErrorTopic")}
    for topic in topics.values():
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    name = create(bench, {**OUTPUT, "NotificationConfig": topics})
    sent = [
        bench.runtime.invoke_endpoint_async(EndpointName=name, Body=body, InferenceId=identity)
        for identity, body in (("good", b'{"echo": 1}'), ("bad", b'{"status": 500}'))
    ]
    told: dict[str, Any] = {}

    def look() -> bool:
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            envelope = json.loads(message["Body"])
            said = json.loads(envelope["Message"])
            told[said["inferenceId"]] = (envelope["TopicArn"], said)
        return len(told) == 2

    until(look)
    topic, good = told["good"]
    assert (topic, good["invocationStatus"]) == (topics["SuccessTopic"], "Completed")
    assert good["responseParameters"]["outputLocation"] == sent[0]["OutputLocation"]
    assert good["requestParameters"]["endpointName"] == name
    topic, bad = told["bad"]
    assert (topic, bad["invocationStatus"]) == (topics["ErrorTopic"], "Failed")
    assert "Received server error (500)" in bad["failureReason"]
    bench.delete(name)


def test_requests_wait_for_their_turn(bench: Bench, tmp_path: Path) -> None:
    name = create(bench, ClientConfig={"MaxConcurrentInvocationsPerInstance": 1})
    gates = [tmp_path / str(number) for number in range(4)]
    outputs = [
        bench.runtime.invoke_endpoint_async(EndpointName=name, Body=json.dumps({"until_file": str(gate)}).encode())
        for gate in gates
    ]  # each is taken, and none is answered yet
    for gate, output in zip(gates, outputs, strict=True):
        gate.touch()
        said = json.loads(read(bench, output["OutputLocation"]))
    assert said["most_at_once"] == 1
    bench.delete(name)


def test_a_request_outlives_a_lost_instance(bench: Bench) -> None:
    name = create(bench)
    rule = bench.aws.faults.add(kind="instance_lost", endpoint=name, count=1)
    answer = bench.runtime.invoke_endpoint_async(EndpointName=name, Body=b'{"echo": 1}')
    assert read(bench, answer["OutputLocation"]) == b'{"echo": 1}'
    assert next(left["count"] for left in bench.aws.faults.list() if left["id"] == rule) == 0
    bench.delete(name)


def test_real_time_and_asynchronous_endpoints_are_not_mixed_up(bench: Bench, endpoint: str, waiting: str) -> None:
    with pytest.raises(bench.runtime.exceptions.ValidationError, match="is an asynchronous endpoint"):
        bench.ask(waiting)
    for request, message in (
        ({"EndpointName": endpoint, "Body": b"{}"}, "is not an asynchronous endpoint"),
        ({"EndpointName": waiting}, "Either InputLocation or Body"),
        ({"EndpointName": waiting, "Body": b"x", "InputLocation": "s3://models/x"}, "Either InputLocation or Body"),
        ({"EndpointName": waiting, "Body": b"x" * 128_001}, "less than or equal to 128000"),
    ):
        with pytest.raises(ClientError, match=message):
            bench.runtime.invoke_endpoint_async(**request)


def test_an_endpoint_stays_asynchronous_or_real_time(bench: Bench, endpoint: str, waiting: str) -> None:
    queued = bench.create_config(variant(bench.create_model()), AsyncInferenceConfig={"OutputConfig": OUTPUT})
    direct = bench.create_config(variant(bench.create_model()))
    for name, config, done in ((waiting, direct, "removed from"), (endpoint, queued, "added to")):
        with pytest.raises(ClientError, match=f"AsyncInferenceConfig parameter cannot be {done} this endpoint {name}"):
            bench.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)


def test_a_bounded_queue_keeps_order_and_limit() -> None:
    count, limit = 20, 3
    gates = [threading.Event() for _ in range(count)]
    begun: SimpleQueue[int] = SimpleQueue()
    running: set[int] = set()
    at_once: list[int] = []

    def work(number: int) -> None:
        running.add(number)
        at_once.append(len(running))
        begun.put(number)
        assert gates[number].wait(60)
        running.remove(number)

    queue = BoundedQueue(lambda: limit, time.monotonic)
    for number in range(count):
        queue.put(Waiting(work=lambda number=number: work(number), arrived_s=time.monotonic()))
    assert {begun.get(timeout=60) for _ in range(limit)} == set(range(limit))
    for number, gate in enumerate(gates):
        gate.set()
        if number + limit < count:  # the next in order takes its place
            assert begun.get(timeout=60) == number + limit
    until(lambda: len(queue) == 0)
    assert max(at_once) == limit


def captured(bench: Bench, name: str, count: int) -> list[dict[str, Any]]:
    def look() -> list[dict[str, Any]] | None:
        listed = bench.s3.list_objects_v2(Bucket="models", Prefix=f"captured/{name}/main/").get("Contents", [])
        assert all(item["Key"].endswith(".jsonl") and item["Key"].count("/") == 7 for item in listed)
        lines = [
            json.loads(line)
            for item in listed
            for line in bench.s3.get_object(Bucket="models", Key=item["Key"])["Body"].read().splitlines()
        ]
        return lines if len(lines) >= count else None

    found: list[dict[str, Any]] = until(look)
    return found


def capturing(bench: Bench, **changes: Any) -> str:
    config = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://models/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        **changes,
    }
    return bench.create_endpoint(bench.create_config(variant(bench.create_model()), DataCaptureConfig=config))


def test_calls_are_captured_in_the_encoding_of_their_type(bench: Bench) -> None:
    name = capturing(bench, CaptureContentTypeHeader={"JsonContentTypes": ["application/json"]})
    assert bench.sagemaker.describe_endpoint(EndpointName=name)["DataCaptureConfig"]["CaptureStatus"] == "Started"
    bench.ask(name, {"echo": 1}, ContentType="application/x-other")
    (line,) = captured(bench, name, 1)
    assert line["eventVersion"] == "0"
    assert line["eventMetadata"]["eventId"]
    assert line["captureData"] == {
        "endpointInput": {
            "observedContentType": "application/x-other",
            "mode": "INPUT",
            "data": base64.b64encode(b'{"echo": 1}').decode(),
            "encoding": "BASE64",
        },
        "endpointOutput": {
            "observedContentType": "application/json",
            "mode": "OUTPUT",
            "data": '{"echo": 1}',
            "encoding": "JSON",
        },
    }
    bench.delete(name)


def test_captures_are_sampled_and_a_side_can_be_left_out(bench: Bench) -> None:
    name = capturing(bench, InitialSamplingPercentage=30, CaptureOptions=[{"CaptureMode": "Input"}])
    last = capturing(bench)
    for _ in range(100):
        bench.ask(name, {"echo": 1})
    bench.ask(last, {"echo": 1})
    captured(bench, last, 1)  # they are written in their order: all that was captured before is there too
    lines = captured(bench, name, 1)
    assert 12 <= len(lines) <= 48  # 30 expected, 4 standard deviations of 4.6
    assert {tuple(line["captureData"]) for line in lines} == {("endpointInput",)}
    bench.delete(name, last)


def test_a_capture_that_cannot_be_written_ends_no_other(bench: Bench) -> None:
    lost = capturing(bench, DestinationS3Uri="s3://nowhere/captured")
    kept = capturing(bench)
    for calls in (1, 2):  # what comes together is written in its order: this one after one that failed
        bench.ask(lost, {"echo": 1})
        bench.ask(kept, {"echo": 1})
        assert len(captured(bench, kept, calls)) == calls
    bench.delete(lost, kept)
