"""The image into ECR: there already, built in the account, or built by this machine's Docker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from jina_v3_infra.artifact import find_source_root
from jina_v3_infra.config import Deployment
from jina_v3_infra.ecr_image import EcrImage, parse_ecr
from jina_v3_infra.outputs import Foundation
from jina_v3_infra.publish import docker
from jina_v3_infra.publish.bucket import Bucket
from jina_v3_infra.publish.bundle import pack_sources
from jina_v3_infra.publish.codebuild import Build, find_build, start_build
from jina_v3_infra.publish.errors import PublishError, explained
from jina_v3_infra.publish.registry import image_exists, read_password
from jina_v3_infra.release import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that a release needs: ``finish`` brings it into ECR, ``None`` where it is there."""

    uri: str
    finish: Callable[[], None] | None = None


def begin_image(
    deployment: Deployment,
    foundation: Foundation,
    release: Release,
    bucket: Bucket,
    session: Any,
    console: Console,
) -> Image:
    """Check whether the image is there, and start its build in the account where it is not.

    **Raises**: ``PublishError``.
    """
    if deployment.image.uri is not None:
        return _given_image(deployment.image.uri, session)
    if foundation.repository_uri is None or foundation.build_project is None:
        raise PublishError(
            f"the stack {deployment.foundation_stack} has no repository, as it was deployed with an image.uri: "
            "deploy it again with this configuration"
        )
    uri = f"{foundation.repository_uri}:{release.image_tag}"
    image = parse_ecr(uri)
    if image_exists(image, session):
        return Image(uri=uri)
    if deployment.image.build == "docker":
        docker.require_docker()
        build = _plan_docker(deployment, uri, image, session, console)
    else:
        build = _start_codebuild(deployment, uri, release, foundation.build_project, bucket, session, console)

    def finish() -> None:
        build()
        if not image_exists(image, session):
            raise PublishError(
                f"the build ended well, and {uri} is not in ECR: look at what it pushed in the build's log, "
                "then run this again"
            )

    return Image(uri=uri, finish=finish)


def _given_image(uri: str, session: Any) -> Image:
    if not image_exists(parse_ecr(uri), session):
        raise PublishError(
            f"image.uri = {uri} does not exist: push it, name another, or leave it out to have one built"
        )
    return Image(uri=uri)


def _plan_docker(
    deployment: Deployment, uri: str, image: EcrImage, session: Any, console: Console
) -> Callable[[], None]:
    settings = deployment.image

    def run() -> None:
        docker.build_image(uri, find_source_root(), torch=settings.torch, base=settings.base, console=console)
        # not before: the password is good for hours only
        docker.push_image(uri, image.host, read_password(image, session), console=console)

    return run


def _start_codebuild(
    deployment: Deployment,
    uri: str,
    release: Release,
    project: str,
    bucket: Bucket,
    session: Any,
    console: Console,
) -> Callable[[], None]:
    settings = deployment.image
    codebuild = session.client("codebuild", region_name=deployment.region)
    build_id = find_build(codebuild, project, uri)
    if build_id is not None:
        console.print(f"waiting for the build {build_id}, which is running")
    else:
        with explained("s3", f"bucket {bucket.name}"):
            if release.source_key not in bucket.sizes(release.source_key):
                bucket.put(release.source_key, pack_sources())
        build_id = start_build(
            codebuild,
            project,
            source=f"{bucket.name}/{release.source_key}",
            image_uri=uri,
            torch=settings.torch,
            base=settings.base,
        )
        console.print(f"started the build {build_id} of {uri}")
    logs = session.client("logs", region_name=deployment.region)
    return Build(codebuild=codebuild, logs=logs, build_id=build_id, console=console).follow
