"""What the foundation has, and what of it the configuration turns off."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.support.templates import RELEASE, Templates, case, plain

from jina_v3_infra.config import CaptureSettings
from jina_v3_infra.outputs import Output
from jina_v3_infra.stacks.artifact_bucket import _captured
from jina_v3_infra.stacks.image_build import BUILD_SPEC


def outputs(template: dict[str, Any]) -> dict[str, Any]:
    return {name: plain(each["Value"]) for name, each in template["Outputs"].items()}


def lifecycle(templates: Templates) -> dict[str, Any]:
    return {rule["Id"]: rule for rule in templates.one("S3::Bucket")["LifecycleConfiguration"]["Rules"]}


def test_what_others_need_is_told() -> None:
    templates = case("default")
    told = outputs(templates.foundation)
    assert told.keys() == {Output.BUCKET, Output.KEY, Output.REPOSITORY, Output.BUILD_PROJECT}
    (bucket,), (project,) = templates.resources("S3::Bucket"), templates.resources("CodeBuild::Project")
    assert (told[Output.BUCKET], told[Output.BUILD_PROJECT]) == (f"${{{bucket.name}}}", f"${{{project.name}}}")
    assert told[Output.REPOSITORY].endswith(".${AWS::URLSuffix}/${ImagesRepository2D0F5B9C}")


def test_an_image_that_exists_needs_no_repository_and_no_build() -> None:
    templates = case("given")
    assert outputs(templates.foundation).keys() == {Output.BUCKET, Output.KEY}
    types = {resource.type for resource in templates.resources() if resource.stack == "foundation"}
    assert types == {"AWS::KMS::Key", "AWS::KMS::Alias", "AWS::S3::Bucket", "AWS::S3::BucketPolicy"}
    assert templates.one("SageMaker::Model")["PrimaryContainer"]["Image"] == (
        "210987654321.dkr.ecr.us-east-1.amazonaws.com/team/jina:7"
    )


def test_docker_needs_a_repository_and_no_build() -> None:
    assert outputs(case("docker").foundation).keys() == {Output.BUCKET, Output.KEY, Output.REPOSITORY}
    assert not case("docker").resources("CodeBuild::Project")


def test_nothing_is_kept_behind_and_nothing_is_emptied_by_force(every: Templates) -> None:
    for resource in every.resources():
        assert resource.raw.get("DeletionPolicy", "Delete") == "Delete"
        assert "EmptyOnDelete" not in resource.properties


def test_what_is_left_over_expires() -> None:
    rules = lifecycle(case("default"))
    assert rules.keys() == {"leftovers", "delete-markers", "capture", "batch-runs"}
    assert rules["leftovers"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert rules["leftovers"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert "ExpirationInDays" not in rules["leftovers"]
    # S3 refuses the marker's member beside days
    assert rules["delete-markers"] == {
        "Id": "delete-markers",
        "ExpiredObjectDeleteMarker": True,
        "Status": "Enabled",
    }


def test_captured_data_is_gone_soon_after_its_days() -> None:
    """A delete marker alone would leave the texts in a noncurrent version, for the month of the leftovers."""
    rule = lifecycle(case("china"))["capture-elsewhere"]
    assert (rule["Prefix"], rule["ExpirationInDays"], rule["Status"]) == ("kept/", 9, "Enabled")
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}


@pytest.mark.parametrize(("name", "days"), [("default", 90), ("batch", 9)])
def test_what_runs_worked_with_goes_in_time_and_data_and_vectors_stay(name: str, days: int) -> None:
    rules = lifecycle(case(name))
    rule = rules["batch-runs"]
    assert (rule["Prefix"], rule["ExpirationInDays"], rule["Status"]) == ("batch/runs/", days, "Enabled")
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    expiring = {rule["Prefix"] for rule in rules.values() if "ExpirationInDays" in rule}
    assert not any(kept.startswith(prefix) for prefix in expiring for kept in ("batch/datasets/", "batch/vectors/"))


@pytest.mark.parametrize("name", ["default", "batch-beside", "batch"])
def test_the_bucket_tells_event_bridge_where_a_success_file_shall_start_a_run(name: str) -> None:
    told = case(name).one("S3::Bucket").get("NotificationConfiguration")
    assert told == ({"EventBridgeConfiguration": {"EventBridgeEnabled": True}} if name == "batch" else None)


@pytest.mark.parametrize("name", ["default", "china", "asynchronous"])
def test_captures_of_an_earlier_configuration_go_too(name: str) -> None:
    rule = lifecycle(case(name))["capture"]
    assert (rule["Prefix"], rule["ExpirationInDays"], rule["Status"]) == ("capture/", 30, "Enabled")
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}


@pytest.mark.parametrize(
    ("capture", "days"),
    [
        (CaptureSettings(keep_days=90), {"capture/": 90}),
        (CaptureSettings(prefix="capture", keep_days=3), {"capture/": 3}),
        (CaptureSettings(prefix="capture/mine/", keep_days=90), {"capture/": 90, "capture/mine/": 90}),
        (CaptureSettings(prefix="capture/mine/", keep_days=3), {"capture/": 30, "capture/mine/": 3}),
        (CaptureSettings(prefix="captured", keep_days=90), {"capture/": 30, "captured/": 90}),
    ],
)
def test_no_rule_deletes_captures_before_their_days(capture: CaptureSettings, days: dict[str, int]) -> None:
    assert _captured(capture) == days


def test_the_repository_is_the_deployments_and_stays_small() -> None:
    repository = case("development.toml").one("ECR::Repository")
    assert repository["RepositoryName"] == "jina-v3-dev"
    rules = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
    wanted = [(rule["selection"]["tagStatus"], rule["selection"]["countNumber"]) for rule in rules]
    assert wanted == [("untagged", 1), ("any", 10)]


def test_the_build() -> None:
    templates = case("default")
    project = templates.one("CodeBuild::Project")
    (bucket,) = templates.resources("S3::Bucket")
    assert project["Source"]["Type"] == "S3"
    assert project["Source"]["Location"].startswith(f"${{{bucket.name}}}/sources/")
    assert json.loads(project["Source"]["BuildSpec"]) == BUILD_SPEC
    environment = project["Environment"]
    assert (environment["Type"], environment["PrivilegedMode"]) == ("LINUX_CONTAINER", True)
    assert {each["Name"] for each in environment["EnvironmentVariables"]} == {"IMAGE_URI", "TORCH", "BASE_IMAGE"}
    assert project["TimeoutInMinutes"] == 60
    (group,) = [each for each in templates.resources("Logs::LogGroup") if each.stack == "foundation"]
    assert project["LogsConfig"]["CloudWatchLogs"] == {"Status": "ENABLED", "GroupName": f"${{{group.name}}}"}


FAKE = """\
#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$*" in *describe-images*) exit "$ABSENT";; *get-login*) echo secret;; *login*) cat > "$CALLS.stdin";; esac
case "$*" in "build "*) exit "${BUILD_FAILS:-0}";; esac
"""


def run_build(folder: Path, **variables: str) -> tuple[int, list[list[str]]]:
    """Run the build specification's commands with programs that only write down how they are called."""
    for name in ("aws", "docker"):
        (folder / name).write_text(FAKE)
        (folder / name).chmod(0o755)
    calls = folder / "calls"
    environment = {
        "PATH": f"{folder}:/usr/bin:/bin",
        "CALLS": str(calls),
        "IMAGE_URI": "123456789012.dkr.ecr.us-east-1.amazonaws.com:443/team/jina:cu128-1",
        "TORCH": "cu130",
        "BASE_IMAGE": "",
        "ABSENT": "1",
    }
    for phase in ("pre_build", "build"):
        for command in BUILD_SPEC["phases"][phase]["commands"]:
            done = subprocess.run(["sh", "-c", command], env=environment | variables, check=False, cwd=folder)
            if done.returncode:
                return done.returncode, [shlex.split(line) for line in calls.read_text().splitlines()]
    return 0, [shlex.split(line) for line in calls.read_text().splitlines()]


