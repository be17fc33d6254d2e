"""``jina-v3 endpoints`` and ``jina-v3 doctor`` against the local AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.sagemaker_bench import REGION, ROLE, Bench, until, variant

from local_aws.server import LocalAws
from local_aws.settings import ACCOUNT, Settings

Run = Callable[..., tuple[int, bytes, str]]

TAGS = [{"Key": "project", "Value": "jina-embeddings-v3"}, {"Key": "deployment", "Value": "demo"}]
PARTS = ("local_aws.cloudformation", "local_aws.sagemaker")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    settings = Settings(state_folder=tmp_path_factory.mktemp("aws"), waiting=0.001)
    with LocalAws(settings) as aws:
        yield Bench(aws)


@pytest.fixture(scope="module")
def deployed(bench: Bench) -> dict[str, str]:
    """What a region has: an endpoint of this model, another's that is asynchronous, a component, a router, a stack."""
    names = {}
    names["texts"] = bench.create_endpoint(bench.simple_config(), Tags=TAGS)
    more = {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://models/out/"}}}
    names["slow"] = bench.create_endpoint(bench.create_config(variant(bench.create_model()), **more))
    scaling = {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 1}
    shell = bench.create_config(variant(None, ManagedInstanceScaling=scaling), ExecutionRoleArn=ROLE)
    names["shell"] = bench.create_endpoint(shell)
    names["component"] = "words"
    bench.sagemaker.create_inference_component(
        InferenceComponentName="words",
        EndpointName=names["shell"],
        VariantName="main",
        Specification={
            "ModelName": bench.create_model(),
            "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 1024, "NumberOfAcceleratorDevicesRequired": 1.0},
        },
        RuntimeConfig={"CopyCount": 1},
        Tags=TAGS,
    )
    look = bench.sagemaker.describe_inference_component
    until(lambda: look(InferenceComponentName="words")["InferenceComponentStatus"] == "InService")
    names["router"] = "both"
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/{names['texts']}"
    targets = [{"Name": "jina-embeddings-v3", "Destinations": [{"ResourceArn": arn}]}]
    bench.sagemaker.create_inference_router(InferenceRouterName="both", RoutingTargets=targets)
    template = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    stacks = bench.connect("cloudformation")
    stacks.create_stack(StackName="demo-foundation", TemplateBody=template, Tags=TAGS)
    until(lambda: stacks.describe_stacks(StackName="demo-foundation")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")
    return names


@pytest.fixture(autouse=True)
def aws(bench: Bench, deployed: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in bench.aws.environment(REGION).items():
        monkeypatch.setenv(name, value)


def test_endpoints_lists_what_the_region_has(run: Run, deployed: dict[str, str]) -> None:
    status, out, err = run("endpoints")
    assert (status, err) == (0, "")
    rows = {tuple(row[:2]): row[2:] for line in out.decode().splitlines() for row in [line.split("\t")]}
    assert rows["endpoint", deployed["texts"]] == ["InService", "main: 1 × ml.g6.xlarge", "real-time", "demo"]
    assert rows["endpoint", deployed["slow"]] == ["InService", "main: 1 × ml.g6.xlarge", "asynchronous", ""]
    assert rows["component", "words"] == ["InService", f"1 of 1 copies on {deployed['shell']}/main", "", "demo"]
    assert rows["router", "both"][1] == f"jina-embeddings-v3 → {REGION}/{deployed['texts']}"
    assert rows["deployment", "demo"] == ["CREATE_COMPLETE", "demo-foundation", "", "demo"]
    assert len(rows) == 6


def test_endpoints_as_json(run: Run, deployed: dict[str, str]) -> None:
    found: dict[str, Any] = json.loads(run("endpoints", "--json")[1])
    assert found["region"] == REGION
    assert {one["name"] for one in found["endpoints"]} == {deployed[key] for key in ("texts", "slow", "shell")}
    assert found["deployments"] == [{"name": "demo", "stacks": {"demo-foundation": "CREATE_COMPLETE"}}]


def test_a_region_without_anything_says_so(run: Run) -> None:
    status, out, err = run("endpoints", "--region", "eu-west-1")
    assert (status, out) == (0, b"")
    assert "nothing in eu-west-1" in err


def test_credentials_that_aws_does_not_know_end_the_command_in_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    status, _, err = run("endpoints")
    assert status == 1
    assert err.count("\n") == 1
    assert "credentials" in err
    assert "wrong" not in err
