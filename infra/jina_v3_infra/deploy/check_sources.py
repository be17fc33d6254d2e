"""Whether there is an image to run and a model to serve, or whether publishing can make them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from botocore.exceptions import ClientError

from jina_v3_infra.artifact import ArtifactError
from jina_v3_infra.config import Deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.failures import absent, explain
from jina_v3_infra.deploy.findings import Finding, examine, right, unsure, wrong
from jina_v3_infra.ecr_image import parse_ecr
from jina_v3_infra.hub import HubError, resolve_model
from jina_v3_infra.outputs import Foundation, read_foundation
from jina_v3_infra.release import Release, image_tag, plan_release

IMAGE = "image"
MODEL = "model"


def check_image(
    account: Account, deployment: Deployment, docker_runs: Callable[[], bool] | None = None
) -> Iterator[Finding]:
    """Look for the image, and for what would build it."""
    given = deployment.image.uri
    if given is not None:
        if _is_in_ecr(account, given):
            yield right(IMAGE, f"{given} is there")
        else:
            yield wrong(IMAGE, f"{given} is not there", "push it, or leave image.uri out to have it built")
        return
    try:
        tag = image_tag(deployment.image)
    except ArtifactError as error:
        yield wrong(IMAGE, str(error), "set image.uri to an image that exists, or work in a checkout")
        return
    foundation = read_foundation(account.client("cloudformation"), deployment.foundation_stack)
    if foundation is not None and foundation.repository_uri is not None:
        uri = f"{foundation.repository_uri}:{tag}"
        if _is_in_ecr(account, uri):
            yield right(IMAGE, f"{uri} is there")
            return
    if deployment.image.build == "codebuild":
        yield right(IMAGE, f"will be built in the account by CodeBuild, with the tag {tag}")
    elif (docker_runs or docker_answers)():
        yield right(IMAGE, f"will be built by this machine's docker, with the tag {tag}")
    else:
        yield wrong(
            IMAGE,
            "image.build = 'docker', and docker does not answer here",
            "start docker's engine, or leave image.build out: CodeBuild then builds in the account",
        )


def check_model(account: Account, deployment: Deployment) -> Iterator[Finding]:
    """Look for the model where it comes from, and for the release that it was published as."""
    source = deployment.model.source
    if source.startswith("s3://"):
        yield from _model_in_s3(account, deployment)
        return
    try:
        release = plan_release(deployment)
    except (ArtifactError, HubError) as error:
        yield wrong(MODEL, str(error), "correct model.source and model.revision")
        return
    foundation = read_foundation(account.client("cloudformation"), deployment.foundation_stack)
    if foundation is not None and _is_published(account, foundation, release):
        yield right(MODEL, f"release {release.model} is published")
    elif Path(source).expanduser().exists():
        yield right(MODEL, f"{source} will be published as release {release.model}")
    else:
        repository, commit = resolve_model(source, deployment.model.revision)
        yield right(MODEL, f"{repository} at commit {commit[:12]} will be fetched and published as {release.model}")


def _is_published(account: Account, foundation: Foundation, release: Release) -> bool:
    found = account.client("s3").list_objects_v2(Bucket=foundation.bucket, Prefix=release.manifest_key, MaxKeys=1)
    return bool(found.get("KeyCount"))


def docker_answers() -> bool:
    """Say whether docker and its engine are here."""
    program = shutil.which("docker")
    if program is None:
        return False
    try:
        return subprocess.run([program, "info"], capture_output=True, timeout=20, check=False).returncode == 0  # noqa: S603  # found on the path
    except subprocess.TimeoutExpired:
        return False


def _is_in_ecr(account: Account, uri: str) -> bool:
    image = parse_ecr(uri)
    try:
        account.client("ecr").describe_images(
            registryId=image.account, repositoryName=image.repository, imageIds=[image.identifier]
        )
    except ClientError as error:
        if absent(error):
            return False
        raise
    return True


def _model_in_s3(account: Account, deployment: Deployment) -> Iterator[Finding]:
    source = deployment.model.source
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    names = set()
    try:
        for page in account.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            names |= {one["Key"].removeprefix(prefix) for one in page.get("Contents", ())}
    except ClientError as error:
        if not absent(error):
            raise
        yield wrong(MODEL, f"there is no bucket {bucket!r}", "correct model.source")
        return
    weights = sorted(name for name in names if name.endswith(".safetensors"))
    if "config.json" not in names or not weights:
        yield wrong(
            MODEL,
            f"{source} has no config.json with *.safetensors beside it ({len(names)} objects are under it)",
            "give the prefix that holds them, or a hub id or a folder, which is then published",
        )
        return
    yield right(MODEL, f"{source} holds a model")
    yield from examine(MODEL, lambda: _encryption(account, deployment, bucket, f"{prefix}{weights[0]}"))


def _encryption(account: Account, deployment: Deployment, bucket: str, name: str) -> Iterator[Finding]:
    """Look whether the endpoint's role may decrypt one of the model's objects.

    It may use the deployment's key and the configuration's. AWS's own key of S3 (aws/s3) lets in whoever may read the
    object, in its own account alone, where only it can be described.
    """
    used = account.client("s3").head_object(Bucket=bucket, Key=name).get("SSEKMSKeyId")
    if used is None or _same_key(used, deployment.model.kms_key):
        return
    foundation = read_foundation(account.client("cloudformation"), deployment.foundation_stack)
    if foundation is not None and _same_key(used, foundation.key_arn):
        return
    where = f"s3://{bucket}/{name} is encrypted by the key {used}"
    given = deployment.model.kms_key or "not given"
    fix = f"set model.kms_key = {used!r}; a key of another account must let this account decrypt, by its own policy"
    try:
        found = account.client("kms").describe_key(KeyId=used)["KeyMetadata"]
    except ClientError as error:
        yield unsure(MODEL, f"{where}, and model.kms_key is {given}; whose it is is not known: {explain(error)}", fix)
        return
    if found.get("KeyManager") != "AWS":
        yield wrong(MODEL, f"{where}, which the endpoint's role may not use: model.kms_key is {given}", fix)


def _same_key(used: str, key: str | None) -> bool:
    """Compare keys by id: S3 gives a key's ARN, or the id alone where it was encrypted with that."""
    return key is not None and used.rpartition("/")[2] == key.rpartition("/")[2]
