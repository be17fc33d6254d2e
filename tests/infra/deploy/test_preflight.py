"""Each check: when it is right, when it is wrong, and when it cannot know."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from tests.infra.deploy.conftest import (
    ACCOUNT,
    ENDPOINT,
    FOUNDATION,
    TOOLKIT,
    Services,
    answer_instead,
    client_error,
    make_endpoint,
    make_stack,
)

from jina_v3_infra.config import Deployment, check_deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.findings import Finding
from jina_v3_infra.deploy.preflight import Preflight, run_preflight
from jina_v3_infra.outputs import read_foundation
from jina_v3_infra.release import plan_release

REPOSITORY = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/jina-v3"
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": 1,
            "digest": "sha256:" + "0" * 64,
        },
        "layers": [],
    }
)


def look(account: Account, content: dict[str, Any] | None = None, docker: bool = True) -> Preflight:
    return run_preflight(account, check_deployment(content or {}), lambda: docker)


def find(found: Preflight, check: str) -> list[Finding]:
    return [one for one in found.findings if one.check == check]


def only(found: Preflight, check: str) -> Finding:
    (finding,) = find(found, check)
    return finding


def refuse(account: Account, service: str, failures: dict[str, Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have some operations of a service fail."""
    client = account.client(service)
    real = client._make_api_call

    def call(operation: str, arguments: dict[str, Any]) -> Any:
        if operation in failures:
            raise failures[operation]
        return real(operation, arguments)

    monkeypatch.setattr(client, "_make_api_call", call)


def scaled(least: int, most: int, **more: Any) -> dict[str, Any]:
    variant = {"scaling": {"min": least, "max": most}, **more}
    return {"endpoint": {"variants": [variant]}}


def test_an_empty_account_passes(account: Account) -> None:
    found = look(account)
    assert found.passed
    assert [one.check for one in found.findings] == [
        "credentials",
        "region",
        "quotas",
        "image",
        "model",
        "network",
        "bootstrap",
        "stacks",
        "stacks",
        "name",
        "scaling role",
        "cost",
    ]
    assert {one.verdict for one in found.findings} == {"✓"}


@pytest.mark.parametrize(
    ("failure", "sentence", "fix"),
    [
        (client_error("GetCallerIdentity", "ExpiredToken"), "session of AWS has expired", "log in again"),
        (client_error("GetCallerIdentity", "InvalidClientTokenId"), "does not know these credentials", "log in again"),
        (NoCredentialsError(), "there are no AWS credentials here", "aws configure sso"),
        (EndpointConnectionError(endpoint_url="https://sts"), "cannot be reached", "check the network"),
    ],
)
def test_without_credentials_nothing_else_is_asked(
    account: Account, monkeypatch: pytest.MonkeyPatch, failure: Exception, sentence: str, fix: str
) -> None:
    refuse(account, "sts", {"GetCallerIdentity": failure}, monkeypatch)
    found = look(account)
    assert not found.passed
    assert found.cost is None
    (finding,) = found.findings
    assert (finding.check, finding.verdict) == ("credentials", "✗")
    assert sentence in finding.sentence
    assert fix in finding.fix


def test_another_account_than_the_configurations_is_wrong(account: Account) -> None:
    assert look(account, {"account": ACCOUNT}).passed
    finding = only(look(account, {"account": "999999999999"}), "credentials")
    assert finding.verdict == "✗"
    assert ACCOUNT in finding.sentence
    assert "999999999999" in finding.sentence


@pytest.mark.parametrize(
    ("quota", "content", "verdict", "wanted"),
    [
        (0, scaled(1, 1), "✗", 2),
        (1, scaled(1, 1), "!", 2),  # an update needs a second one beside it
        (2, scaled(1, 1), "✓", 2),
        (3, scaled(1, 4), "✗", 8),
        (7, scaled(1, 4), "!", 8),
        (8, scaled(1, 4), "✓", 8),
        # two variants on the same machine share the quota
        (
            5,
            {"endpoint": {"variants": [{"name": n, "scaling": {"min": 1, "max": 3}} for n in ("a", "b")]}},
            "✗",
            12,
        ),
        # components are updated in place, by one machine more
        (4, scaled(0, 4) | {"endpoint": scaled(0, 4)["endpoint"] | {"inference_component": {}}}, "!", 5),
        (5, scaled(0, 4) | {"endpoint": scaled(0, 4)["endpoint"] | {"inference_component": {}}}, "✓", 5),
    ],
)
def test_quotas_are_compared_with_what_is_needed(
    account: Account, services: Services, quota: int, content: dict[str, Any], verdict: str, wanted: int
) -> None:
    services.quotas["ml.g6.xlarge"] = float(quota)
    finding = only(look(account, content), "quotas")
    assert finding.verdict == verdict
    assert f"{quota} × ml.g6.xlarge" in finding.sentence
    if verdict != "✓":
        assert f"--desired-value {wanted} " in finding.fix
        assert "us-east-1.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas/L-TEST0001" in finding.fix


