"""Two regions by the command: the order of the steps, the routers, going on, and that nothing is left in either."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters
from tests.infra.deploy.conftest import (
    ACCOUNT,
    ENDPOINT,
    FOUNDATION,
    REGION,
    SERVICES_MOTO_LACKS,
    TOOLKIT,
    FakeCdk,
    Services,
    answer_instead,
    client_error,
    make_stack,
)

from jina_v3_infra.deploy import command, destruction, routers
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.command import Tools
from jina_v3_infra.outputs import Origin

THERE = "eu-west-1"
TWO = ("-c", f"router.second_region={THERE}")
NEEDED = ["bootstrap", "foundation", "publish", "endpoint"]
Run = Callable[..., int]


@dataclass
class FakeRouters:
    """The routers of one region, which moto lacks; what it answers must have the shape of botocore's model.

    A change takes as many looks as ``looks`` says.
    """

    account: Account
    region: str
    looks: int = 2
    fails: str = ""
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    _left: dict[str, int] = field(default_factory=dict)

    def install(self) -> FakeRouters:
        client = self.account.client("sagemaker", self.region)
        real = client._make_api_call

        def call(operation: str, arguments: dict[str, Any]) -> Any:
            of_router = "inference-router/" in str(arguments.get("ResourceArn"))
            if "InferenceRouter" not in operation and not of_router:
                return real(operation, arguments)
            model = client.meta.service_model.operation_model(operation)
            validate_parameters(arguments, model.input_shape)
            response = getattr(self, operation)(**copy.deepcopy(arguments))
            if model.output_shape is not None:
                validate_parameters(response, model.output_shape)
            return response

        client._make_api_call = call
        return self

    def put(self, name: str, destinations: list[str], status: str = "InService", **tags: str) -> None:
        target = {"Name": "jina-embeddings-v3", "RoutingPreference": "LocalRegionFirst"}
        target["Destinations"] = [{"ResourceArn": arn, "RoutingStatus": "Routable"} for arn in destinations]
        arn = f"arn:aws:sagemaker:{self.region}:{ACCOUNT}:inference-router/{name}"
        self.made[name] = {
            "InferenceRouterName": name,
            "InferenceRouterArn": arn,
            "RoutingTargets": [target],
            "Status": status,
            "CreationTime": 0,
            "LastModifiedTime": 0,
        }
        self.tags[arn] = tags

    def destinations(self, name: str = "jina-v3") -> list[str]:
        (target,) = self.made[name]["RoutingTargets"]
        return [one["ResourceArn"] for one in target["Destinations"]]

    def CreateInferenceRouter(
        self, InferenceRouterName: str, RoutingTargets: list[Any], Tags: list[Any], ClientToken: str = ""
    ) -> Any:
        self.changes.append("create")
        arns = [one["ResourceArn"] for one in RoutingTargets[0]["Destinations"]]
        self.put(InferenceRouterName, arns, "Creating", **{one["Key"]: one["Value"] for one in Tags})
        self._left[InferenceRouterName] = self.looks
        return {"InferenceRouterArn": self.made[InferenceRouterName]["InferenceRouterArn"]}

    def UpdateInferenceRouter(self, InferenceRouterName: str, RoutingTargets: list[Any]) -> Any:
        self.changes.append("update")
        router = self.made[InferenceRouterName]
        assert router["Status"] == "InService"
        for one in RoutingTargets[0]["Destinations"]:
            one["RoutingStatus"] = "Routable"
        router |= {"RoutingTargets": RoutingTargets, "Status": "Updating"}
        self._left[InferenceRouterName] = self.looks
        return {"InferenceRouterArn": router["InferenceRouterArn"]}

    def DeleteInferenceRouter(self, InferenceRouterName: str) -> Any:
        self.changes.append("delete")
        assert self.made[InferenceRouterName]["Status"] in ("InService", "Failed")
        self.made[InferenceRouterName]["Status"] = "Deleting"
        self._left[InferenceRouterName] = self.looks
        return {}

    def DescribeInferenceRouter(self, InferenceRouterName: str) -> Any:
        router = self.made.get(InferenceRouterName)
        if router is not None and router["Status"].endswith("ing"):
            self._left[InferenceRouterName] -= 1
            if self._left[InferenceRouterName] <= 0 and router["Status"] == "Deleting":
                del self.made[InferenceRouterName]
                router = None
            elif self._left[InferenceRouterName] <= 0:
                router |= {"Status": "Failed", "StatusReason": self.fails} if self.fails else {"Status": "InService"}
        if router is None:
            raise client_error("DescribeInferenceRouter", "ResourceNotFound")
        return copy.deepcopy(router)

    def ListTags(self, ResourceArn: str, **_: Any) -> Any:
        return {"Tags": [{"Key": key, "Value": value} for key, value in self.tags[ResourceArn].items()]}


@dataclass
class Regions:
    """Both regions: their accounts, routers and what their services say."""

    here: Account
    there: Account
    routers: dict[str, FakeRouters]
    services: Services


class TwoRegionCdk(FakeCdk):
    """Makes the stacks of both regions, by the ids that the application gives them."""

    def call(self, *arguments: str) -> int:
        place = arguments[1]
        if THERE not in place:
            return super().call(*arguments)
        self.calls.append(arguments)
        self.on_call(arguments)
        there = self.account.in_region(THERE)
        if arguments[0] == "bootstrap":
            make_stack(there, "CDKToolkit", TOOLKIT)
            return 0
        stack = place.removesuffix(f"-{THERE}")
        make_stack(there, stack, {f"{self.name}-foundation": FOUNDATION, f"{self.name}-endpoint": ENDPOINT}[stack])
        return 0


@pytest.fixture
def cdk(account: Account) -> FakeCdk:
    return TwoRegionCdk(account)


@pytest.fixture
def regions(account: Account, monkeypatch: pytest.MonkeyPatch) -> Regions:
    monkeypatch.setattr(routers, "_POLL_S", 0.0)
    monkeypatch.setattr(destruction, "_POLL_S", 0.0)
    there, services = account.in_region(THERE), Services()
    for service in SERVICES_MOTO_LACKS:
        answer_instead(there.client(service), services.answer)
    fakes = {region: FakeRouters(account, region).install() for region in (REGION, THERE)}
    return Regions(account, there, fakes, services)


@pytest.fixture
def origins() -> list[Origin | None]:
    return []


@pytest.fixture
def tools(tools: Tools, published: list[str], origins: list[Origin | None]) -> Tools:
    def publish(deployment: Any, foundation: Any, session: Any, origin: Origin | None = None) -> str:
        published.append(f"{deployment.region}: {foundation.bucket}")
        origins.append(origin)
        return "it is there"

    return dataclasses.replace(tools, publish=publish)


def words(cdk: FakeCdk) -> list[tuple[str, ...]]:
    return [call[:2] for call in cdk.calls]


def arns(name: str = "jina-v3") -> list[str]:
    return [f"arn:aws:sagemaker:{region}:{ACCOUNT}:endpoint/{name}" for region in (REGION, THERE)]


def test_both_regions_are_deployed_one_after_the_other_and_then_the_routers(
    run: Run, cdk: FakeCdk, regions: Regions, published: list[str], origins: list[Origin | None], capsys: Any
) -> None:
    assert run("deploy", "--yes", *TWO) == 0
    assert words(cdk) == [
        ("bootstrap", f"aws://{ACCOUNT}/{REGION}"),
        ("deploy", "jina-v3-foundation"),
        ("deploy", "jina-v3-endpoint"),
        ("bootstrap", f"aws://{ACCOUNT}/{THERE}"),
        ("deploy", f"jina-v3-foundation-{THERE}"),
        ("deploy", f"jina-v3-endpoint-{THERE}"),
    ]
    assert cdk.synthesised == 1
    first, second = published
    assert first.startswith(REGION)
    assert second.startswith(THERE)
    assert origins == [None, Origin(region=REGION, bucket=first.partition(": ")[2])]
    for fake in regions.routers.values():
        assert fake.changes == ["create"]
        assert fake.destinations() == arns()
        (tags,) = fake.tags.values()
        assert tags == {"project": "jina-embeddings-v3", "deployment": "jina-v3"}
    out = capsys.readouterr().out
    steps = [*NEEDED, *(f"second-{name}" for name in NEEDED), "router"]
    for number, step in enumerate(steps, 1):
        assert f"[{number}/9] {step}: " in out
    for needle in (
        'EmbeddingClient(InferenceRouter("jina-v3", region="us-east-1"))',
        "--router jina-v3 --region us-east-1",
        "invoke_inference_router",
        "invoke-inference-router",
        "/inference-routers/jina-v3/invocations",
    ):
        assert needle in out
    assert "$2.50 an hour" in out


def test_a_second_run_changes_nothing(run: Run, cdk: FakeCdk, regions: Regions, capsys: Any) -> None:
    run("deploy", "--yes", *TWO)
    cdk.calls.clear()
    capsys.readouterr()
    assert run("deploy", "--yes", *TWO) == 0
    assert [word for word, _ in words(cdk)] == ["deploy"] * 4
    assert [fake.changes for fake in regions.routers.values()] == [["create"], ["create"]]
    assert f"{REGION}: as it should be, {THERE}: as it should be" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "called", "publications", "routed"),
    [
        (("--until", "endpoint"), [REGION, "jina-v3-foundation", "jina-v3-endpoint"], 1, False),
        (("--from", "second-foundation", "--until", "second-publish"), [f"jina-v3-foundation-{THERE}"], 1, False),
        (("--from", "router"), [], 0, True),
    ],
)
def test_steps_are_chosen(
    run: Run,
    cdk: FakeCdk,
    regions: Regions,
    published: list[str],
    options: tuple[str, ...],
    called: list[str],
    publications: int,
    routed: bool,
) -> None:
    if options[0] == "--from":
        run("deploy", "--yes", "--until", "second-endpoint", *TWO)
        cdk.calls.clear()
        published.clear()
    assert run("deploy", "--yes", *options, *TWO) == 0
    assert [call[1].rpartition("/")[2] for call in cdk.calls] == called
    assert len(published) == publications
    assert bool(regions.routers[REGION].made) is routed


@pytest.mark.parametrize("step", ["router", "second-publish"])
def test_a_step_of_a_second_region_that_there_is_not_is_refused(run: Run, cdk: FakeCdk, step: str, capsys: Any) -> None:
    assert run("deploy", "--yes", "--from", step) == 1
    assert cdk.calls == []
    assert f"there is no step {step}: the configuration has no [router]" in capsys.readouterr().err


def test_publishing_there_without_a_foundation_says_where_to_begin(run: Run, regions: Regions, capsys: Any) -> None:
    make_stack(regions.here, "jina-v3-foundation", FOUNDATION)
    assert run("deploy", "--yes", "--from", "second-publish", *TWO) == 1
    assert "begin with --from second-foundation" in capsys.readouterr().err


def test_routing_without_an_endpoint_is_one_sentence(run: Run, regions: Regions, capsys: Any) -> None:
    make_stack(regions.here, "jina-v3-endpoint", ENDPOINT)
    assert run("deploy", "--yes", "--from", "router", *TWO) == 1
    assert f"there is no endpoint jina-v3 in {THERE} to route to" in capsys.readouterr().err
    assert regions.routers[REGION].made == {}


def test_a_router_with_other_destinations_is_changed_and_one_that_failed_is_made_anew(
    run: Run, regions: Regions, capsys: Any
) -> None:
    run("deploy", "--yes", "--until", "second-endpoint", *TWO)
    own = {"deployment": "jina-v3"}
    regions.routers[REGION].put("jina-v3", arns("old"), **own)
    regions.routers[THERE].put("jina-v3", arns(), "Failed", **own)
    assert run("deploy", "--yes", "--from", "router", *TWO) == 0
    assert regions.routers[REGION].changes == ["update"]
    assert regions.routers[THERE].changes == ["delete", "create"]
    assert [fake.destinations() for fake in regions.routers.values()] == [arns(), arns()]


def test_a_router_that_fails_tells_why(run: Run, regions: Regions, capsys: Any) -> None:
    regions.routers[THERE].fails = "the service had no room"
    assert run("deploy", "--yes", *TWO) == 1
    assert f"the inference router jina-v3 in {THERE} has failed: the service had no room" in capsys.readouterr().err


@pytest.mark.parametrize("tags", [{}, {"deployment": "theirs"}], ids=["without tags", "of another"])
def test_a_router_of_somebody_else_is_neither_changed_nor_deleted(
    run: Run, cdk: FakeCdk, regions: Regions, tags: dict[str, str], capsys: Any
) -> None:
    theirs = arns("theirs")
    regions.routers[THERE].put("jina-v3", theirs, **tags)
    assert run("deploy", "--yes", *TWO) == 1
    assert (
        f"there is an inference router jina-v3 in {THERE} that this deployment has not made" in capsys.readouterr().out
    )
    assert cdk.calls == []
    assert run("deploy", "--yes", "--skip-preflight", *TWO) == 1
    assert "set router.name to another" in capsys.readouterr().err
    assert run("destroy", "--yes", *TWO) == 0
    assert regions.routers[THERE].changes == []
    assert regions.routers[THERE].destinations() == theirs
    assert "belongs to another deployment and was left alone" in capsys.readouterr().out


def test_ctrl_c_in_the_second_region_leaves_a_state_to_go_on_from(
    run: Run, cdk: FakeCdk, regions: Regions, capsys: Any
) -> None:
    def interrupt(arguments: tuple[str, ...]) -> None:
        if arguments[1] == f"jina-v3-foundation-{THERE}":
            raise KeyboardInterrupt

    cdk.on_call = interrupt
    assert run("deploy", "--yes", *TWO) == 130
    assert "deploy --from second-foundation continues" in capsys.readouterr().err
    cdk.on_call = lambda arguments: None
    assert run("deploy", "--yes", "--from", "second-foundation", *TWO) == 0
    assert regions.routers[THERE].destinations() == arns()


def everything(account: Account) -> list[str]:
    """Return what there is in a region, apart from the CDK's own."""
    stacks = [one["StackName"] for one in account.client("cloudformation").describe_stacks()["Stacks"]]
    endpoints = [one["EndpointName"] for one in account.client("sagemaker").list_endpoints()["Endpoints"]]
    repositories = account.client("ecr").describe_repositories()["repositories"]
    named = [one for one in stacks if one != "CDKToolkit"]
    return [*named, *endpoints, *(one["repositoryName"] for one in repositories)]


