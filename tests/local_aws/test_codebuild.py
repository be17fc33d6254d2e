"""Builds: from a zip in S3 to an image in ECR, over time, with a log; and what a build says when it cannot."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local_aws.image_manifest import read_dockerfile
from local_aws.server import LocalAws

DOCKERFILE = """\
ARG BASE_IMAGE=public.ecr.aws/base:cuda
FROM ${BASE_IMAGE} AS packages
ARG TORCH=cu128
RUN install ${TORCH}
FROM ${BASE_IMAGE} AS runtime
COPY jina_v3 /opt/jina_v3
"""
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


class Builder:
    """A project, a bucket and a repository with immutable tags."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.builds, self.s3, self.ecr, self.logs = (
            aws.client(service, "us-east-1") for service in ("codebuild", "s3", "ecr", "logs")
        )
        self.s3.create_bucket(Bucket="build-sources")
        self.ecr.create_repository(repositoryName="built", imageTagMutability="IMMUTABLE")
        self.builds.create_project(
            name="builder",
            source={"type": "S3", "location": "build-sources/given-at-start.zip", "buildspec": "version: 0.2"},
            artifacts={"type": "NO_ARTIFACTS"},
            environment={
                "type": "LINUX_CONTAINER",
                "image": "aws/codebuild/standard:7.0",
                "computeType": "BUILD_GENERAL1_MEDIUM",
                "environmentVariables": [{"name": "TORCH", "value": "cu128"}, {"name": "BASE_IMAGE", "value": ""}],
            },
            serviceRole="arn:aws:iam::123456789012:role/builder",
            logsConfig={"cloudWatchLogs": {"status": "ENABLED", "groupName": "/builds/builder"}},
        )

    def put(self, key: str, **files: str) -> str:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, text in files.items():
                archive.writestr(name.replace("__", "/"), text)
        self.s3.put_object(Bucket="build-sources", Key=key, Body=packed.getvalue())
        return f"build-sources/{key}"

    def start(self, location: str, uri: str) -> str:
        variables = [{"name": "IMAGE_URI", "value": uri}, {"name": "TORCH", "value": "cpu"}]
        started = self.builds.start_build(
            projectName="builder",
            sourceTypeOverride="S3",
            sourceLocationOverride=location,
            environmentVariablesOverride=variables,
        )["build"]
        assert started["buildStatus"] == "IN_PROGRESS"
        return str(started["id"])

    @contextmanager
    def slowly(self) -> Iterator[None]:
        """Let builds wait as long as CodeBuild does, until the context ends."""
        before = self.aws.settings
        self.aws.settings = replace(before, waiting=1)
        try:
            yield
        finally:
            self.aws.settings = before

    def describe(self, identifier: str) -> dict[str, Any]:
        (build,) = self.builds.batch_get_builds(ids=[identifier])["builds"]
        return dict(build)

    def finish(self, identifier: str) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while not (build := self.describe(identifier))["buildComplete"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return build

    def log(self, build: dict[str, Any]) -> str:
        place = build["logs"]
        events = self.logs.get_log_events(
            logGroupName=place["groupName"], logStreamName=place["streamName"], startFromHead=True
        )["events"]
        return "".join(event["message"] for event in events)


@pytest.fixture
def builder(aws: LocalAws) -> Iterator[Builder]:
    made = Builder(aws)
    yield made
    made.builds.delete_project(name="builder")
    made.ecr.delete_repository(repositoryName="built", force=True)
    for listed in made.s3.list_objects_v2(Bucket="build-sources").get("Contents", []):
        made.s3.delete_object(Bucket="build-sources", Key=listed["Key"])
    made.s3.delete_bucket(Bucket="build-sources")
    if made.logs.describe_log_groups(logGroupNamePrefix="/builds/builder")["logGroups"]:
        made.logs.delete_log_group(logGroupName="/builds/builder")


def test_a_build_leaves_an_image_a_folder_and_a_log(builder: Builder) -> None:
    uri = f"{REGISTRY}/built:one"
    location = builder.put("one.zip", Dockerfile=DOCKERFILE, jina_v3__serve="print('serve')")
    with builder.slowly():
        identifier = builder.start(location, uri)
        while (build := builder.describe(identifier))["currentPhase"] == "SUBMITTED":
            pass
        assert (build["currentPhase"], build["buildComplete"]) == ("QUEUED", False)
    while not (build := builder.describe(identifier))["buildComplete"]:
        assert build["buildStatus"] == "IN_PROGRESS"
    assert build["buildStatus"] == "SUCCEEDED"
    assert [phase["phaseType"] for phase in build["phases"]] == [
        "SUBMITTED",
        "QUEUED",
        "PROVISIONING",
        "DOWNLOAD_SOURCE",
        "PRE_BUILD",
        "BUILD",
        "POST_BUILD",
        "FINALIZING",
        "COMPLETED",
    ]
    assert {phase.get("phaseStatus", "SUCCEEDED") for phase in build["phases"]} == {"SUCCEEDED"}
    (image,) = builder.ecr.describe_images(repositoryName="built", imageIds=[{"imageTag": "one"}])["imageDetails"]
    folder = builder.aws.images.find(uri)
    assert folder is not None
    assert (folder / "Dockerfile").read_text() == DOCKERFILE
    assert (folder / "jina_v3" / "serve").read_text() == "print('serve')"
    log = builder.log(build)
    assert "unpacked 2 files" in log
    assert "base public.ecr.aws/base:cuda, torch cpu" in log
    assert f"registered the sources as {uri}" in log
    assert image["imageDigest"] in log
    assert build["logs"]["groupName"] in build["logs"]["deepLink"].replace("%2F", "/")
    assert builder.builds.list_builds_for_project(projectName="builder")["ids"] == [identifier]


def test_the_log_begins_by_saying_that_it_is_not_docker_s(builder: Builder) -> None:
    location = builder.put("honest.zip", Dockerfile=DOCKERFILE)
    lines = builder.log(builder.finish(builder.start(location, f"{REGISTRY}/built:honest"))).splitlines()
    assert "local AWS" in lines[0]
    assert "no container engine runs" in lines[0]
    assert "The image is its sources" in lines[1]
    # what only an engine could say
    said = "\n".join(lines)
    for pretence in ("docker build", "docker push", "RUN ", "COPY ", "exporting", "Login Succeeded", "#1 "):
        assert pretence not in said


def test_the_base_that_is_given_is_the_one_that_is_told(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text(DOCKERFILE)
    asked = read_dockerfile(path, {"BASE_IMAGE": "other@sha256:1", "UNKNOWN": "x"})
    assert (asked.base, asked.torch) == ("other@sha256:1", "cu128")
    path.write_text("FROM --platform=linux/amd64 plain:1\n")
    asked = read_dockerfile(path, {"TORCH": "cpu"})  # the Dockerfile takes no such argument
    assert (asked.base, asked.torch) == ("plain:1", "not named")


def test_an_image_that_leaves_ecr_can_be_run_no_more(builder: Builder) -> None:
    uri = f"{REGISTRY}/built:gone"
    builder.finish(builder.start(builder.put("gone.zip", Dockerfile=DOCKERFILE), uri))
    assert builder.aws.images.find(uri) is not None
    builder.ecr.batch_delete_image(repositoryName="built", imageIds=[{"imageTag": "gone"}])
    assert builder.aws.images.find(uri) is None


@pytest.mark.parametrize(
    ("files", "location", "uri", "phase", "words"),
    [
        ({"Dockerfile": DOCKERFILE}, "build-sources/missing.zip", "built:x", "DOWNLOAD_SOURCE", "does not exist"),
        ({"Dockerfile": DOCKERFILE}, "no-such-bucket-here/x.zip", "built:x", "DOWNLOAD_SOURCE", "does not exist"),
        ({"README": "no Dockerfile"}, None, "built:x", "BUILD", "no Dockerfile at its top"),
        ({"Dockerfile": DOCKERFILE}, None, "nowhere:x", "POST_BUILD", "nowhere"),
        ({"Dockerfile": DOCKERFILE}, None, "built", "PRE_BUILD", "IMAGE_URI"),
    ],
)
def test_a_build_that_cannot_says_why(
    files: dict[str, str], location: str | None, uri: str, phase: str, words: str, builder: Builder
) -> None:
    put = builder.put("given.zip", **files)
    build = builder.finish(builder.start(location or put, f"{REGISTRY}/{uri}"))
    assert build["buildStatus"] == "FAILED"
    failed = [one for one in build["phases"] if one.get("phaseStatus") == "FAILED"]
    assert [one["phaseType"] for one in failed] == [phase]
    assert words in failed[0]["contexts"][0]["message"]
    assert words in builder.log(build)
    assert builder.aws.images.find(f"{REGISTRY}/{uri}") is None


def test_an_immutable_tag_is_refused_the_second_time(builder: Builder) -> None:
    uri = f"{REGISTRY}/built:twice"
    first = builder.finish(builder.start(builder.put("twice.zip", Dockerfile=DOCKERFILE), uri))
    folder = builder.aws.images.find(uri)
    other = builder.put("other.zip", Dockerfile=DOCKERFILE + "# other\n")
    second = builder.finish(builder.start(other, uri))
    assert (first["buildStatus"], second["buildStatus"]) == ("SUCCEEDED", "FAILED")
    assert "cannot be overwritten because the repository is immutable" in builder.log(second)
    assert builder.aws.images.find(uri) == folder


def test_a_build_can_be_stopped(builder: Builder) -> None:
    with builder.slowly():
        identifier = builder.start(builder.put("stop.zip", Dockerfile=DOCKERFILE), f"{REGISTRY}/built:stopped")
        builder.builds.stop_build(id=identifier)
        assert builder.finish(identifier)["buildStatus"] == "STOPPED"
    assert builder.aws.images.find(f"{REGISTRY}/built:stopped") is None


def test_what_is_not_there_is_said(builder: Builder) -> None:
    api = builder.builds
    with pytest.raises(api.exceptions.ResourceNotFoundException, match="Project cannot be found"):
        api.start_build(projectName="other")
    with pytest.raises(api.exceptions.InvalidInputException, match="buildspecOverride"):
        api.start_build(projectName="builder", buildspecOverride="version: 0.2")
    assert api.batch_get_builds(ids=["builder:1"])["buildsNotFound"] == ["builder:1"]
    assert api.batch_get_projects(names=["builder", "other"])["projectsNotFound"] == ["other"]
