"""Asynchronous calls of a deployment of the command and the real CDK: none is lost, whatever it holds and whoever dies.

Good inputs become outputs, bad ones failures, each is told once; the client gets its vectors through the queue and
leaves nothing in S3; and the deployed policies take the machine away and bring it back.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.client_command import check_all_is_well_but_the_width, jina_v3, succeed

from jina_v3.contract import Task
from jina_v3.encoder import Encoder
from jina_v3_client import AsyncEmbeddingClient, ConfigurationError, DeadlineError, EmbeddingClient, InvalidInputError
from local_aws.server import LocalAws

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

REGION, ENDPOINT = "us-east-1", "later"
MOST_BYTES = 24 * 2**20
CONFIG = """
name = "later"
region = "us-east-1"

[model]
source = "{model}"

[endpoint.asynchronous]
concurrency = 6

[endpoint.environment]
JINA_V3_MAX_BODY_BYTES = "{most_bytes}"

[[endpoint.variants]]
scaling = {{ min = 0, max = 3, backlog = 20, scale_in_cooldown_s = 60 }}
"""
WORDS = ["the", "sun", "rises", "over", "a", "quiet", "harbour", "and", "boats", "return", "with", "fish"]
JSON = "application/json"


@dataclass(frozen=True)
class Input:
    """One call: what it sends, and how many vectors it must give, none for a bad one."""

    kind: str
    body: bytes | None
    vectors: int
    content_type: str = JSON


@pytest.fixture(scope="module")
def deployed(aws: LocalAws, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The outputs of the deployment's stacks."""
    path = tmp_path_factory.mktemp("later") / "later.toml"
    path.write_text(CONFIG.format(model=tiny_model, most_bytes=MOST_BYTES))
    command(aws, path, "deploy", "--yes")
    stacks = aws.client("cloudformation", REGION)
    yield {
        one["OutputKey"]: one["OutputValue"]
        for stack in ("later-foundation", "later-endpoint")
        for one in stacks.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    }
    command(aws, path, "destroy", "--yes", "--delete-data")


def command(aws: LocalAws, path: Path, *words: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "jina_v3_infra.deploy", *words, "--config", str(path)],
        env=os.environ | aws.environment(REGION),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def inputs() -> list[Input]:
    """200 calls of 1 KB to 20 MB, of which a fifth is bad in eight ways."""
    chance = random.Random(7)
    made = []
    for _ in range(154):
        texts = [
            " ".join(chance.choices(WORDS, k=chance.randint(4, 20))) for _ in range(round(2 ** chance.uniform(1, 4)))
        ]
        made.append(Input("good", request(texts).ljust(round(2 ** chance.uniform(10, 18))), len(texts)))
    long = " ".join(chance.choices(WORDS, k=4000))
    made += [Input("one long text", request([long], truncate=True), 1) for _ in range(4)]
    made += [Input("large", request(["sun"] * 9).ljust(size), 9) for size in (2**20, 5 * 2**20, 20 * 2**20)]
    lines = b"".join(json.dumps({"text": word}).encode() + b"\n" for word in WORDS)
    made.append(Input("lines", lines, len(WORDS), "application/jsonlines"))
    bad = {
        "not JSON": Input("not JSON", b'{"input": ["a"', 0),
        "wrong task": Input("wrong task", request(["a"], task="poetry"), 0),
        "empty": Input("empty", b"", 0),
        "no text": Input("no text", b'{"input": []}', 0),
        "unknown type": Input("unknown type", b"<a/>", 0, "application/xml"),
        "missing": Input("missing", None, 0),
        "no dimensions": Input("no dimensions", request(["a"], dimensions=0), 0),
    }
    made += [bad[name] for name in bad for _ in range(5)]
    made += [Input("too large", b"{".ljust(MOST_BYTES + 1), 0) for _ in range(3)]
    chance.shuffle(made)
    assert len(made) == 200
    assert max(len(one.body or b"") for one in made if one.vectors) == 20 * 2**20
    return made


def request(texts: list[str], **more: Any) -> bytes:
    return json.dumps({"input": texts, "task": "text-matching", "dimensions": 32, **more}).encode()


