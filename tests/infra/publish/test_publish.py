from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path

import boto3
import pytest
from tests.support.loopback_aws import LoopbackAws

from jina_v3_infra.config import Deployment, ImageSettings, ModelSettings
from jina_v3_infra.outputs import Foundation
from jina_v3_infra.publish import PublishError, publish
from jina_v3_infra.publish.__main__ import main
from jina_v3_infra.publish.bucket import Bucket

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/given:1"
MANIFEST = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}


@pytest.fixture
def foundation(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Foundation:
    """One without a repository, for an image that is given and there."""
    monkeypatch.setattr("jina_v3_infra.publish.image.image_exists", lambda *_: True)
    return Foundation(bucket=bucket.name, key_arn="", repository_uri=None, build_project=None)


def deployment_of(source: Path | str, *, archive: bool = False) -> Deployment:
    return Deployment(image=ImageSettings(uri=IMAGE), model=ModelSettings(source=str(source), archive=archive))


def test_all_of_it_twice(
    aws: LoopbackAws,
    bucket: Bucket,
    foundation: Foundation,
    session: boto3.Session,
    model: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    deployment = deployment_of(model, archive=True)
    first = publish(deployment, foundation, session)
    name = first.model_uri.removeprefix(f"s3://{bucket.name}/models/").rstrip("/")
    assert first.archive_uri == f"s3://{bucket.name}/archives/{name}/model.tar.gz"
    assert bucket.sizes(f"manifests/{name}.json")
    assert bucket.sizes(f"archives/{name}/model.tar.gz")
    assert (first.image_uri, first.image_built, first.copied_bytes, first.skipped_bytes) == (IMAGE, False, 0, 0)
    assert first.uploaded_bytes == sum(bucket.sizes("models/").values()) + sum(bucket.sizes("archives/").values())
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "uploaded 12.6 of 12.6 MB" in shown.err
    aws.asked.clear()
    second = publish(deployment, foundation, session, progress=False)
    assert aws.changes() == []
    assert (second.uploaded_bytes, second.skipped_bytes) == (0, first.uploaded_bytes)
    assert (second.model_uri, second.archive_uri) == (first.model_uri, first.archive_uri)
    assert capsys.readouterr() == ("", "")


def test_an_s3_prefix_is_served_from_where_it_is(
    aws: LoopbackAws, bucket: Bucket, foundation: Foundation, session: boto3.Session, source_root: Path
) -> None:
    source = f"s3://{bucket.name}/mine/"
    for name in ("config.json", "model.safetensors"):
        bucket.put(f"mine/{name}", b"{}")
    aws.asked.clear()
    published = publish(deployment_of(source), foundation, session, progress=False)
    assert (published.model_uri, published.uploaded_bytes) == (source, 0)
    assert aws.changes() == []


def test_what_is_no_model_is_a_sentence(
    foundation: Foundation, session: boto3.Session, tmp_path: Path, source_root: Path
) -> None:
    with pytest.raises(PublishError, match=r"is no model folder: it needs config.json and \*.safetensors"):
        publish(deployment_of(tmp_path), foundation, session)
    with pytest.raises(PublishError, match="as a hub id it needs a commit"):
        publish(deployment_of("someone/embeddings"), foundation, session)


def test_an_aws_that_cannot_be_reached(foundation: Foundation, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LoopbackAws().running() as stopped:
        pass
    monkeypatch.setenv("AWS_ENDPOINT_URL", stopped.endpoint)
    with pytest.raises(PublishError, match=r"AWS cannot be asked for bucket .*check the network"):
        publish(deployment_of(model), foundation, boto3.Session(region_name="us-east-1"), progress=False)


@pytest.fixture
def stack(bucket: Bucket, session: boto3.Session) -> str:
    """A foundation stack with its outputs; returns the deployment's name."""
    name = f"d{uuid.uuid4().hex[:20]}"
    template = {
        "Resources": {"Any": {"Type": "AWS::S3::Bucket"}},
        "Outputs": {
            "ArtifactBucket": {"Value": bucket.name},
            "ArtifactKey": {"Value": "arn:aws:kms:us-east-1:1:key/1"},
        },
    }
    session.client("cloudformation").create_stack(StackName=f"{name}-foundation", TemplateBody=json.dumps(template))
    return name


def test_as_a_program(
    stack: str, bucket: Bucket, model: Path, session: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    config = model.parent / "deployment.toml"
    config.write_text(f'name = "{stack}"\n[model]\nsource = "{model}"\n')
    ecr = session.client("ecr")
    named = ecr.create_repository(repositoryName=stack)["repository"]["repositoryUri"] + ":mine"
    ecr.put_image(repositoryName=stack, imageManifest=json.dumps(MANIFEST), imageTag="mine")
    assert main(["--config", str(config), "-c", f"image.uri={named}", "--quiet"]) == 0
    shown = capsys.readouterr()
    image, uri = shown.out.splitlines()
    assert image == named
    assert f"{uri}config.json".removeprefix(f"s3://{bucket.name}/") in bucket.sizes("models/")
    assert shown.err == ""


def test_one_call_publishes_to_both_regions(
    stack: str, bucket: Bucket, model: Path, session: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    there, images = "eu-west-1", []
    bucket.s3.create_bucket(Bucket=f"{bucket.name}-there")
    for region in ("us-east-1", there):
        ecr = session.client("ecr", region_name=region)
        uri = ecr.create_repository(repositoryName=stack)["repository"]["repositoryUri"]
        ecr.put_image(repositoryName=stack, imageManifest=json.dumps(MANIFEST), imageTag="mine")
        images.append(f"{uri}:mine")
    words = ["-c", f"name={stack}", "-c", f"model.source={model}", "-c", f"image.uri={images[0]}", "--quiet"]
    words += ["-c", f"router.second_region={there}", "-c", f"router.image_uri={images[1]}"]
    assert main(words) == 1  # the first region has it now, and the second one has nothing to publish to
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0] == images[0]
    assert f"there is no whole stack {stack}-foundation in {there}" in shown.err
    outputs = {"ArtifactBucket": {"Value": f"{bucket.name}-there"}, "ArtifactKey": {"Value": "key"}}
    template = {"Resources": {"Any": {"Type": "AWS::SNS::Topic"}}, "Outputs": outputs}
    session.client("cloudformation", region_name=there).create_stack(
        StackName=f"{stack}-foundation", TemplateBody=json.dumps(template)
    )
    assert main(words) == 0
    first, second = capsys.readouterr().out.splitlines()[1::2]
    assert second == first.replace(bucket.name, f"{bucket.name}-there")
    copy = Bucket(s3=bucket.s3, name=f"{bucket.name}-there")
    assert copy.sizes("models/") == bucket.sizes("models/")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["-c", "name=absent"],
            "error: there is no whole stack absent-foundation in us-east-1: deploy the foundation first",
        ),
        (["-c", "nmae=absent"], "error: the configuration: nmae is not known; did you mean name?"),
        (["--config", "absent.toml"], "error: absent.toml cannot be read"),
    ],
)
def test_mistakes_end_the_program_with_a_sentence(
    aws: LoopbackAws, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(arguments) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith(message)
    assert (shown.out, shown.err.count("\n")) == ("", 1)


def test_a_foundation_that_was_not_deployed_whole(session: boto3.Session, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"d{uuid.uuid4().hex[:20]}"
    template = {"Resources": {"Any": {"Type": "AWS::S3::Bucket"}}}
    session.client("cloudformation").create_stack(StackName=f"{name}-foundation", TemplateBody=json.dumps(template))
    assert main(["-c", f"name={name}"]) == 1
    assert capsys.readouterr().err == (
        f"error: there is no whole stack {name}-foundation in us-east-1: deploy the foundation first\n"
    )


def test_ctrl_c_ends_the_program_with_how_to_go_on(
    stack: str, model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("jina_v3_infra.publish.__main__.publish", interrupt)
    assert main(["-c", f"name={stack}"]) == 130
    assert capsys.readouterr().err == "stopped: run this again to go on from what has arrived\n"


def test_help() -> None:
    command = [sys.executable, "-m", "jina_v3_infra.publish", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--config FILE" in done.stdout