def test_a_pool_without_quota_is_only_worth_knowing(account: Account, services: Services) -> None:
    services.quotas |= {"ml.g5.xlarge": 0.0}
    first, second = find(look(account, scaled(1, 2, instance_pool=["ml.g5.xlarge"])), "quotas")
    assert (first.verdict, second.verdict) == ("✓", "!")
    assert "pool" in second.sentence


def test_the_accounts_quota_comes_before_the_default(account: Account, services: Services) -> None:
    services.quotas, services.default_quotas = {"ml.g6.xlarge": 9.0}, {"ml.g6.xlarge": 0.0}
    assert only(look(account), "quotas").verdict == "✓"
    services.quotas = {}
    assert only(look(account), "quotas").verdict == "✗"


@pytest.mark.parametrize(
    ("listed", "failure", "verdict"),
    [
        (False, None, "✗"),  # neither service knows it
        (True, None, "!"),  # sold there, though without a quota
        (False, client_error("GetProducts", "AccessDeniedException"), "!"),  # one witness is not enough
    ],
)
def test_a_machine_that_the_region_lacks(
    account: Account, services: Services, listed: bool, failure: Any, verdict: str
) -> None:
    services.quotas, services.prices = {"ml.g5.xlarge": 1.0}, {"ml.g6.xlarge": 1.0} if listed else {}
    services.failure = {"GetProducts": failure} if failure else {}
    finding = only(look(account), "region")
    assert finding.verdict == verdict
    assert "ml.g6.xlarge" in finding.sentence
    assert finding.fix


@pytest.mark.parametrize(
    ("service", "operation", "check", "permission"),
    [
        ("service-quotas", "ListServiceQuotas", "quotas", "servicequotas:ListServiceQuotas"),
        ("cloudformation", "DescribeStacks", "bootstrap", "cloudformation:DescribeStacks"),
        ("cloudformation", "DescribeStacks", "stacks", "cloudformation:DescribeStacks"),
        ("cloudformation", "DescribeStacks", "image", "cloudformation:DescribeStacks"),
        ("cloudformation", "DescribeStacks", "model", "cloudformation:DescribeStacks"),
        ("sagemaker", "DescribeEndpoint", "name", "sagemaker:DescribeEndpoint"),
        ("iam", "GetRole", "scaling role", "iam:GetRole"),
        ("pricing", "GetProducts", "cost", "pricing:GetProducts"),
    ],
)
def test_a_check_that_is_not_allowed_names_the_permission(
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
    service: str,
    operation: str,
    check: str,
    permission: str,
) -> None:
    refuse(account, service, {operation: client_error(operation, "AccessDeniedException")}, monkeypatch)
    found = look(account, scaled(1, 2))
    finding = only(found, check)
    assert finding.verdict == "!"
    assert permission in finding.sentence
    assert found.passed