def listen(aws: LocalAws, topics: list[str]) -> Callable[[], list[dict[str, Any]]]:
    """Subscribe a queue to topics, and return what takes the messages that have come."""
    sqs, sns = aws.client("sqs", REGION), aws.client("sns", REGION)
    queue = sqs.create_queue(QueueName="told-of-results")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    for topic in topics:
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def take() -> list[dict[str, Any]]:
        told = []
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                envelope = json.loads(message["Body"])
                told.append({"topic": envelope["TopicArn"], **json.loads(envelope["Message"])})
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return told

    return take


def send(aws: LocalAws, bucket: str, number: int, one: Input) -> dict[str, Any]:
    key = f"asynchronous/inputs/{number:03d}"
    if one.body is not None:
        aws.client("s3", REGION).put_object(Bucket=bucket, Key=key, Body=one.body)
    answer: dict[str, Any] = aws.client("sagemaker-runtime", REGION).invoke_endpoint_async(
        EndpointName=ENDPOINT,
        ContentType=one.content_type,
        InputLocation=f"s3://{bucket}/{key}",
        InferenceId=f"call-{number}",
    )
    return answer


def objects(aws: LocalAws, bucket: str, prefix: str) -> set[str]:
    pages = aws.client("s3", REGION).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {f"s3://{bucket}/{one['Key']}" for page in pages for one in page.get("Contents", ())}


def machines(aws: LocalAws) -> int:
    (one,) = aws.client("sagemaker", REGION).describe_endpoint(EndpointName=ENDPOINT)["ProductionVariants"]
    count: int = one["CurrentInstanceCount"]
    return count


def test_two_hundred_calls_and_a_lost_instance(aws: LocalAws, deployed: dict[str, str]) -> None:
    bucket, calls = deployed["ArtifactBucket"], inputs()
    take = listen(aws, [deployed["SuccessTopic"], deployed["FailureTopic"]])
    sent: list[dict[str, Any]] = []
    for number, one in enumerate(calls):
        if number in (70, 140):  # under whatever is in flight
            aws.faults.add(kind="instance_lost", endpoint=ENDPOINT, count=1)
        sent.append(send(aws, bucket, number, one))

    told: list[dict[str, Any]] = []
    deadline = time.monotonic() + 600
    while len(told) < len(calls):
        told += take()
        assert time.monotonic() < deadline, f"{len(told)} of {len(calls)} are told"
        time.sleep(0.2)
    assert not [rule for rule in aws.faults.list() if rule["count"]]  # both instances were lost

    assert set(Counter(one["inferenceId"] for one in told).values()) == {1}
    by_call = {one["inferenceId"]: one for one in told}
    outputs = objects(aws, bucket, "asynchronous/outputs/")
    failures = objects(aws, bucket, "asynchronous/failures/")
    for number, (one, answer) in enumerate(zip(calls, sent, strict=True)):
        notice = by_call[f"call-{number}"]
        place = {"good": answer["OutputLocation"], "bad": answer["FailureLocation"]}
        assert (place["good"] in outputs, place["bad"] in failures) == (one.vectors > 0, one.vectors == 0), one.kind
        if one.vectors:
            assert (notice["invocationStatus"], notice["topic"]) == ("Completed", deployed["SuccessTopic"])
            assert notice["responseParameters"]["outputLocation"] == answer["OutputLocation"]
            assert vectors(aws, answer["OutputLocation"], one) == one.vectors
        else:
            assert (notice["invocationStatus"], notice["topic"]) == ("Failed", deployed["FailureTopic"])
            assert notice["failureReason"]
    assert (len(outputs), len(failures)) == (162, 38)


def vectors(aws: LocalAws, location: str, one: Input) -> int:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    body = aws.client("s3", REGION).get_object(Bucket=bucket, Key=key)["Body"].read()
    if one.content_type != JSON:
        return len([line for line in body.splitlines() if "embedding" in json.loads(line)])
    rows = json.loads(body)["data"]
    assert all(abs(sum(value * value for value in row["embedding"]) - 1) < 1e-3 for row in rows)
    return len(rows)


