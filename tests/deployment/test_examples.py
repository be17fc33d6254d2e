"""Every example configuration, deployed by the command and the real CDK to the local AWS, called, and destroyed."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.inventory import Inventory
from tests.support.sagemaker_bench import until

from jina_v3_client import EmbeddingClient
from jina_v3_infra.config import Deployment, read_deployment
from local_aws.server import LocalAws

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

EXAMPLES = [
    path
    for path in sorted((Path(__file__).parents[2] / "infra" / "examples").iterdir())
    if path.stem != "two-regions"  # it has a test of its own
]
REQUEST = json.dumps({"input": ["Boote kehren heim"], "task": "retrieval.query", "dimensions": 32}).encode()
LIMIT_S = 120


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_deployed_answers_and_goes(
    aws: LocalAws, tiny_model: Path, example: Path, inventory: Inventory, caller: None
) -> None:
    overrides = [f"model.source={tiny_model}"]
    deployment = read_deployment(example, overrides)
    before = inventory(deployment.region)
    run(aws, "deploy", deployment.region, example, overrides)
    if deployment.endpoint.enabled:
        vector = call(aws, deployment)["data"][0]["embedding"]
        assert len(vector) == 32
        assert abs(sum(value * value for value in vector) - 1) < 1e-4
        check_the_client(aws, deployment, vector)
    run(aws, "status", deployment.region, example, overrides)
    run(aws, "destroy", deployment.region, example, [*overrides, "--delete-data"])
    assert inventory(deployment.region) == before


def check_the_client(aws: LocalAws, deployment: Deployment, vector: list[float]) -> None:
    with EmbeddingClient.from_deployment(deployment.name, region=deployment.region, dimensions=32) as client:
        found = client.embed("Boote kehren heim", task="retrieval.query", route="auto")
        np.testing.assert_allclose(found, [vector], atol=1e-5)
        component = deployment.endpoint.inference_component
        if component is not None and component.scaling.min == 0:
            check_it_is_woken(aws, deployment, client)


def check_it_is_woken(aws: LocalAws, deployment: Deployment, client: EmbeddingClient) -> None:
    """Have no copy be there: the client's call wakes one, and is answered by it."""
    sagemaker, name = aws.client("sagemaker", deployment.region), {"InferenceComponentName": deployment.endpoint_name}

    def copies() -> int | None:
        described = sagemaker.describe_inference_component(**name)
        settled = described["InferenceComponentStatus"] == "InService"
        return described["RuntimeConfig"]["CurrentCopyCount"] if settled else None

    def failures() -> list[Any]:
        metric = {"Namespace": "AWS/SageMaker", "MetricName": "NoCapacityInvocationFailures"}
        dimensions = [{"Name": key, "Value": value} for key, value in name.items()]
        found: list[Any] = aws.client("cloudwatch", deployment.region).list_metrics(**metric, Dimensions=dimensions)[
            "Metrics"
        ]
        return found

    sagemaker.update_inference_component_runtime_config(**name, DesiredRuntimeConfig={"CopyCount": 0})
    until(lambda: copies() == 0, LIMIT_S)
    assert failures() == []
    with ThreadPoolExecutor(1) as thread:
        patient = thread.submit(client.embed, "Boote kehren heim", task="retrieval.query")
        until(failures, LIMIT_S)  # the client has asked
        assert not patient.done()
        aws.scaling.minute()
        assert copies() == 1
        assert patient.result(LIMIT_S).shape == (1, 32)


def run(aws: LocalAws, step: str, region: str, example: Path, options: list[str]) -> None:
    overrides = [word for option in options for word in (("-c", option) if "=" in option else (option,))]
    agreed = [] if step == "status" else ["--yes"]
    ran = subprocess.run(
        [sys.executable, "-m", "jina_v3_infra.deploy", step, *agreed, "--config", str(example), *overrides],
        env=os.environ | aws.environment(region),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr


def call(aws: LocalAws, deployment: Deployment) -> Any:
    runtime = aws.client("sagemaker-runtime", deployment.region)
    named: dict[str, str] = {"EndpointName": deployment.endpoint_name, "ContentType": "application/json"}
    if deployment.endpoint.asynchronous is not None:
        return call_through_s3(aws, deployment, named)
    if deployment.endpoint.inference_component is not None:
        named["InferenceComponentName"] = deployment.endpoint_name
    return json.load(runtime.invoke_endpoint(**named, Body=REQUEST)["Body"])


def call_through_s3(aws: LocalAws, deployment: Deployment, named: dict[str, str]) -> Any:
    s3 = aws.client("s3", deployment.region)
    outputs = aws.client("cloudformation", deployment.region).describe_stacks(StackName=deployment.foundation_stack)
    bucket = {one["OutputKey"]: one["OutputValue"] for one in outputs["Stacks"][0]["Outputs"]}["ArtifactBucket"]
    s3.put_object(Bucket=bucket, Key="asynchronous/inputs/one.json", Body=REQUEST)
    answer = aws.client("sagemaker-runtime", deployment.region).invoke_endpoint_async(
        **named, InputLocation=f"s3://{bucket}/asynchronous/inputs/one.json"
    )
    key = answer["OutputLocation"].removeprefix(f"s3://{bucket}/")
    deadline = time.monotonic() + LIMIT_S
    while True:
        found = s3.list_objects_v2(Bucket=bucket, Prefix=key)
        if found["KeyCount"]:
            return json.load(s3.get_object(Bucket=bucket, Key=key)["Body"])
        assert time.monotonic() < deadline, "no output came"
        time.sleep(0.1)