def test_the_permission_in_the_message_is_believed(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    message = "User: arn:aws:iam::1:user/x is not authorized to perform: kms:Decrypt on resource: y"
    refuse(account, "iam", {"GetRole": client_error("GetRole", "AccessDenied", message)}, monkeypatch)
    assert "kms:Decrypt" in only(look(account, scaled(1, 2)), "scaling role").sentence


def push(account: Account, tag: str) -> None:
    account.client("ecr").put_image(repositoryName="jina-v3", imageManifest=MANIFEST, imageTag=tag)


def test_the_image_is_there_or_will_be_built(account: Account) -> None:
    assert "CodeBuild" in only(look(account), "image").sentence
    make_stack(account, "jina-v3-foundation", FOUNDATION)
    assert "CodeBuild" in only(look(account), "image").sentence
    tag = plan_release(Deployment()).image_tag
    push(account, str(tag))
    assert only(look(account), "image").sentence == f"{REPOSITORY}:{tag} is there"


def test_docker_must_answer_where_it_is_to_build(account: Account) -> None:
    content = {"image": {"build": "docker"}}
    assert only(look(account, content, docker=True), "image").verdict == "✓"
    finding = only(look(account, content, docker=False), "image")
    assert finding.verdict == "✗"
    assert "CodeBuild" in finding.fix


def test_a_named_image_is_looked_up(account: Account) -> None:
    make_stack(account, "jina-v3-foundation", FOUNDATION)
    push(account, "v1")
    digest = account.client("ecr").describe_images(repositoryName="jina-v3")["imageDetails"][0]["imageDigest"]
    for uri, verdict in {
        f"{REPOSITORY}:v1": "✓",
        f"{REPOSITORY}@{digest}": "✓",
        f"{REPOSITORY}:v2": "✗",
        f"{REPOSITORY}/other:v1": "✗",
    }.items():
        assert only(look(account, {"image": {"uri": uri}}), "image").verdict == verdict, uri


def test_a_model_folder_must_be_one(account: Account, tiny_model: Path, tmp_path: Path) -> None:
    release = plan_release(check_deployment({"model": {"source": str(tiny_model)}}))
    content = {"model": {"source": str(tiny_model)}}
    assert "will be published" in only(look(account, content), "model").sentence
    finding = only(look(account, {"model": {"source": str(tmp_path)}}), "model")
    assert finding.verdict == "✗"
    assert "no model folder" in finding.sentence
    make_stack(account, "jina-v3-foundation", FOUNDATION)
    (bucket,) = [one["Name"] for one in account.client("s3").list_buckets()["Buckets"]]
    account.client("s3").put_object(Bucket=bucket, Key=release.manifest_key, Body=b"{}")
    assert only(look(account, content), "model").sentence == f"release {release.model} is published"


def test_a_hub_id_needs_a_commit(account: Account) -> None:
    assert "ab036b023d30" in only(look(account), "model").sentence
    finding = only(look(account, {"model": {"source": "someone/else"}}), "model")
    assert finding.verdict == "✗"
    assert "commit" in finding.sentence


@pytest.mark.parametrize(
    ("keys", "verdict"),
    [
        ((), "✗"),
        (("m/config.json",), "✗"),
        (("m/model.safetensors",), "✗"),
        (("other/config.json", "other/model.safetensors"), "✗"),
        (("m/config.json", "m/model.safetensors"), "✓"),
    ],
)
def test_an_s3_prefix_must_hold_a_model(account: Account, keys: tuple[str, ...], verdict: str) -> None:
    content = {"model": {"source": "s3://there/m/"}}
    assert "no bucket" in only(look(account, content), "model").sentence
    s3 = account.client("s3")
    s3.create_bucket(Bucket="there")
    for key in keys:
        s3.put_object(Bucket="there", Key=key, Body=b"x")
    assert only(look(account, content), "model").verdict == verdict


def test_the_key_of_a_model_in_s3_must_be_the_roles_to_use(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    s3, kms = account.client("s3"), account.client("kms")
    s3.create_bucket(Bucket="there")
    s3.put_object(Bucket="there", Key="m/config.json", Body=b"x")
    mine, other = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))

    def model(key: str | None = None, **encryption: str) -> list[Finding]:
        s3.put_object(Bucket="there", Key="m/model.safetensors", Body=b"x", **encryption)
        return find(look(account, {"model": {"source": "s3://there/m/", "kms_key": key}}), "model")

    def encrypted(key: str) -> dict[str, str]:
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}

    assert [one.verdict for one in model()] == ["✓"]
    assert [one.verdict for one in model(mine, **encrypted(mine))] == ["✓"]
    for key in (None, other):
        _, finding = model(key, **encrypted(mine))
        assert finding.verdict == "✗"
        assert f"s3://there/m/model.safetensors is encrypted by the key {mine}" in finding.sentence
        assert f"model.kms_key is {key or 'not given'}" in finding.sentence
        assert f"set model.kms_key = '{mine}'" in finding.fix
    make_stack(account, "jina-v3-foundation", FOUNDATION)
    own = read_foundation(account.client("cloudformation"), "jina-v3-foundation")
    assert own is not None
    assert [one.verdict for one in model(**encrypted(own.key_arn))] == ["✓"]
    with monkeypatch.context() as patch:  # moto calls no key AWS's own
        metadata = {"KeyMetadata": {"KeyId": mine, "KeyManager": "AWS"}}
        patch.setattr(kms, "_make_api_call", lambda operation, arguments: metadata)
        assert [one.verdict for one in model(**encrypted(mine))] == ["✓"]
    refuse(account, "kms", {"DescribeKey": client_error("DescribeKey", "AccessDeniedException")}, monkeypatch)
    _, finding = model(**encrypted(mine))
    assert (finding.verdict, "kms:DescribeKey" in finding.sentence) == ("!", True)
    refuse(account, "s3", {"HeadObject": client_error("HeadObject", "403")}, monkeypatch)
    _, finding = model(**encrypted(mine))
    assert (finding.verdict, "s3:GetObject" in finding.sentence) == ("!", True)


