"""A second region: the same deployment once more, and inference routers in front of both endpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from jina_v3_infra.config.fields import ARN, KEY_ARN


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSettings:
    """One name for the endpoints of two regions; SageMaker's inference router sends each call to one that is well.

    Everything else is the same in both regions, but for what only exists in one: images, buckets and keys that are
    named by the configuration are named a second time here.
    """

    second_region: Annotated[
        str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", description="the other region, with the same stacks")
    ] = "us-west-2"
    name: Annotated[
        str | None,
        Field(
            pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$",
            description="of the routers, one in each region; by default the endpoint's",
        ),
    ] = None
    image_uri: Annotated[
        str | None,
        Field(
            pattern=r"^[^\s:]+(:\d+)?/[^\s]+[:@][^\s]+$",
            description="in place of image.uri: the same image in the second region's ECR",
        ),
    ] = None
    model_source: Annotated[
        str | None,
        Field(description="in place of an s3:// model.source: the same artifact in a bucket of the second region"),
    ] = None
    model_kms_key: Annotated[
        str | None, Field(pattern=KEY_ARN, description="in place of model.kms_key, of the objects there")
    ] = None
    volume_kms_key: Annotated[
        str | None, Field(pattern=ARN, description="in place of endpoint.volume_kms_key: a key of the second region")
    ] = None
