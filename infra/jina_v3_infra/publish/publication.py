"""Publishing: everything that the endpoint's stack refers to, brought into the account. Every step can be repeated."""

from __future__ import annotations

import time
from dataclasses import dataclass

import boto3

from jina_v3_infra.artifact import ArtifactError
from jina_v3_infra.config import Deployment
from jina_v3_infra.hub import HubError
from jina_v3_infra.outputs import Foundation, Origin
from jina_v3_infra.progress import open_console
from jina_v3_infra.publish.bucket import open_bucket
from jina_v3_infra.publish.copying import copy_model
from jina_v3_infra.publish.errors import PublishError
from jina_v3_infra.publish.image import begin_image
from jina_v3_infra.publish.model import Tally, check_prefix, publish_model
from jina_v3_infra.release import plan_release


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What is in the account now, and what was done for it.

    **Units**: ``…_bytes`` of the model; ``…_s`` seconds that were spent on each.
    """

    image_uri: str
    model_uri: str
    archive_uri: str | None
    uploaded_bytes: int
    copied_bytes: int
    skipped_bytes: int
    image_built: bool
    model_s: float
    image_s: float


def publish(
    deployment: Deployment,
    foundation: Foundation,
    session: boto3.Session,
    *,
    origin: Origin | None = None,
    progress: bool = True,
) -> Published:
    """Publish the deployment's model and image; what is there already is left alone.

    A build in the account runs while the model is uploaded. With an ``origin`` the model is not uploaded, but copied
    from there. With ``progress``, standard error tells what goes on.

    **Raises**: ``PublishError``.
    """
    try:
        return _publish(deployment, foundation, session, origin, progress=progress)
    except (ArtifactError, HubError) as error:
        raise PublishError(str(error)) from error
    except OSError as error:
        raise PublishError(f"a file or the network of this machine failed: {error}; then run this again") from error


def _publish(
    deployment: Deployment, foundation: Foundation, session: boto3.Session, origin: Origin | None, *, progress: bool
) -> Published:
    console = open_console(enabled=progress)
    release = plan_release(deployment)
    bucket = open_bucket(session, deployment.region, foundation.bucket)
    began_s = time.monotonic()
    image = begin_image(deployment, foundation, release, bucket, session, console)
    image_s = time.monotonic() - began_s
    if release.model is None:
        check_prefix(bucket.s3, deployment.model.source)
        tally, model_uri = Tally(), deployment.model.source
    else:
        if origin is None:
            tally = publish_model(deployment, release, bucket, progress=progress)
        else:
            first = open_bucket(session, origin.region, origin.bucket)
            tally = copy_model(release, first, bucket, archive=deployment.packs_archive, progress=progress)
        model_uri = f"s3://{bucket.name}/{release.model_prefix}"
    model_s = time.monotonic() - began_s - image_s
    if image.finish is not None:
        image.finish()
        image_s = time.monotonic() - began_s - model_s
    return Published(
        image_uri=image.uri,
        model_uri=model_uri,
        archive_uri=f"s3://{bucket.name}/{release.archive_key}" if deployment.packs_archive else None,
        uploaded_bytes=tally.uploaded_bytes,
        copied_bytes=tally.copied_bytes,
        skipped_bytes=tally.skipped_bytes,
        image_built=image.finish is not None,
        model_s=model_s,
        image_s=image_s,
    )
