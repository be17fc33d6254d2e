"""Inference routers by boto3: their operations, and calls that go to the endpoints of two regions."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import textwrap
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from tests.support.sagemaker_bench import IMAGE, ROLE, TINY_IMAGE, Bench, until, variant

from jina_v3_infra.deploy.calls import example_router_calls
from local_aws.settings import ACCESS_KEY, ACCOUNT, SECRET_KEY

HERE, THERE = "us-east-1", "eu-west-1"
TARGET = "embeddings"


def arn(region: str, kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:{region}:{ACCOUNT}:{kind}/{name}"


def targets(*arns: str, **more: Any) -> list[dict[str, Any]]:
    return [{"Name": TARGET, "Destinations": [{"ResourceArn": one} for one in arns], **more}]


class Routers:
    """What these tests do with routers of one AWS."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.sagemaker = bench.sagemaker
        self.runtime = bench.connect("sagemaker-inference-router-runtime")

    def make_endpoint(self, region: str, name: str, *, asynchronous: bool = False, **environment: str) -> str:
        """Make an endpoint of a region, whose container tells the region, and return its ARN."""
        client = self.bench.connect("sagemaker", region)
        source = {"S3Uri": "s3://models/first/", "S3DataType": "S3Prefix", "CompressionType": "None"}
        container = {
            "Image": IMAGE.replace(HERE, region),
            "ModelDataSource": {"S3DataSource": source},
            "Environment": {"TAG": region, **environment},
        }
        self.bench.aws.images.register(container["Image"], TINY_IMAGE)
        client.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        more = {}
        if asynchronous:
            more["AsyncInferenceConfig"] = {"OutputConfig": {"S3OutputPath": "s3://models/out/"}}
        client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant(name)], **more)
        made: str = client.create_endpoint(EndpointName=name, EndpointConfigName=name)["EndpointArn"]
        until(lambda: client.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService")
        return made

    def make(self, *arns: str, **more: Any) -> str:
        """Make a router and return its name, once it is in service."""
        name = f"Router-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_inference_router(InferenceRouterName=name, RoutingTargets=targets(*arns), **more)
        self.settled(name)
        return name

    def describe(self, name: str) -> dict[str, Any]:
        described: dict[str, Any] = self.sagemaker.describe_inference_router(InferenceRouterName=name)
        return described

    def settled(self, name: str) -> dict[str, Any]:
        return until(lambda: found if (found := self.describe(name))["Status"] == "InService" else None)

    def ask(self, router: str, wish: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        body = json.dumps(wish or {}).encode()
        answer: dict[str, Any] = self.runtime.invoke_inference_router(
            InferenceRouterName=router, RoutingTargetName=TARGET, Body=body, **more
        )
        return answer | {"said": json.loads(answer["Body"].read())}


@pytest.fixture(scope="module")
def routers(bench: Bench) -> Routers:
    return Routers(bench)


@pytest.fixture(scope="module")
def pair(routers: Routers) -> tuple[str, str]:
    """The endpoints of two regions, which the tests of this module share; none may change them."""
    return routers.make_endpoint(HERE, "shared-here"), routers.make_endpoint(THERE, "shared-there")


@pytest.fixture
def faults(bench: Bench) -> Iterator[Any]:
    yield bench.aws.faults
    bench.aws.faults.clear()


def test_a_router_is_created_described_listed_updated_tagged_and_deleted(
    routers: Routers, pair: tuple[str, str]
) -> None:
    client, name = routers.sagemaker, f"Life-{uuid.uuid4().hex[:6]}"
    made = client.create_inference_router(
        InferenceRouterName=name, RoutingTargets=targets(*pair), Tags=[{"Key": "deployment", "Value": "x"}]
    )
    assert made["InferenceRouterArn"] == arn(HERE, "inference-router", name.lower())
    found = routers.settled(name)
    assert found["RoutingTargets"] == [
        {
            "Name": TARGET,
            "Destinations": [{"ResourceArn": one, "RoutingStatus": "Routable"} for one in pair],
            "RoutingPreference": "LocalRegionFirst",
        }
    ]
    assert client.list_tags(ResourceArn=made["InferenceRouterArn"])["Tags"] == [{"Key": "deployment", "Value": "x"}]
    listed = [row["InferenceRouterName"] for page in _pages(client) for row in page["InferenceRouters"]]
    assert name in listed
    assert name not in str(routers.bench.connect("sagemaker", THERE).list_inference_routers())
    with routers.bench.set_to(waiting=1):
        client.update_inference_router(InferenceRouterName=name, RoutingTargets=found["RoutingTargets"][:1])
        assert routers.describe(name)["Status"] == "Updating"
        with pytest.raises(client.exceptions.ConflictException, match="Updating"):
            client.delete_inference_router(InferenceRouterName=name)
    routers.settled(name)
    with routers.bench.set_to(waiting=1):
        client.delete_inference_router(InferenceRouterName=name)
        assert routers.describe(name)["Status"] == "Deleting"

    def is_gone() -> bool:
        try:
            routers.describe(name)
        except client.exceptions.ResourceNotFound:
            return True
        return False

    until(is_gone)


def _pages(client: Any) -> Any:
    return client.get_paginator("list_inference_routers").paginate()


def test_a_name_is_taken_once_and_the_same_request_may_be_sent_again(routers: Routers, pair: tuple[str, str]) -> None:
    name = routers.make(*pair, ClientToken="once")
    again = routers.sagemaker.create_inference_router
    assert again(InferenceRouterName=name, RoutingTargets=targets(*pair), ClientToken="once")["InferenceRouterArn"]
    with pytest.raises(routers.sagemaker.exceptions.ResourceAlreadyExists):
        again(InferenceRouterName=name, RoutingTargets=targets(pair[0]), ClientToken="once")
    with pytest.raises(routers.sagemaker.exceptions.ResourceAlreadyExists):
        again(InferenceRouterName=name, RoutingTargets=targets(*pair))


def test_targets_that_cannot_be_are_refused(routers: Routers, pair: tuple[str, str]) -> None:
    asynchronous = routers.make_endpoint(HERE, "asynchronous", asynchronous=True)
    for given, complaint in (
        (targets(*pair) + targets(pair[0]), "must be unique"),
        (targets(pair[0], pair[0]), "only once"),
        (targets(asynchronous), "asynchronous endpoint"),
        (targets(pair[0].replace("arn:aws:", "arn:aws-cn:")), "partition"),
        (targets("arn:aws:s3:::bucket/of/things"), "regular expression"),
        (targets(*pair, RoutingPreference="InstancePoolOrder"), "asynchronous routing targets only"),
        (targets(pair[0].replace(ACCOUNT, "12")), "regular expression"),
    ):
        with pytest.raises(ClientError, match=complaint) as error:
            routers.sagemaker.create_inference_router(InferenceRouterName="wrong", RoutingTargets=given)
        assert error.value.response["Error"]["Code"] == "ValidationException"
    config = {"OutputConfig": {"S3OutputPath": "s3://models/", "S3FailurePath": "s3://models/"}}
    with pytest.raises(ClientError, match="does not model asynchronous"):
        routers.sagemaker.create_inference_router(
            InferenceRouterName="wrong", RoutingTargets=targets(asynchronous, AsyncInferenceConfig=config)
        )


def test_routing_status_tells_what_is_there_missing_and_another_account_s(
    routers: Routers, pair: tuple[str, str]
) -> None:
    ghost, foreign = arn(THERE, "endpoint", "ghost"), pair[1].replace(ACCOUNT, "999999999999")
    (target,) = routers.describe(routers.make(pair[0], ghost, foreign))["RoutingTargets"]
    assert [one["RoutingStatus"] for one in target["Destinations"]] == ["Routable", "Unroutable", "Unknown"]


def test_a_well_router_stays_in_its_region_and_says_so(routers: Routers, pair: tuple[str, str]) -> None:
    router = routers.make(*reversed(pair))  # the order in the list is none of preference
    for _ in range(5):
        answer = routers.ask(router, ContentType="application/json", Accept="text/csv", CustomAttributes="trace=1")
        assert answer["InvokedRoutedResourceArn"] == pair[0]
        assert answer["RoutingReason"] == "local-preferred"
        assert (answer["InvokedProductionVariant"], answer["CustomAttributes"]) == ("main", "TRACE=1")
        assert (answer["ContentType"], answer["said"]["tag"]) == ("application/json", HERE)
    passed = answer["said"]["headers"]
    passed.pop("Host")
    assert passed == {
        "Content-Type": "application/json",
        "Accept": "text/csv",
        "X-Amzn-SageMaker-Custom-Attributes": "trace=1",
        "Content-Length": "2",
    }


@pytest.mark.parametrize("kind", [{"kind": "throttle"}, {"kind": "error"}, {"kind": "error", "status": 500}])
def test_a_region_that_throttles_or_fails_is_left_without_a_failed_call_and_gone_back_to_little_by_little(
    routers: Routers, pair: tuple[str, str], faults: Any, kind: dict[str, Any]
) -> None:
    router = routers.make(*pair)
    fault = faults.add(operation="InvokeEndpoint", region=HERE, **kind)
    with routers.bench.set_to(waiting=1):  # it rests for half a minute
        seen = [routers.ask(router) for _ in range(20)]
        faults.remove(fault)
        seen.append(routers.ask(router))
        assert {(one["said"]["tag"], one["RoutingReason"]) for one in seen} == {(THERE, "failover")}

    def is_back() -> bool:
        seen.append(routers.ask(router))
        return [one["said"]["tag"] for one in seen[-10:]] == [HERE] * 10

    with routers.bench.set_to(waiting=0):  # it has rested
        until(is_back)
    way_back = [one["said"]["tag"] for one in seen[21:-9]]
    assert THERE in way_back  # not all at once; the seed's
    assert seen[-1]["RoutingReason"] == "local-preferred"


def test_an_error_of_the_model_is_the_caller_s_and_that_of_a_server_moves_the_next_call(
    routers: Routers, pair: tuple[str, str]
) -> None:
    router = routers.make(*pair)
    with pytest.raises(routers.runtime.exceptions.ModelError) as error:
        routers.ask(router, {"status": 400, "message": "no text"})
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert (error.value.response["OriginalStatusCode"], error.value.response["OriginalMessage"]) == (400, "no text")
    assert routers.ask(router)["said"]["tag"] == HERE  # the request was wrong, not the place
    with routers.bench.set_to(waiting=1):
        with pytest.raises(routers.runtime.exceptions.ModelError):
            routers.ask(router, {"status": 503, "message": "busy"})
        assert routers.ask(router)["said"]["tag"] == THERE


def test_a_call_that_times_out_is_not_made_again_elsewhere(routers: Routers, pair: tuple[str, str]) -> None:
    router = routers.make(*pair)
    with (
        routers.bench.set_to(model_timeout_s=1),
        pytest.raises(routers.runtime.exceptions.ModelError, match="invocation timed out"),
    ):
        routers.ask(router, {"until_file": "/absent/file"})


def test_a_region_without_its_endpoint_is_passed_over(routers: Routers, pair: tuple[str, str]) -> None:
    ghost = arn(HERE, "endpoint", "ghost")
    answer = routers.ask(routers.make(ghost, pair[1]))
    assert (answer["said"]["tag"], answer["RoutingReason"]) == (THERE, "only-healthy")
    third = routers.make_endpoint("eu-central-1", "shared-third")
    router = routers.make(ghost, pair[1], third)
    seen = Counter((routers.ask(router)["RoutingReason"], routers.ask(router)["said"]["tag"]) for _ in range(12))
    assert {reason for reason, _ in seen} == {"capacity-available"}
    assert {tag for _, tag in seen} == {THERE, "eu-central-1"}  # spread over the healthy ones


def test_nobody_who_can_answer_is_a_503(routers: Routers, pair: tuple[str, str], faults: Any) -> None:
    with pytest.raises(routers.runtime.exceptions.ServiceUnavailableException, match="No destination"):
        routers.ask(routers.make(arn(HERE, "endpoint", "ghost")))
    router = routers.make(*pair)
    faults.add(kind="throttle", operation="InvokeEndpoint")
    with pytest.raises(routers.runtime.exceptions.ServiceUnavailableException):
        routers.ask(router)


def test_a_router_s_own_throttling_and_loss_are_its_own(routers: Routers, pair: tuple[str, str], faults: Any) -> None:
    router = routers.make(*pair)
    faults.add(kind="throttle", operation="InvokeInferenceRouter", region=HERE, count=1)
    with pytest.raises(routers.runtime.exceptions.ThrottlingException) as error:
        routers.ask(router)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    faults.add(kind="error", operation="InvokeInferenceRouter", region=HERE, count=1)
    with pytest.raises(routers.runtime.exceptions.ServiceUnavailableException):
        routers.ask(router)
    assert routers.ask(router)["said"]["tag"] == HERE


def test_requests_that_are_wrong_are_refused(routers: Routers, pair: tuple[str, str]) -> None:
    router, call = routers.make(*pair), routers.runtime.invoke_inference_router
    with pytest.raises(routers.runtime.exceptions.ValidationException, match="router ghost of account"):
        call(InferenceRouterName="ghost", RoutingTargetName=TARGET, Body=b"{}")
    with pytest.raises(routers.runtime.exceptions.ValidationException, match="no routing target other"):
        call(InferenceRouterName=router, RoutingTargetName="other", Body=b"{}")
    with pytest.raises(routers.runtime.exceptions.ValidationException, match="can't be empty"):
        call(InferenceRouterName=router, RoutingTargetName=TARGET, Body=b"")
    body = b'{"echo": 1, "x": "' + b"y" * (6 * 2**20 - 20) + b'"}'
    assert len(body) == 6 * 2**20
    answer = call(InferenceRouterName=router, RoutingTargetName=TARGET, Body=body)
    assert answer["Body"].read() == body
    with pytest.raises(ClientError) as error:
        call(InferenceRouterName=router, RoutingTargetName=TARGET, Body=body + b" ")
    assert error.value.response["Error"]["Code"] == "413"
    wrong = routers.bench.connect("sagemaker-inference-router-runtime", aws_secret_access_key="wrong")
    with pytest.raises(ClientError, match="signature we calculated does not match"):
        wrong.invoke_inference_router(InferenceRouterName=router, RoutingTargetName=TARGET, Body=b"{}")
    with pytest.raises(ClientError, match="does not model asynchronous"):
        routers.runtime.invoke_inference_router_async(
            InferenceRouterName=router, RoutingTargetName=TARGET, InputLocation="s3://models/x"
        )


def test_a_component_is_a_destination_and_one_without_copies_is_not_ready(
    routers: Routers, pair: tuple[str, str]
) -> None:
    bench, name = routers.bench, f"component-{uuid.uuid4().hex[:6]}"
    endpoint = bench.create_endpoint(bench.create_config(variant(None), ExecutionRoleArn=ROLE))
    specification = {
        "ModelName": bench.create_model(TAG="component"),
        "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 1024, "NumberOfAcceleratorDevicesRequired": 1},
    }
    made = bench.sagemaker.create_inference_component(
        InferenceComponentName=name,
        EndpointName=endpoint,
        VariantName="main",
        Specification=specification,
        RuntimeConfig={"CopyCount": 1},
    )["InferenceComponentArn"]

    def status() -> str:
        described = bench.sagemaker.describe_inference_component(InferenceComponentName=name)
        return str(described["InferenceComponentStatus"])

    until(lambda: status() == "InService")
    router, alone = routers.make(made, pair[1]), routers.make(made)
    assert routers.ask(router)["said"]["tag"] == "component"
    bench.sagemaker.update_inference_component_runtime_config(
        InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": 0}
    )
    until(lambda: status() == "InService")
    assert routers.ask(router)["said"]["tag"] == THERE
    with pytest.raises(routers.runtime.exceptions.ModelNotReadyException, match="no capacity"):
        routers.ask(alone)


def test_the_lines_that_deploying_prints_work_as_they_are(
    routers: Routers, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The Python is run here, the curl by a shell; the AWS CLI is held to the operation's members."""
    printed = example_router_calls(routers.make(*pair), TARGET, HERE, routers.bench.aws.url)
    by_python, _, rest = printed.partition("boto3:\n")[2].partition("AWS CLI:\n")
    by_cli, _, by_curl = rest.partition("curl:\n")
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    for name, value in {**keys, "AWS_ENDPOINT_URL": routers.bench.aws.url}.items():
        monkeypatch.setenv(name, value)
    exec(textwrap.dedent(by_python), {})
    shown = capsys.readouterr().out
    assert f'"TAG": "{HERE}"' in shown
    assert pair[0] in shown
    members = botocore.session.get_session().get_service_model("sagemaker-inference-router-runtime")
    known = {xform_name(name, "-") for name in members.operation_model("InvokeInferenceRouter").input_shape.members}
    words = [word.removeprefix("--") for word in shlex.split(by_cli.replace("\\\n", "")) if word.startswith("--")]
    assert set(words) - known == {"region", "cli-binary-format"}
    if shutil.which("curl") is not None:
        known_to_curl = {"PATH": os.environ["PATH"], "no_proxy": "*", **keys}
        done = subprocess.run(["sh", "-c", by_curl], env=known_to_curl, capture_output=True, check=True)
        assert json.loads(done.stdout)["tag"] == HERE


def test_a_machine_that_is_lost_under_load_fails_no_call_that_comes_after(routers: Routers, bench: Bench) -> None:
    """Calls that the lost container had begun to answer fail as a model's; no other does, and traffic comes back."""
    pair = routers.make_endpoint(HERE, "load-here"), routers.make_endpoint(THERE, "load-there")
    router = routers.make(*pair)
    seen: list[str] = []
    failed: list[ClientError] = []
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            try:
                seen.append(routers.ask(router)["said"]["tag"])
            except ClientError as error:
                failed.append(error)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    until(lambda: len(seen) > 20)
    assert set(seen) == {HERE}
    lost = bench.aws.faults.add(kind="instance_lost", region=HERE, endpoint="load-here", count=1)
    until(lambda: THERE in seen)
    mark = len(seen)
    until(lambda: seen[mark:][-20:] == [HERE] * 20)
    stop.set()
    for caller in callers:
        caller.join()
    bench.aws.faults.remove(lost)
    assert len(failed) <= 4  # those in flight
    for error in failed:
        assert error.response["Error"]["Code"] == "ModelError"
        assert error.response["OriginalStatusCode"] == 0
