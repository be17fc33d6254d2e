"""Two regions on one local AWS, by the command that users run and the real CDK.

deploy → calls through the routers → deploy again, nothing changes → the first region's endpoint answers nobody, and
calls go on → back again → the client embeds many texts while a region is lost, over both endpoints and over a router →
destroy, and nothing is left in either region.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.config import Config
from tests.support.client_command import succeed
from tests.support.inventory import Inventory

from jina_v3.contract import Task
from jina_v3.encoder import Encoder
from jina_v3_client import (
    EmbeddingClient,
    Endpoint,
    EndpointNotFoundError,
    Failover,
    InferenceRouter,
    RequestLimits,
    Settings,
)
from jina_v3_client.routing.policies import Choice
from jina_v3_infra.config import read_deployment
from jina_v3_infra.deploy.routers import TARGET
from local_aws.server import LocalAws
from local_aws.settings import ACCESS_KEY, SECRET_KEY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

EXAMPLE = Path(__file__).parents[2] / "infra" / "examples" / "two-regions.toml"
HERE, THERE = "us-east-1", "eu-west-1"
TEXTS = ["the sun rises over the harbour", "Boote kehren heim"]
LIMIT_S = 120


def command(aws: LocalAws, model: Path, *words: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "jina_v3_infra.deploy", *words, "--config", str(EXAMPLE), "-c", f"model.source={model}"],
        env=os.environ | aws.environment(HERE),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout + ran.stderr


class Caller:
    """Calls one region's router, once each: a call that fails shall be seen, not made again."""

    def __init__(self, aws: LocalAws, region: str, router: str) -> None:
        self.router = router
        self._runtime = boto3.client(
            "sagemaker-inference-router-runtime",
            region_name=region,
            endpoint_url=aws.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=170),  # as AWS asks for
        )

    def embed(self) -> tuple[np.ndarray, str, str]:
        """Return the vectors, the region that made them and why it was that one."""
        body = {"data": [{"text": text} for text in TEXTS], "parameters": {"task": "text-matching", "dimensions": 32}}
        answer = self._runtime.invoke_inference_router(
            InferenceRouterName=self.router,
            RoutingTargetName=TARGET,
            ContentType="application/json",
            Body=json.dumps(body).encode(),
        )
        vectors = [item["embedding"] for item in json.load(answer["Body"])["data"]]
        region = answer["InvokedRoutedResourceArn"].split(":")[3]
        return np.array(vectors, np.float32), region, answer["RoutingReason"]


@contextmanager
def lost(aws: LocalAws, region: str) -> Iterator[None]:
    """Lose a region's endpoint: whatever is asked of it fails, and its router is there still."""
    fault = aws.faults.add(kind="error", operation="InvokeEndpoint", region=region)
    yield
    aws.faults.remove(fault)


def endpoints(aws: LocalAws, name: str) -> list[Any]:
    return [
        aws.client("sagemaker", region).describe_endpoint(EndpointName=name)["LastModifiedTime"]
        for region in (HERE, THERE)
    ]


def routers(aws: LocalAws, name: str) -> list[Any]:
    return [
        aws.client("sagemaker", region).describe_inference_router(InferenceRouterName=name)["LastModifiedTime"]
        for region in (HERE, THERE)
    ]


def objects(aws: LocalAws, region: str, stack: str) -> dict[str, tuple[int, str]]:
    """Return size and sha256 of every object of a published release."""
    outputs = aws.client("cloudformation", region).describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    (bucket,) = (one["OutputValue"] for one in outputs if one["OutputKey"] == "ArtifactBucket")
    s3 = aws.client("s3", region)
    found = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="models/"):
        for one in page["Contents"]:
            head = s3.head_object(Bucket=bucket, Key=one["Key"])
            found[one["Key"]] = (head["ContentLength"], head["Metadata"]["sha256"])
    return found


def many_texts() -> list[str]:
    chance = random.Random(3)
    return [" ".join(chance.choices(" ".join(TEXTS).split(), k=chance.randint(1, 9))) for _ in range(600)]