def test_a_new_vpc_needs_its_zones(account: Account) -> None:
    asked: dict[str, Any] = {}
    subnets: list[dict[str, str]] = []

    def answer(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        asked[operation] = {one["Name"]: one["Values"] for one in arguments["Filters"]}
        if operation == "DescribeSubnets":
            return {"Subnets": subnets}
        return {"AvailabilityZones": [{"ZoneName": f"us-east-1{letter}"} for letter in "abc"]}

    answer_instead(account.client("ec2"), answer)
    assert only(look(account, {"network": {"vpc": "create", "zones": 3}}), "network").verdict == "✓"
    finding = only(look(account, {"network": {"vpc": "create", "zones": 4}}), "network")
    assert finding.verdict == "✗"
    assert "network.zones = 4" in finding.sentence
    assert "3 (us-east-1a, us-east-1b, us-east-1c)" in finding.sentence
    assert finding.fix == "set network.zones to 3 or fewer"
    assert asked["DescribeAvailabilityZones"] == {
        "state": ["available"],
        "zone-type": ["availability-zone"],
        "opt-in-status": ["opt-in-not-required"],
    }
    # Fn::GetAZs, by which the template takes them, leaves out those without a default subnet where others have one
    subnets += [{"AvailabilityZone": f"us-east-1{letter}"} for letter in "bcz"]
    assert (
        "2 (us-east-1b, us-east-1c)"
        in only(look(account, {"network": {"vpc": "create", "zones": 3}}), "network").sentence
    )
    assert only(look(account, {"network": {"vpc": "create", "zones": 2}}), "network").verdict == "✓"


def test_the_parts_of_a_vpc_are_looked_up(account: Account) -> None:
    ec2 = account.client("ec2")
    mine, other = (ec2.create_vpc(CidrBlock=block)["Vpc"]["VpcId"] for block in ("10.1.0.0/16", "10.2.0.0/16"))
    subnet, stray = (
        ec2.create_subnet(VpcId=vpc, CidrBlock=block)["Subnet"]["SubnetId"]
        for vpc, block in ((mine, "10.1.0.0/24"), (other, "10.2.0.0/24"))
    )
    group, foreign = (
        ec2.create_security_group(GroupName="x", Description="x", VpcId=vpc)["GroupId"] for vpc in (mine, other)
    )

    def network(subnets: list[str], groups: list[str]) -> list[tuple[str, str]]:
        settings = {"vpc": mine, "subnets": subnets, "security_groups": groups}
        found = find(look(account, {"network": settings}), "network")
        assert all(one.fix for one in found if one.verdict != "✓")
        return [(one.verdict, one.sentence) for one in found]

    assert [verdict for verdict, _ in network([subnet], [group])] == ["✓", "✓"]
    assert network([subnet, stray, "subnet-0"], [group])[:2] == [
        ("✗", f"the subnet {stray} belongs to {other}, and network.vpc = {mine!r}"),
        ("✗", "there is no subnet subnet-0 in us-east-1"),
    ]
    assert network([subnet], ["sg-0", foreign])[1:] == [
        ("✗", "there is no security group sg-0 in us-east-1"),
        ("✗", f"the security group {foreign} belongs to {other}, and network.vpc = {mine!r}"),
    ]


@pytest.mark.parametrize(
    ("operation", "network"),
    [
        ("DescribeAvailabilityZones", {"vpc": "create"}),
        ("DescribeSubnets", {"vpc": "vpc-1", "subnets": ["subnet-1"], "security_groups": ["sg-1"]}),
        ("DescribeSecurityGroups", {"vpc": "vpc-1", "subnets": ["subnet-1"], "security_groups": ["sg-1"]}),
    ],
)
def test_a_network_that_may_not_be_asked_for(
    account: Account, monkeypatch: pytest.MonkeyPatch, operation: str, network: dict[str, Any]
) -> None:
    refuse(account, "ec2", {operation: client_error(operation, "UnauthorizedOperation")}, monkeypatch)
    (finding,) = [one for one in find(look(account, {"network": network}), "network") if one.verdict == "!"]
    assert f"the missing permission is ec2:{operation}" in finding.sentence


@pytest.mark.parametrize(
    ("version", "status", "verdict"),
    [("30", "UPDATE_COMPLETE", "✓"), ("3", "CREATE_COMPLETE", "!"), ("30", "ROLLBACK_COMPLETE", "!")],
)
def test_the_toolkit_must_be_new_enough_and_whole(account: Account, version: str, status: str, verdict: str) -> None:
    make_stack(account, "CDKToolkit", TOOLKIT | {"Outputs": {"BootstrapVersion": {"Value": version}}})
    set_status(account, "CDKToolkit", status)
    assert only(look(account), "bootstrap").verdict == verdict


@pytest.mark.parametrize(
    ("status", "verdict", "fix"),
    [
        ("UPDATE_IN_PROGRESS", "!", ""),
        ("UPDATE_ROLLBACK_FAILED", "✗", "cdk rollback jina-v3-foundation"),
        ("DELETE_FAILED", "✗", "jina-v3-infra destroy"),
        ("UPDATE_COMPLETE", "✓", ""),
    ],
)
def test_a_stack_that_takes_no_change_is_wrong(account: Account, status: str, verdict: str, fix: str) -> None:
    make_stack(account, "jina-v3-foundation", FOUNDATION)
    set_status(account, "jina-v3-foundation", status)
    finding = find(look(account), "stacks")[0]
    assert finding.verdict == verdict
    assert fix in finding.fix


def test_a_foundation_that_broke_off_is_none(account: Account) -> None:
    make_stack(account, "jina-v3-foundation", {"Resources": FOUNDATION["Resources"]})  # no outputs yet
    found = look(account)
    assert found.passed
    assert "CodeBuild" in only(found, "image").sentence
    assert "will be fetched" in only(found, "model").sentence


def test_the_endpoints_name_must_be_free_or_ones_own(account: Account) -> None:
    make_stack(account, "jina-v3-endpoint", ENDPOINT)
    assert "own" in only(look(account), "name").sentence
    make_endpoint(account, "theirs")
    finding = only(look(account, {"endpoint": {"name": "theirs"}}), "name")
    assert finding.verdict == "✗"
    assert "set endpoint.name" in finding.fix


def test_an_endpoint_stays_asynchronous_or_real_time(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    make_stack(account, "jina-v3-endpoint", ENDPOINT)
    finding = only(look(account, {"endpoint": {"asynchronous": {}}}), "name")
    assert finding.verdict == "✗"
    assert "is real-time, and the configuration's is asynchronous" in finding.sentence
    assert "set endpoint.name to another" in finding.fix
    sagemaker = account.client("sagemaker")
    standing = sagemaker.describe_endpoint(EndpointName="jina-v3") | {"AsyncInferenceConfig": {"OutputConfig": {}}}
    monkeypatch.setattr(sagemaker, "describe_endpoint", lambda **_: standing)
    assert "is asynchronous, and the configuration's is real-time" in only(look(account), "name").sentence


def test_a_stack_that_the_configuration_no_longer_has_is_named(account: Account) -> None:
    assert not [one for one in find(look(account), "stacks") if "jina-v3-batch" in one.sentence]
    make_stack(account, "jina-v3-batch", TOOLKIT)
    found = look(account)
    (finding,) = [one for one in find(found, "stacks") if "jina-v3-batch" in one.sentence]
    assert finding.verdict == "!"
    assert "goes on" in finding.sentence
    assert "delete-stack --stack-name jina-v3-batch" in finding.fix
    assert found.passed


def test_the_scaling_role_matters_where_something_scales(account: Account) -> None:
    assert "not needed" in only(look(account, scaled(2, 2)), "scaling role").sentence
    assert only(look(account, scaled(1, 2)), "scaling role").verdict == "!"
    account.client("iam").create_service_linked_role(AWSServiceName="sagemaker.application-autoscaling.amazonaws.com")
    account.client("iam").create_role(
        RoleName="AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint", AssumeRolePolicyDocument="{}"
    )
    assert only(look(account, scaled(1, 2)), "scaling role").verdict == "✓"


def test_the_command_prints_the_findings_and_ends_by_them(
    run: Callable[..., int], services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("preflight") == 0
    out = capsys.readouterr().out
    assert f"✓ credentials: they work for account {ACCOUNT} in us-east-1\n" in out
    assert "main: ml.g6.xlarge at $1.2500 an hour (AWS's price list, on demand)" in out
    services.quotas["ml.g6.xlarge"] = 0.0
    assert run("preflight") == 1
    out = capsys.readouterr().out
    assert "✗ quotas: the quota is 0 × ml.g6.xlarge" in out
    assert "\n  fix: ask for 2: https://" in out


def set_status(account: Account, name: str, status: str) -> None:
    from moto.cloudformation.models import cloudformation_backends

    for stack in cloudformation_backends[ACCOUNT][account.region].stacks.values():
        if stack.name == name:
            stack.status = status