def test_destroying_begins_with_the_routers_and_leaves_nothing_in_either_region(
    run: Run, regions: Regions, capsys: Any
) -> None:
    run("deploy", "--yes", *TWO)
    assert everything(regions.here)
    assert everything(regions.there)
    capsys.readouterr()
    assert run("destroy", "--yes", *TWO) == 0
    assert everything(regions.here) == everything(regions.there) == []
    assert regions.here.client("s3").list_buckets()["Buckets"] == []
    assert [fake.made for fake in regions.routers.values()] == [{}, {}]
    out = capsys.readouterr().out
    events = ["inference router jina-v3 in us-east-1 is deleted", f"in {THERE}:", f"in {REGION}:", "looked: nothing"]
    places = [out.index(event) for event in events]
    assert places == sorted(places)
    assert run("destroy", "--yes", *TWO) == 0  # and again, on nothing


def test_data_in_the_second_region_is_kept_and_told(run: Run, regions: Regions, capsys: Any) -> None:
    run("deploy", "--yes", *TWO)
    stack = regions.there.client("cloudformation").describe_stacks(StackName="jina-v3-foundation")["Stacks"][0]
    (bucket,) = (one["OutputValue"] for one in stack["Outputs"] if one["OutputKey"] == "ArtifactBucket")
    regions.there.client("s3").put_object(Bucket=bucket, Key="capture/one.jsonl", Body=b"kept")
    assert run("destroy", "--yes", *TWO) == 0
    assert f"kept: s3://{bucket}/capture/" in capsys.readouterr().out
    assert "jina-v3-foundation" in everything(regions.there)
    assert everything(regions.here) == []


