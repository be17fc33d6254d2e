"""Destroying leaves nothing that bills and keeps data, whatever state the stacks are in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.infra.deploy.conftest import (
    ENDPOINT,
    FOUNDATION,
    TOOLKIT,
    client_error,
    make_endpoint,
    make_stack,
)

from jina_v3_infra.deploy import command, destruction
from jina_v3_infra.deploy.account import Account

Run = Callable[..., int]
DOCKER = "application/vnd.docker"


def manifest(digit: str) -> str:
    config = {"mediaType": f"{DOCKER}.container.image.v1+json", "size": 1, "digest": f"sha256:{digit * 64}"}
    kind = f"{DOCKER}.distribution.manifest.v2+json"
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [config]})


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destruction, "_POLL_S", 0.0)


@pytest.fixture
def bucket(account: Account) -> str:
    """The bucket of a deployment that stands, with what publishing leaves in it."""
    make_stack(account, "CDKToolkit", TOOLKIT)
    make_stack(account, "jina-v3-foundation", FOUNDATION)
    make_stack(account, "jina-v3-endpoint", ENDPOINT)
    s3, ecr = account.client("s3"), account.client("ecr")
    (name,) = (one["Name"] for one in s3.list_buckets()["Buckets"])
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})  # moto's stack did not
    for key in ("sources/a.zip", "models/r/config.json", "archives/r/model.tar.gz", "manifests/r.json"):
        s3.put_object(Bucket=name, Key=key, Body=b"first")
        s3.put_object(Bucket=name, Key=key, Body=b"second")
    s3.delete_object(Bucket=name, Key="sources/a.zip")  # leaves a delete marker
    s3.create_multipart_upload(Bucket=name, Key="models/r/model.safetensors")
    for digit in "01":
        ecr.put_image(repositoryName="jina-v3", imageManifest=manifest(digit), imageTag=f"cu128-{digit}")
    return str(name)


def everything(account: Account) -> Iterator[str]:
    """Yield what there is in the account, apart from the CDK's own."""
    for one in account.client("cloudformation").describe_stacks()["Stacks"]:
        if one["StackName"] != "CDKToolkit":
            yield one["StackName"]
    sagemaker = account.client("sagemaker")
    yield from (one["EndpointName"] for one in sagemaker.list_endpoints()["Endpoints"])
    yield from (one["EndpointConfigName"] for one in sagemaker.list_endpoint_configs()["EndpointConfigs"])
    yield from (one["ModelName"] for one in sagemaker.list_models()["Models"])
    yield from (one["Name"] for one in account.client("s3").list_buckets()["Buckets"])
    yield from (one["repositoryName"] for one in account.client("ecr").describe_repositories()["repositories"])
    yield from (one["logGroupName"] for one in account.client("logs").describe_log_groups()["logGroups"])