def test_the_commands_log_in_build_and_push(tmp_path: Path) -> None:
    status, calls = run_build(tmp_path)
    assert status == 0
    get, log_in, look, build, push = calls if calls[0][0] == "aws" else [calls[1], calls[0], *calls[2:]]
    assert get == ["aws", "ecr", "get-login-password"]
    registry, uri = "123456789012.dkr.ecr.us-east-1.amazonaws.com:443", "team/jina:cu128-1"
    assert log_in == ["docker", "login", "--username", "AWS", "--password-stdin", registry]
    assert (tmp_path / "calls.stdin").read_text() == "secret\n"
    assert look == [
        "aws",
        "ecr",
        "describe-images",
        "--repository-name",
        "team/jina",
        "--image-ids",
        "imageTag=cu128-1",
    ]
    flags = ["--platform", "linux/amd64", "--provenance=false", "--output", "type=docker"]
    assert build == ["docker", "build", *flags, "--tag", f"{registry}/{uri}", "--build-arg", "TORCH=cu130", "."]
    assert push == ["docker", "push", f"{registry}/{uri}"]


def test_the_commands_pass_another_base_on(tmp_path: Path) -> None:
    _, calls = run_build(tmp_path, BASE_IMAGE="mirror/base@sha256:ab")
    (build,) = [call for call in calls if call[:2] == ["docker", "build"]]
    assert build[-4:] == ["TORCH=cu130", "--build-arg", "BASE_IMAGE=mirror/base@sha256:ab", "."]


def test_the_commands_do_nothing_where_the_tag_is_there(tmp_path: Path) -> None:
    status, calls = run_build(tmp_path, ABSENT="0")
    assert status == 0
    assert not [call for call in calls if call[:2] in (["docker", "build"], ["docker", "push"])]


def test_a_build_that_fails_fails_and_pushes_nothing(tmp_path: Path) -> None:
    status, calls = run_build(tmp_path, BUILD_FAILS="3")
    assert status == 3
    assert not [call for call in calls if call[:2] == ["docker", "push"]]


def test_the_builds_role(every: Templates) -> None:
    if not every.resources("CodeBuild::Project"):
        pytest.skip("builds nothing here")
    (role,) = [each for each in every.resources("IAM::Role") if each.stack == "foundation"]
    (policy,) = role.properties["Policies"]
    allowed = {each["Sid"]: each for each in policy["PolicyDocument"]["Statement"]}
    assert allowed.keys() == {"ReadSources", "UseKey", "PushImage", "LogInToRegistry", "WriteLog"}
    assert allowed["ReadSources"]["Resource"].endswith("/sources/*")
    assert allowed["PushImage"]["Resource"] == "${ImagesRepository2D0F5B9C.Arn}"
    assert RELEASE.source_key.startswith("sources/")