def test_what_stands_still_is_told_with_its_region(
    run: Run, regions: Regions, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    run("deploy", "--yes", *TWO)
    client = regions.there.client("resourcegroupstaggingapi")

    def refuse(operation: str, arguments: Any) -> Any:
        raise client_error(operation, "AccessDeniedException")

    monkeypatch.setattr(client, "_make_api_call", refuse)
    assert run("destroy", "--yes", *TWO) == 1
    err = capsys.readouterr().err
    assert "could not be looked for" in err
    assert f"tag:GetResources in {THERE}" in err


def test_the_preflight_looks_at_both_regions(run: Run, regions: Regions, capsys: Any) -> None:
    assert run("preflight", *TWO) == 0
    out = capsys.readouterr().out
    for line in (
        f"✓ credentials, {THERE}: they work in {THERE} too",
        f"✓ model, {THERE}: is copied from {REGION}",
        f"✓ bootstrap, {THERE}: {THERE} has no CDKToolkit stack yet",
        f"✓ router: jina-v3 will be made in {REGION}",
        f"✓ router: jina-v3 will be made in {THERE}",
        "✓ cost: $2.50 an hour",
        f"main in {THERE}: ml.g6.xlarge at $1.2500",
        "about $2 a month for the keys of 2 regions",
    ):
        assert line in out
    regions.services.quotas["ml.g6.xlarge"] = 0.0
    assert run("preflight", *TWO) == 1
    out = capsys.readouterr().out
    assert f"✗ quotas, {THERE}: the quota is 0" in out
    assert "✓ quotas: the quota is 4" in out


def test_a_region_that_the_account_has_not_enabled_is_told(run: Run, regions: Regions, capsys: Any) -> None:
    def refuse(operation: str, arguments: Any) -> Any:
        raise ClientError({"Error": {"Code": "InvalidClientTokenId", "Message": "no"}}, operation)

    regions.there.client("sts")._make_api_call = refuse
    assert run("preflight", *TWO) == 1
    out = capsys.readouterr().out
    assert f"✗ credentials, {THERE}: " in out
    assert f"enable {THERE} in the account's settings" in out


def test_the_status_is_of_both_regions_and_the_routers(run: Run, regions: Regions, capsys: Any) -> None:
    run("deploy", "--yes", *TWO)
    capsys.readouterr()
    assert run("status", *TWO) == 0
    out = capsys.readouterr().out
    for line in (f"in {REGION}:", f"in {THERE}:", f"inference router jina-v3 in {THERE}: InService"):
        assert line in out
    assert f"jina-embeddings-v3: {arns()[1]}: Routable" in out
    regions.routers[THERE].made.clear()
    assert run("status", *TWO) == 1
    assert f"inference router jina-v3 in {THERE}: not there" in capsys.readouterr().out


def test_a_component_is_the_destination_where_there_is_one(
    account: Account, regions: Regions, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jina_v3_infra.config import check_deployment

    found = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:inference-component/jina-v3"
    sagemaker = account.client("sagemaker")
    real = sagemaker._make_api_call

    def call(operation: str, arguments: Any) -> Any:
        if operation == "DescribeInferenceComponent":
            return {"InferenceComponentArn": found}
        return real(operation, arguments)

    monkeypatch.setattr(sagemaker, "_make_api_call", call)
    deployment = check_deployment({"endpoint": {"inference_component": {}}, "router": {"second_region": THERE}})
    assert routers.destination(account, deployment) == found


def test_the_words_of_the_destruction_name_both_regions(
    run: Run, regions: Regions, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(command.Screen, "is_terminal", property(lambda self: True))
    monkeypatch.setattr("builtins.input", lambda: "n")
    assert run("destroy", *TWO) == 1
    assert (
        f"delete jina-v3-endpoint and jina-v3-foundation in {REGION} and {THERE} of account" in capsys.readouterr().out
    )


@pytest.mark.parametrize("words", [(), ("-c", "router.second_region=eu-central-1")])
def test_a_second_region_that_the_configuration_has_forgotten_is_told_and_nothing_is_deleted(
    run: Run, regions: Regions, words: tuple[str, ...], capsys: Any
) -> None:
    run("deploy", "--yes", *TWO)
    capsys.readouterr()
    assert run("destroy", "--yes", *words) == 1
    assert f"destroy with -c router.second_region={THERE}; nothing was deleted" in capsys.readouterr().err
    assert everything(regions.here)
    assert everything(regions.there)
    if not words:
        assert run("preflight") == 0
        assert f"! router: this deployment stands in {THERE} too" in capsys.readouterr().out


def test_who_may_not_look_for_a_router_may_destroy(run: Run, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    client = account.client("sagemaker")
    real = client._make_api_call

    def call(operation: str, arguments: Any) -> Any:
        if operation == "DescribeInferenceRouter":
            raise client_error(operation, "AccessDeniedException")
        return real(operation, arguments)

    monkeypatch.setattr(client, "_make_api_call", call)
    monkeypatch.setattr(destruction, "_POLL_S", 0.0)
    run("deploy", "--yes")
    assert run("destroy", "--yes") == 0
    assert everything(account) == []