def check_none_is_lost(aws: LocalAws, target: Choice, operation: str, texts: list[str], expected: np.ndarray) -> None:
    """Embed many texts, while the first region is lost and comes back: each in its place, once, and right."""
    found, most = [], 10_000
    settings = Settings(concurrency=4, window=8, limits=RequestLimits(texts=10))
    with EmbeddingClient(target, region=HERE, task="text-matching", dimensions=32, settings=settings) as client:
        for one in client.embed_iter(texts):
            found.append(one)
            if len(found) == 150:
                aws.faults.add(kind="error", operation=operation, region=HERE, count=most)
            elif len(found) == 450:
                (loss,) = aws.faults.list()
                assert loss["count"] < most  # it was met
                aws.faults.clear()
    assert [one.index for one in found] == list(range(len(texts)))
    np.testing.assert_allclose([one.vector for one in found], expected, atol=2e-5)


def check_the_client(aws: LocalAws, encoder: Encoder, name: str) -> None:
    texts = many_texts()
    expected = np.asarray(encoder.encode(texts, task=Task.TEXT_MATCHING, dimensions=32))
    here, there = (Endpoint(name, region=region) for region in (HERE, THERE))
    routers_of_both = (InferenceRouter(name, region=region) for region in (HERE, THERE))
    check_none_is_lost(aws, Failover(here, there), "InvokeEndpoint", texts, expected)
    check_none_is_lost(aws, InferenceRouter(name, region=HERE), "InvokeEndpoint", texts, expected)
    check_none_is_lost(aws, Failover(*routers_of_both), "InvokeInferenceRouter", texts, expected)

    wide = Settings(limits=RequestLimits(request_bytes=20_000_000, tokens=10_000_000))
    padded = [" " * 250_000 + text for text in TEXTS * 15]  # 7.5 MB, and a router takes 6
    with EmbeddingClient(InferenceRouter(name, region=HERE), dimensions=32, settings=wide) as client:
        assert client.embed(padded).usage.requests == 2
    with (
        EmbeddingClient(InferenceRouter("nobody", region=HERE)) as client,
        pytest.raises(EndpointNotFoundError, match=f"nobody .*not found, in {HERE}"),
    ):
        client.embed("harbour")
    told = succeed(aws, HERE, "embed", "harbour", "--router", name, "--region", THERE, "--dimensions", "32")
    assert len(json.loads(told)["embedding"]) == 32


def test_calls_go_on_while_a_region_is_lost(
    aws: LocalAws, tiny_model: Path, inventory: Inventory, caller: None
) -> None:
    deployment = read_deployment(EXAMPLE)
    name = deployment.endpoint_name
    before = [inventory(HERE), inventory(THERE)]
    screen = command(aws, tiny_model, "deploy", "--yes")
    assert "invoke_inference_router" in screen
    assert "MB copied inside S3" in screen
    first = objects(aws, HERE, deployment.foundation_stack)
    assert first == objects(aws, THERE, deployment.foundation_stack)

    encoder = Encoder.from_folder(tiny_model, device="cpu")
    expected = np.asarray(encoder.encode(TEXTS, task=Task.TEXT_MATCHING, dimensions=32))
    here, there = Caller(aws, HERE, name), Caller(aws, THERE, name)
    for one, region in ((here, HERE), (there, THERE)):
        vectors, served, reason = one.embed()
        assert np.abs(vectors - expected).max() < 1e-5
        assert (served, reason) == (region, "local-preferred")

    made = [*endpoints(aws, name), *routers(aws, name)]
    again = command(aws, tiny_model, "deploy", "--yes")  # nothing to do, and nothing is done
    assert again.lower().count("no changes") == 4
    assert [*endpoints(aws, name), *routers(aws, name)] == made
    assert f"inference router {name} in {THERE}: InService" in command(aws, tiny_model, "status")

    with lost(aws, HERE):
        for _ in range(20):
            vectors, served, reason = here.embed()
            assert np.abs(vectors - expected).max() < 1e-5
            assert (served, reason) == (THERE, "failover")
    deadline = time.monotonic() + LIMIT_S
    served_by = []
    while served_by[-5:] != [HERE] * 5:
        assert time.monotonic() < deadline, "the traffic did not come back"
        served_by.append(here.embed()[1])

    check_the_client(aws, encoder, name)
    command(aws, tiny_model, "destroy", "--yes")
    assert [inventory(HERE), inventory(THERE)] == before