def open_client() -> EmbeddingClient:
    return EmbeddingClient.from_deployment("later", region=REGION, task="text-matching", dimensions=32)


def kept(aws: LocalAws, bucket: str) -> set[str]:
    """Return what is in S3 of asynchronous calls."""
    return objects(aws, bucket, "asynchronous/")


def check_all_or_their_errors(tiny_model: Path) -> None:
    """Embed texts of which two are bad, in several requests."""
    chance = random.Random(11)
    texts = [" ".join(chance.choices(WORDS, k=chance.randint(1, 12))) for _ in range(1200)]
    texts[17], texts[700] = "", " ".join(WORDS * 800)
    bad = {17: "empty_text", 700: "text_too_long"}
    with open_client() as client:
        found = client.embed(texts, route="asynchronous", errors="return")
    assert {index: error.code for index, error in found.errors.items()} == bad
    good = [index for index in range(len(texts)) if index not in bad]
    encoder = Encoder.from_folder(tiny_model, device="cpu")
    expected = encoder.encode([texts[index] for index in good], task=Task.TEXT_MATCHING, dimensions=32)
    np.testing.assert_allclose(found.vectors[good], np.asarray(expected), atol=2e-5)
    assert found.usage.requests == 3


def test_the_client_gets_vectors_and_typed_failures_through_the_queue(
    aws: LocalAws, deployed: dict[str, str], tiny_model: Path, caller: None
) -> None:
    before = kept(aws, deployed["ArtifactBucket"])
    check_all_or_their_errors(tiny_model)
    with open_client() as client:
        assert client.embed(["sun", "harbour"], route="auto").route.route == "asynchronous"
        with pytest.raises(InvalidInputError) as refused:
            client.embed(["sun", "", "harbour"], route="asynchronous")
        assert (refused.value.code, refused.value.index) == ("empty_text", 1)
        with pytest.raises(ConfigurationError, match="route='asynchronous'"):
            client.embed("sun")

    async def ask() -> tuple[int, ...]:
        async with await AsyncEmbeddingClient.from_deployment("later", region=REGION, dimensions=32) as client:
            return (await client.embed(["sun", "boats"], route="asynchronous")).shape

    assert asyncio.run(ask()) == (2, 32)
    assert kept(aws, deployed["ArtifactBucket"]) == before


def test_the_command_knows_an_asynchronous_deployment(aws: LocalAws, deployed: dict[str, str]) -> None:
    told = succeed(aws, REGION, "embed", "--deployment", "later", "--dimensions", "32", given="sun\nboats\n")
    assert [len(json.loads(line)["embedding"]) for line in told.splitlines()] == [32, 32]
    check_all_is_well_but_the_width(jina_v3(aws, REGION, "doctor", "--deployment", "later", "--json").stdout)


def test_the_deployed_policies_let_it_sleep_and_wake_it(aws: LocalAws, deployed: dict[str, str], caller: None) -> None:
    for _ in range(40):
        if machines(aws) == 0:
            break
        aws.scaling.minute()
    assert machines(aws) == 0
    before = kept(aws, deployed["ArtifactBucket"])
    with open_client() as client, ThreadPoolExecutor(1) as thread:
        with pytest.raises(DeadlineError, match="before the asynchronous endpoint had answered"):
            client.embed("sun", route="asynchronous", deadline_s=1)
        assert kept(aws, deployed["ArtifactBucket"]) == before
        patient = thread.submit(client.embed, ["boats", "return"], route="asynchronous")
        check_it_wakes(aws, deployed)
        assert patient.result(120).shape == (2, 32)


def check_it_wakes(aws: LocalAws, deployed: dict[str, str]) -> None:
    answer = send(aws, deployed["ArtifactBucket"], 900, Input("good", request(["sun"]), 1))
    course = []
    for _ in range(2):
        aws.scaling.minute()
        course.append(machines(aws))
    assert course == [0, 1]
    deadline = time.monotonic() + 120
    while answer["OutputLocation"] not in objects(aws, deployed["ArtifactBucket"], "asynchronous/outputs/"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
