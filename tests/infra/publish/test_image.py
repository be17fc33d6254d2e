from __future__ import annotations

import base64
import io
import json
import os
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.support.loopback_aws import LoopbackAws

from jina_v3_infra.config import Deployment, ImageSettings
from jina_v3_infra.outputs import Foundation
from jina_v3_infra.progress import open_console
from jina_v3_infra.publish import PublishError
from jina_v3_infra.publish.bucket import Bucket
from jina_v3_infra.publish.image import Image, begin_image
from jina_v3_infra.release import Release, plan_release

BUILD = "images:0123"
LINK = "https://console.example/log"


@dataclass
class FakeCodeBuild:
    """CodeBuild as its API tells of it: ``states`` are what successive looks at a build see."""

    states: list[dict[str, Any]] = field(default_factory=list)
    running: dict[str, str] = field(default_factory=dict)  # id -> image
    started: list[dict[str, Any]] = field(default_factory=list)
    slept: Callable[[int], None] = lambda _count: None
    naps: int = 0

    def answer(self, model: Any, params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        """Stand in for the network: parameters have been checked against the service's model by then."""
        asked = json.loads(params["body"])
        return type("Answer", (), {"status_code": 200}), getattr(self, model.name)(asked)

    def sleep(self, _pause_s: float) -> None:
        self.naps += 1
        self.slept(self.naps)

    def ListBuildsForProject(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert asked == {"projectName": "images", "sortOrder": "DESCENDING"}
        return {"ids": list(self.running)}

    def BatchGetBuilds(self, asked: dict[str, Any]) -> dict[str, Any]:
        if len(asked["ids"]) == 1 and asked["ids"][0] == BUILD and self.states:
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            return {"builds": [{"id": BUILD, **state}]}
        return {"builds": [self._listed(build_id) for build_id in asked["ids"]]}

    def _listed(self, build_id: str) -> dict[str, Any]:
        variables = [{"name": "IMAGE_URI", "value": self.running[build_id], "type": "PLAINTEXT"}]
        status = "SUCCEEDED" if build_id.startswith("old") else "IN_PROGRESS"
        return {"id": build_id, "buildStatus": status, "environment": {"environmentVariables": variables}}

    def StartBuild(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.started.append(asked)
        return {"build": {"id": BUILD}}


def state(status: str = "IN_PROGRESS", logs: dict[str, str] | None = None, **failed: str) -> dict[str, Any]:
    phases: list[dict[str, Any]] = [
        {"phaseType": "DOWNLOAD_SOURCE", "phaseStatus": "SUCCEEDED"},
        {"phaseType": "BUILD"},
    ]
    if failed:
        phases[1] |= {
            "phaseStatus": "FAILED",
            "contexts": [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": failed["message"]}],
        }
    return {"buildStatus": status, "phases": phases, "logs": {"deepLink": LINK, **(logs or {})}}


@dataclass
class Case:
    """One deployment's image, with everything it needs."""

    session: boto3.Session
    bucket: Bucket
    repository: str
    shown: io.StringIO = field(default_factory=io.StringIO)

    def begin(self, **settings: Any) -> Image:
        deployment = Deployment(image=ImageSettings(**settings))
        foundation = Foundation(
            bucket=self.bucket.name, key_arn="", repository_uri=self.repository, build_project="images"
        )
        console = open_console()
        console.file = self.shown
        return begin_image(deployment, foundation, self.release(**settings), self.bucket, self.session, console)

    def release(self, **settings: Any) -> Release:
        return plan_release(Deployment(image=ImageSettings(**settings)))

    def push(self, tag: str | None) -> None:
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "x": tag}
        self.session.client("ecr").put_image(
            repositoryName=self.repository.partition("/")[2], imageManifest=json.dumps(manifest), imageTag=tag
        )


@pytest.fixture
def case(session: boto3.Session, bucket: Bucket, source_root: Path) -> Case:
    made = session.client("ecr").create_repository(repositoryName=f"images/{uuid.uuid4().hex}")
    return Case(session, bucket, made["repository"]["repositoryUri"])


@pytest.fixture
def codebuild(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCodeBuild]:
    fake = FakeCodeBuild()
    monkeypatch.setattr("jina_v3_infra.publish.codebuild.sleep", fake.sleep)
    session.events.register("before-call.codebuild", fake.answer)
    yield fake
    session.events.unregister("before-call.codebuild", fake.answer)


@pytest.fixture
def log(session: boto3.Session) -> Callable[..., dict[str, str]]:
    """Write lines to a build's log and return where it is."""
    logs = session.client("logs")
    place = {"logGroupName": f"/aws/codebuild/{uuid.uuid4().hex}", "logStreamName": "0123"}

    def write(*lines: str) -> dict[str, str]:
        if not logs.describe_log_groups(logGroupNamePrefix=place["logGroupName"])["logGroups"]:
            logs.create_log_group(logGroupName=place["logGroupName"])
            logs.create_log_stream(**place)
        now_ms = int(time.time() * 1000)
        events = [{"timestamp": now_ms, "message": f"{line}\n"} for line in lines]
        if events:
            logs.put_log_events(**place, logEvents=events)
        return {"groupName": place["logGroupName"], "streamName": place["logStreamName"]}

    return write


def test_a_build_in_the_account(
    aws: LoopbackAws, case: Case, codebuild: FakeCodeBuild, log: Callable[..., dict[str, str]]
) -> None:
    place = log("first :smile: [red]line[/red]")
    codebuild.states = [state(), state(logs=place), state(logs=place), state("SUCCEEDED", logs=place)]

    def go_on(naps: int) -> None:
        if naps == 2:
            log("second line")
        if naps == 3:
            log("third line")
            case.push(image.uri.rpartition(":")[2])

    codebuild.slept = go_on
    image = case.begin(torch="cu130", base="some/base@sha256:abc")
    assert image.uri == f"{case.repository}:{case.release(torch='cu130', base='some/base@sha256:abc').image_tag}"
    (started,) = codebuild.started
    variables = {each["name"]: each["value"] for each in started["environmentVariablesOverride"]}
    assert variables == {"IMAGE_URI": image.uri, "TORCH": "cu130", "BASE_IMAGE": "some/base@sha256:abc"}
    assert started["sourceTypeOverride"] == "S3"
    bucket, _, key = started["sourceLocationOverride"].partition("/")
    packed = case.session.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert "image/serve" in zipfile.ZipFile(io.BytesIO(packed)).namelist()
    assert image.finish is not None
    image.finish()
    lines = [line.strip() for line in case.shown.getvalue().splitlines()]
    assert lines[1:] == [
        "download source",
        "build",
        "first :smile: [red]line[/red]",
        "second line",
        "third line",
    ]
    aws.asked.clear()
    again = case.begin(torch="cu130", base="some/base@sha256:abc")
    assert (again.uri, again.finish, len(codebuild.started)) == (image.uri, None, 1)
    assert len(aws.asked) == 1


def test_a_build_that_fails_says_where_and_why(
    case: Case, codebuild: FakeCodeBuild, log: Callable[..., dict[str, str]]
) -> None:
    place = log(*(f"line {number}." for number in range(30)))
    codebuild.states = [state(), state("FAILED", logs=place, message="docker build. Reason: exit status 1")]
    image = case.begin()
    with pytest.raises(PublishError) as refused:
        image.finish()  # type: ignore[misc]
    message = str(refused.value)
    assert message.startswith(f"the build {BUILD} of the image ended as FAILED in phase BUILD: docker build. Reason:")
    assert [line.strip() for line in message.splitlines()[2:-1]] == [f"line {number}." for number in range(10, 30)]
    assert message.endswith(f"the whole log: {LINK}")


@pytest.mark.parametrize("status", ["STOPPED", "TIMED_OUT", "FAULT"])
def test_other_ends_are_failures_too(case: Case, codebuild: FakeCodeBuild, status: str) -> None:
    codebuild.states = [{"buildStatus": status}]
    with pytest.raises(PublishError, match=f"ended as {status}$"):
        case.begin().finish()  # type: ignore[misc]


def test_a_build_that_pushed_nothing(case: Case, codebuild: FakeCodeBuild) -> None:
    codebuild.states = [state("SUCCEEDED")]
    with pytest.raises(PublishError, match=rf"the build ended well, and {case.repository}:cu128-\w+ is not in ECR"):
        case.begin().finish()  # type: ignore[misc]


def test_a_running_build_of_the_same_image_is_joined(aws: LoopbackAws, case: Case, codebuild: FakeCodeBuild) -> None:
    uri = f"{case.repository}:{case.release().image_tag}"
    codebuild.running = {"old:1": uri, "other:2": f"{case.repository}:another", BUILD: uri}
    aws.asked.clear()
    image = case.begin()
    assert codebuild.started == []
    assert not [each for each in aws.changes() if case.bucket.name in each.line]
    assert f"waiting for the build {BUILD}" in case.shown.getvalue()
    case.push(case.release().image_tag)
    codebuild.states = [state(), state("SUCCEEDED")]
    image.finish()  # type: ignore[misc]


def test_ctrl_c_leaves_the_build_running(case: Case, codebuild: FakeCodeBuild) -> None:
    def interrupt(_naps: int) -> None:
        raise KeyboardInterrupt

    codebuild.states = [state()]
    codebuild.slept = interrupt
    with pytest.raises(PublishError, match=f"{BUILD} goes on in the account: run this again to wait for it"):
        case.begin().finish()  # type: ignore[misc]


def test_a_log_that_may_not_be_read_is_noted_once(aws: LoopbackAws, case: Case, codebuild: FakeCodeBuild) -> None:
    place = {"groupName": "/aws/codebuild/secret", "streamName": "0123"}
    codebuild.states = [state(logs=place)] * 3 + [state("SUCCEEDED", logs=place)]
    image = case.begin()
    case.push(case.release().image_tag)
    aws.refuse.append(("^POST /", 403, "AccessDenied", 1))
    image.finish()  # type: ignore[misc]
    assert case.shown.getvalue().count("the build's log is not shown: these credentials may not logs:GetLogEvents") == 1


def test_a_given_image_must_exist_where_that_can_be_asked(case: Case) -> None:
    uri = f"{case.repository}:mine"
    with pytest.raises(PublishError, match=rf"image.uri = {uri} does not exist"):
        case.begin(uri=uri)
    case.push("mine")
    assert case.begin(uri=uri) == Image(uri=uri)
    ecr = case.session.client("ecr")
    (listed,) = ecr.list_images(repositoryName=case.repository.partition("/")[2])["imageIds"]
    by_digest = f"{case.repository}@{listed['imageDigest']}"
    assert case.begin(uri=by_digest) == Image(uri=by_digest)
    with pytest.raises(PublishError, match="does not exist"):
        case.begin(uri=f"{case.repository}@sha256:{'0' * 64}")
    with pytest.raises(PublishError, match="does not exist"):
        case.begin(uri=f"{case.repository}-not:mine")


def test_a_foundation_without_a_repository(case: Case) -> None:
    foundation = Foundation(bucket="b", key_arn="", repository_uri=None, build_project=None)
    with pytest.raises(PublishError, match=r"jina-v3-foundation has no repository.*deploy it again"):
        begin_image(Deployment(), foundation, case.release(), case.bucket, case.session, open_console())


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker that writes down its arguments and what it is told, and fails at what the environment names."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        'printf "%s\\n" "$*" >> "$FAKE_DOCKER"\n'
        '[ "$1" = login ] && cat >> "$FAKE_DOCKER" && echo >> "$FAKE_DOCKER"\n'
        'echo "doing $1"; echo "and telling errors of $1" >&2\n'
        '[ "$1" != "$FAKE_DOCKER_FAILS" ]\n'
    )
    program.chmod(0o755)
    record = tmp_path / "docker.txt"
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_DOCKER", str(record))
    return record


def test_a_build_by_docker(case: Case, docker: Path, source_root: Path) -> None:
    image = case.begin(build="docker", torch="cpu", base="some/base")
    case.push(image.uri.rpartition(":")[2])
    image.finish()  # type: ignore[misc]
    registry = case.repository.partition("/")[0]
    info, build, login, password, push = docker.read_text().splitlines()
    assert info == "info"
    assert build == (
        f"build --platform linux/amd64 --provenance=false --output type=docker --tag {image.uri} "
        f"--build-arg TORCH=cpu --build-arg BASE_IMAGE=some/base {source_root}"
    )
    assert login == f"login --username AWS --password-stdin {registry}"
    (data,) = case.session.client("ecr").get_authorization_token()["authorizationData"]
    assert base64.b64decode(data["authorizationToken"]).decode() == f"AWS:{password}"
    assert push == f"push {image.uri}"
    assert "doing build" in case.shown.getvalue()
    assert "and telling errors of push" in case.shown.getvalue()


def test_docker_that_fails(case: Case, docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_DOCKER_FAILS", "build")
    with pytest.raises(PublishError, match=r"docker build failed with status 1:\n    doing build\n.* errors of build"):
        case.begin(build="docker").finish()  # type: ignore[misc]
    assert "push" not in docker.read_text()
    monkeypatch.setenv("FAKE_DOCKER_FAILS", "info")
    with pytest.raises(PublishError, match=r'"docker info" fails \(and telling errors of info\): start it'):
        case.begin(build="docker")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PublishError, match=r'cannot be run .*: install it, or set image\.build = "codebuild"'):
        case.begin(build="docker")
