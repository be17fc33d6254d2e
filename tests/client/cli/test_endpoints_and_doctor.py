"""``jina-v3 endpoints`` and ``jina-v3 doctor`` against the local AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.sagemaker_bench import REGION, ROLE, Bench, until, variant
from tests.support.watched_clients import WatchedClients

from jina_v3_client.cli import clients
from jina_v3_client.cli.checks_here import check_clock, check_identity
from jina_v3_client.cli.checks_there import check_call, check_permission
from jina_v3_client.cli.places import Place
from jina_v3_client.errors import ConnectionFailedError
from jina_v3_client.testing import InMemoryClient
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
    names = {
        "texts": "texts-main",
        "slow": "texts-slow",
        "shell": "words-shell",
        "component": "words",
        "router": "both",
    }
    scaling = {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 1}
    asynchronous = {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://models/out/"}}}
    configs = {
        "texts": bench.simple_config(),
        "slow": bench.create_config(variant(bench.create_model()), **asynchronous),
        "shell": bench.create_config(variant(None, ManagedInstanceScaling=scaling), ExecutionRoleArn=ROLE),
    }
    for kind, config in configs.items():
        tags = TAGS if kind == "texts" else []
        bench.sagemaker.create_endpoint(EndpointName=names[kind], EndpointConfigName=config, Tags=tags)
    bench.wait(names["shell"], "InService")
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
    for kind in ("texts", "slow"):
        bench.wait(names[kind], "InService")
    look = bench.sagemaker.describe_inference_component
    until(lambda: look(InferenceComponentName="words")["InferenceComponentStatus"] == "InService")
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/{names['texts']}"
    targets = [{"Name": "jina-embeddings-v3", "Destinations": [{"ResourceArn": arn}]}]
    bench.sagemaker.create_inference_router(InferenceRouterName="both", RoutingTargets=targets)
    machine = bench.connect("stepfunctions").create_state_machine(
        name="demo-batch", definition='{"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}', roleArn=ROLE
    )["stateMachineArn"]
    stacks = bench.connect("cloudformation")
    outputs = {
        "demo-foundation": {"ArtifactBucket": "models"},
        "demo-endpoint": {"EndpointName": names["texts"]},
        "demo-batch": {"StateMachineArn": machine},
    }
    for name, told in outputs.items():
        template = {
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {key: {"Value": value} for key, value in told.items()},
        }
        stacks.create_stack(StackName=name, TemplateBody=json.dumps(template), Tags=TAGS)
    for name in outputs:
        until(lambda name=name: stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")
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
    assert rows["deployment", "demo"] == [
        "CREATE_COMPLETE",
        "demo-batch, demo-endpoint, demo-foundation",
        "",
        "demo",
    ]
    assert len(rows) == 6


def test_endpoints_as_json(run: Run, deployed: dict[str, str]) -> None:
    found: dict[str, Any] = json.loads(run("endpoints", "--json")[1])
    assert found["region"] == REGION
    assert {one["name"] for one in found["endpoints"]} == {deployed[key] for key in ("texts", "slow", "shell")}
    (deployment,) = found["deployments"]
    assert deployment["name"] == "demo"
    assert deployment["stacks"]["demo-endpoint"] == "CREATE_COMPLETE"


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
    assert "secret key" in err
    assert "wrong" not in err


@pytest.fixture
def examine(run: Run) -> Callable[..., tuple[int, dict[str, list[dict[str, str]]]]]:
    def call(*words: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
        status, out, _ = run("doctor", "--json", *words)
        told = json.loads(out)
        assert told["healthy"] is (status == 0)
        checks: dict[str, list[dict[str, str]]] = {}
        for finding in told["checks"]:
            checks.setdefault(finding["check"], []).append(finding)
        return status, checks

    return call


Examine = Callable[..., tuple[int, dict[str, list[dict[str, str]]]]]


def verdicts(checks: dict[str, list[dict[str, str]]], verdict: str) -> set[str]:
    return {name for name, found in checks.items() if any(one["verdict"] == verdict for one in found)}


def test_doctor_finds_nothing_wrong_where_nothing_is(
    run: Run, deployed: dict[str, str], watched: WatchedClients
) -> None:
    status, out, err = run("doctor", "--endpoint", deployed["texts"])
    told = out.decode()
    assert (status, err) == (0, ""), told
    assert "✗" not in told
    for sentence in (
        "from environment variables",
        f"account {ACCOUNT}, arn:aws:",
        f"{deployed['texts']} is InService, real-time",
        "main: 1 × ml.g6.xlarge",
        "a vector of 1024 numbers and length 1.000 in ",
        "sagemaker:InvokeEndpoint is allowed",
    ):
        assert sentence in told
    assert "testing" not in told, "credentials are never shown"
    assert watched.open_ones == 0


def test_doctor_looks_at_a_deployments_endpoint_and_batch(
    examine: Examine, deployed: dict[str, str], watched: WatchedClients
) -> None:
    status, checks = examine("--deployment", "demo")
    assert status == 0
    assert checks["endpoint"][0]["sentence"] == f"{deployed['texts']} is InService, real-time"
    assert checks["batch"][0]["sentence"] == "the state machine demo-batch is ACTIVE"


def test_a_deployments_name_finds_its_endpoint_and_its_batch(run: Run) -> None:
    with clients.open_client(Place(deployment="demo")) as client:
        assert repr(client) == f"<EmbeddingClient of {REGION}/texts-main>"
    assert run("batch", "runs", "--deployment", "demo")[:2] == (0, b"")


def test_doctor_says_which_component_is_to_be_named(
    examine: Examine, deployed: dict[str, str], watched: WatchedClients
) -> None:
    status, checks = examine("--endpoint", deployed["shell"])
    assert status == 1
    assert checks["component"][0]["fix"] == "give --inference-component, one of words"
    assert "call" not in checks, "what cannot go well is not tried"
    status, checks = examine("--endpoint", deployed["shell"], "--inference-component", "words")
    assert status == 0
    assert checks["component"][0]["sentence"] == "words is InService, 1 of 1 copies"


@pytest.mark.parametrize(
    ("words", "check", "fix"),
    [
        (["--endpoint", "texts-main", "--region", "eu-west-1"], "endpoint", "see the region too"),
        (["--router", "nowhere"], "router", "of one region"),
        (["--deployment", "nowhere"], "deployment", "jina-v3 endpoints"),
        ([], "endpoint", "--endpoint NAME"),
        (["--profile", "nobody"], "profile", "config"),
    ],
)
def test_doctor_says_what_to_do(examine: Examine, words: list[str], check: str, fix: str) -> None:
    status, checks = examine(*words)
    assert status == 1
    assert verdicts(checks, "wrong") == {check}
    assert fix in checks[check][0]["fix"]


def test_doctor_says_that_an_address_is_none(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "localhost")
    status, checks = examine("--endpoint", "texts")
    assert status == 1
    assert verdicts(checks, "wrong") == {"address"}
    assert "AWS_ENDPOINT_URL" in checks["address"][0]["fix"]


def test_doctor_does_not_send_people_to_the_doctor() -> None:
    class Unreachable(InMemoryClient):
        def embed(self, *_: Any, **__: Any) -> Any:
            raise ConnectionFailedError("no connection", advice="check the network; `jina-v3 doctor` tries each")

    assert check_call(Unreachable()).fix == "check the network"


def test_doctor_knows_a_near_name(examine: Examine, deployed: dict[str, str]) -> None:
    _, checks = examine("--endpoint", deployed["texts"][:-1])
    assert checks["endpoint"][0]["fix"] == f"did you mean {deployed['texts']}?"


def test_doctor_looks_at_a_router(examine: Examine, deployed: dict[str, str], watched: WatchedClients) -> None:
    status, checks = examine("--router", deployed["router"])
    assert status == 0
    assert checks["router"][0]["sentence"] == "both is InService, over 1 endpoints"


def test_doctor_does_not_call_an_asynchronous_endpoint_by_its_name(
    examine: Examine, deployed: dict[str, str], watched: WatchedClients
) -> None:
    status, checks = examine("--endpoint", deployed["slow"])
    assert status == 0
    assert checks["call"][0]["verdict"] == "unsure"
    assert checks["permission"][0]["verdict"] == "unsure"  # the local IAM simulates nothing
    assert watched.asked == []


def test_doctor_tells_a_wrong_secret_from_a_missing_endpoint(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    status, checks = examine("--endpoint", "texts")  # the local STS lets everybody in
    assert status == 1
    assert "the secret key does not belong to the access key" in checks["endpoint"][0]["sentence"]


def test_who_is_not_known_to_aws_has_a_clock_to_be_looked_at() -> None:
    class Sts:
        def get_caller_identity(self) -> Any:
            refused = {
                "Error": {"Code": "SignatureDoesNotMatch", "Message": "Signature expired: 20200101T000000Z"},
                "ResponseMetadata": {"HTTPHeaders": {"date": "Wed, 01 Jan 2020 00:00:00 GMT"}},
            }
            raise ClientError(refused, "GetCallerIdentity")

    (identity, caller), (clock, _) = check_identity(Sts())
    assert caller is None
    assert (identity.check, identity.verdict.name) == ("identity", "WRONG")
    assert (clock.check, clock.verdict.name) == ("clock", "WRONG")
    assert "fast" in clock.sentence


def test_doctor_finds_that_there_are_no_credentials(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    status, checks = examine("--endpoint", "texts")
    assert status == 1
    assert verdicts(checks, "wrong") == {"credentials"}


def test_doctor_finds_that_there_is_no_region(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    status, checks = examine("--endpoint", "texts")
    assert status == 1
    assert verdicts(checks, "wrong") == {"region"}


@pytest.mark.parametrize(("seconds", "verdict"), [(0, "RIGHT"), (120, "UNSURE"), (-900, "WRONG"), (900, "WRONG")])
def test_the_clock_is_compared_with_the_time_of_an_answer(seconds: int, verdict: str) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    headers = {"date": format_datetime(now - timedelta(seconds=seconds), usegmt=True)}
    found = check_clock(headers, now)
    assert found is not None
    assert found.verdict.name == verdict
    assert ("fast" in found.sentence) is (seconds > 0)
    assert check_clock({}, now) is None


def test_a_container_that_is_not_this_models_fails_the_call(examine: Examine, deployed: dict[str, str]) -> None:
    status, checks = examine("--endpoint", deployed["texts"])  # the tiny image's answers are its own
    assert status == 1
    assert verdicts(checks, "wrong") == {"call"}


def test_what_iam_says_of_a_role_is_told() -> None:
    class Iam:
        def simulate_principal_policy(self, **asked: Any) -> dict[str, Any]:
            assert asked["PolicySourceArn"] == f"arn:aws:iam::{ACCOUNT}:role/app"
            allowed = asked["ActionNames"] == ["sagemaker:InvokeEndpoint"]
            return {"EvaluationResults": [{"EvalDecision": "allowed" if allowed else "implicitDeny"}]}

    caller = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/session"
    assert check_permission(Iam(), caller, "sagemaker:InvokeEndpoint", "arn:x").verdict.name == "RIGHT"
    refused = check_permission(Iam(), caller, "sagemaker:InvokeEndpointAsync", "arn:x")
    assert (refused.verdict.name, refused.fix) == ("WRONG", "allow it on arn:x")