def test_nothing_is_left(run: Run, account: Account, bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    account.client("logs").create_log_group(logGroupName="/aws/codebuild/jina-v3-image")
    assert list(everything(account))
    assert run("destroy", "--yes") == 0
    assert list(everything(account)) == []
    out = capsys.readouterr().out
    assert f"{bucket}: 9 object versions deleted" in out  # four keys twice, and the marker
    assert "jina-v3: 2 images deleted" in out
    assert "log groups deleted: /aws/codebuild/jina-v3-image" in out
    assert "looked: nothing that bills is left" in out
    assert run("destroy", "--yes") == 0  # and again, on nothing


def test_data_is_kept_and_told(run: Run, account: Account, bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    s3 = account.client("s3")
    for number in range(3):
        s3.put_object(Bucket=bucket, Key=f"capture/main/{number}.jsonl", Body=b"x" * 500_000)
    s3.put_object(Bucket=bucket, Key="note.txt", Body=b"mine")
    assert run("destroy", "--yes") == 0
    assert set(everything(account)) == {"jina-v3-foundation", bucket, "jina-v3"}
    assert {one["Key"] for one in s3.list_object_versions(Bucket=bucket)["Versions"]} == {
        "note.txt",
        *(f"capture/main/{number}.jsonl" for number in range(3)),
    }
    out = capsys.readouterr().out
    assert f"kept: s3://{bucket}/capture/: 3 object versions, 1.5 MB" in out
    assert f"kept: s3://{bucket}/note.txt: 1 object version," in out
    assert "about $1.00 a month" in out  # of the key; the storage is cents
    assert "jina-v3-infra destroy --delete-data" in out
    assert "nothing else that bills is left" in out

    assert run("destroy", "--yes", "--delete-data") == 0
    assert list(everything(account)) == []


def test_old_versions_of_data_are_data_too(run: Run, account: Account, bucket: str) -> None:
    s3 = account.client("s3")
    s3.put_object(Bucket=bucket, Key="capture/a", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="capture/a")
    assert run("destroy", "--yes") == 0
    assert bucket in set(everything(account))


def test_delete_markers_alone_hold_nothing_up(run: Run, account: Account, bucket: str) -> None:
    account.client("s3").delete_object(Bucket=bucket, Key="capture/never-there")
    assert run("destroy", "--yes") == 0
    assert list(everything(account)) == []


@pytest.mark.parametrize("stack", ["jina-v3-foundation", "jina-v3-endpoint"])
def test_half_a_deployment_goes_too(run: Run, account: Account, stack: str) -> None:
    make_stack(account, stack, FOUNDATION if stack.endswith("foundation") else ENDPOINT)
    assert run("destroy", "--yes") == 0
    assert list(everything(account)) == []


def test_a_failed_deletion_is_tried_again(run: Run, account: Account, bucket: str) -> None:
    deletions = fail_deletions(account, "jina-v3-endpoint", failures=1)
    assert run("destroy", "--yes") == 0
    assert deletions == ["jina-v3-endpoint", "jina-v3-endpoint", "jina-v3-foundation"]
    assert list(everything(account)) == []


def test_a_deletion_that_fails_for_good_tells_what_holds_it(
    run: Run, account: Account, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_deletions(account, "jina-v3-endpoint", failures=9)
    assert run("destroy", "--yes") == 1
    err = capsys.readouterr().err
    assert "could not delete jina-v3-endpoint" in err
    assert "AWS::EC2::Subnet subnet-1: in use" in err
    assert bucket in set(everything(account))  # nothing after it was touched


def test_an_update_is_waited_for(run: Run, account: Account, bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    client = account.client("cloudformation")
    real, asked = client._make_api_call, []

    def call(operation: str, arguments: dict[str, Any]) -> Any:
        answer = real(operation, arguments)
        if operation == "DescribeStacks" and "endpoint" in arguments["StackName"] and len(asked) < 4:
            asked.append(operation)
            answer["Stacks"][0]["StackStatus"] = "UPDATE_IN_PROGRESS"
        assert operation != "DeleteStack" or len(asked) == 4
        return answer

    client._make_api_call = call
    assert run("destroy", "--yes") == 0
    assert "jina-v3-endpoint is UPDATE_IN_PROGRESS; waiting" in capsys.readouterr().out


def test_what_is_still_there_is_found(
    run: Run, account: Account, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """CloudFormation says that all is deleted, and the endpoint still stands."""
    sagemaker = account.client("sagemaker")
    cloudformation = account.client("cloudformation")
    real = cloudformation._make_api_call

    def call(operation: str, arguments: dict[str, Any]) -> Any:
        answer = real(operation, arguments)
        if operation == "DeleteStack" and "endpoint" in arguments["StackName"]:
            make_endpoint(account, "jina-v3")
        return answer

    cloudformation._make_api_call = call
    assert run("destroy", "--yes") == 1
    assert "still there:\n  AWS::SageMaker::Endpoint jina-v3" in capsys.readouterr().err
    sagemaker.delete_endpoint(EndpointName="jina-v3")


CONTAINER_GROUPS = ("/aws/sagemaker/Endpoints/fa", "/aws/sagemaker/InferenceComponents/fa")


def destroy_beside(run: Run, account: Account, **tags: str) -> tuple[int, set[str]]:
    """Destroy fc, which was never deployed and names the endpoint fa; return the status and what is left."""
    make_endpoint(account, "fa", **tags)
    for name in (*CONTAINER_GROUPS, "/aws/codebuild/fc-image"):
        account.client("logs").create_log_group(logGroupName=name)
    return run("destroy", "--yes", "-c", "name=fc", "-c", "endpoint.name=fa"), set(everything(account))


@pytest.mark.parametrize(
    "tags",
    [{"deployment": "fa"}, {"aws:cloudformation:stack-name": "fa-endpoint", "deployment": "fc"}, {}],
    ids=["tagged", "of another stack", "untagged"],
)
def test_the_endpoint_of_another_keeps_its_log(
    run: Run, account: Account, capsys: pytest.CaptureFixture[str], tags: dict[str, str]
) -> None:
    status, left = destroy_beside(run, account, **tags)
    assert left >= {"fa", *CONTAINER_GROUPS}
    assert "/aws/codebuild/fc-image" not in left  # of the deployment's own name
    told = capsys.readouterr()
    assert "the endpoint fa belongs to another deployment and was left alone" in told.out
    assert (status, told.err) == (0, "")


@pytest.mark.parametrize("tags", [{"deployment": "fc"}, {"aws:cloudformation:stack-name": "fc-endpoint"}])
def test_an_endpoint_of_its_own_is_found_without_a_stack(
    run: Run, account: Account, capsys: pytest.CaptureFixture[str], tags: dict[str, str]
) -> None:
    status, left = destroy_beside(run, account, **tags)
    assert left.isdisjoint(CONTAINER_GROUPS)
    assert status == 1
    assert "still there:\n  AWS::SageMaker::Endpoint fa" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tags", "stays"),
    [
        ({"deployment": "fa"}, True),
        ({"deployment": "jina-v3"}, False),
        ({"aws:cloudformation:stack-name": "fa-endpoint"}, True),
        ({"aws:cloudformation:stack-name": "jina-v3-endpoint"}, False),
        ({"cost": "1"}, False),
    ],
)
def test_a_log_group_of_another_stack_stays(run: Run, account: Account, tags: dict[str, str], stays: bool) -> None:
    group = "/aws/sagemaker/Endpoints/jina-v3"
    account.client("logs").create_log_group(logGroupName=f"{group}-2")
    account.client("logs").create_log_group(logGroupName=group, tags=tags)
    assert run("destroy", "--yes") == 0
    assert set(everything(account)) == ({f"{group}-2", group} if stays else {f"{group}-2"})


def test_what_a_stack_leaves_out_is_found(
    run: Run, account: Account, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    client = account.client("cloudformation")
    real = client._make_api_call

    def call(operation: str, arguments: dict[str, Any]) -> Any:
        if operation == "DescribeStackEvents" and "endpoint" in arguments["StackName"]:
            kept = {"ResourceType": "AWS::EC2::VPCEndpoint", "PhysicalResourceId": "vpce-1"}
            return {"StackEvents": [kept | {"ResourceStatus": "DELETE_SKIPPED", "LogicalResourceId": "Runtime"}]}
        return real(operation, arguments)

    client._make_api_call = call
    assert run("destroy", "--yes") == 1
    assert "still there:\n  AWS::EC2::VPCEndpoint vpce-1" in capsys.readouterr().err


def test_what_cannot_be_looked_for_is_told(
    run: Run, account: Account, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    client = account.client("resourcegroupstaggingapi")

    def call(operation: str, arguments: dict[str, Any]) -> Any:
        raise client_error(operation, "AccessDeniedException")

    client._make_api_call = call
    assert run("destroy", "--yes") == 1  # what is not known may bill
    told = capsys.readouterr()
    assert "could not be looked for:\n  SageMaker's tags: the caller is not allowed" in told.err
    assert "tag:GetResources" in told.err
    assert "looked: nothing" not in told.out


def test_without_a_terminal_it_wants_yes(
    run: Run, account: Account, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = list(everything(account))
    assert run("destroy") == 1
    assert "give --yes" in capsys.readouterr().err
    assert list(everything(account)) == before


def test_a_no_deletes_nothing(run: Run, account: Account, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(everything(account))
    monkeypatch.setattr(command.Screen, "is_terminal", property(lambda self: True))
    monkeypatch.setattr("builtins.input", lambda: "no")
    assert run("destroy", "--delete-data") == 1
    assert list(everything(account)) == before


def test_another_account_is_left_alone(run: Run, account: Account, bucket: str) -> None:
    before = list(everything(account))
    assert run("destroy", "--yes", "-c", 'account="999999999999"') == 1
    assert list(everything(account)) == before


def test_ctrl_c_says_how_to_go_on(run: Run, account: Account, bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    client = account.client("cloudformation")
    real = client._make_api_call

    def call(operation: str, arguments: dict[str, Any]) -> Any:
        if operation == "DeleteStack":
            raise KeyboardInterrupt
        return real(operation, arguments)

    client._make_api_call = call
    assert run("destroy", "--yes") == 130
    assert "Run the same command again" in capsys.readouterr().err
    client._make_api_call = real
    assert run("destroy", "--yes") == 0
    assert list(everything(account)) == []


def fail_deletions(account: Account, name: str, failures: int) -> list[str]:
    """Have the first deletions of a stack fail as CloudFormation's do; return the list of deletions to come."""
    client = account.client("cloudformation")
    real, deletions = client._make_api_call, []

    def call(operation: str, arguments: dict[str, Any]) -> Any:
        stack = arguments.get("StackName", "")
        failed = deletions.count(name) and deletions.count(name) <= failures
        if operation == "DeleteStack":
            deletions.append(stack.split("/")[1])
            if name in stack and deletions.count(name) <= failures:
                return {}
        answer = real(operation, arguments)
        if name in stack and failed and operation == "DescribeStacks":
            answer["Stacks"][0]["StackStatus"] = "DELETE_FAILED"
        if name in stack and failed and operation == "ListStackResources":
            answer["StackResourceSummaries"] = [
                {
                    "ResourceType": "AWS::EC2::Subnet",
                    "PhysicalResourceId": "subnet-1",
                    "LogicalResourceId": "Subnet",
                    "ResourceStatus": "DELETE_FAILED",
                    "ResourceStatusReason": "in use",
                }
            ]
        return answer

    client._make_api_call = call
    return deletions
