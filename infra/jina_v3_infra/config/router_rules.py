"""The second region: what must hold between its settings and the rest of the deployment."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jina_v3_infra.config.places import sagemaker_regions
from jina_v3_infra.config.router import RouterSettings
from jina_v3_infra.config.schema import Deployment
from jina_v3_infra.ecr_image import parse_ecr


def router_rules(deployment: Deployment) -> Iterator[str]:
    """Yield one sentence for each rule that the settings break."""
    router = deployment.router
    if router is None:
        return
    yield from _region(deployment, router)
    yield from _image(deployment, router)
    yield from _model(deployment, router)
    yield from _volume_key(deployment, router)
    if deployment.network.vpc not in (None, "create"):
        yield (
            f"router with network.vpc = {deployment.network.vpc!r}: a VPC is in one region, and the second region has "
            'another; set network.vpc = "create", or remove the [router] section'
        )
    if not deployment.endpoint.enabled:
        yield (
            "router with endpoint.enabled = false: routers stand in front of endpoints, and batch stays in the first "
            "region; enable the endpoint, or remove the [router] section"
        )
    if deployment.endpoint.asynchronous is not None:
        yield (
            "router with endpoint.asynchronous: a router keeps the inputs and outputs of asynchronous calls in its own "
            "region's bucket, so that the calls are lost with the region; remove one of the two sections"
        )


def _region(deployment: Deployment, router: RouterSettings) -> Iterator[str]:
    known, first, second = sagemaker_regions(), deployment.region, router.second_region
    if second not in known:
        yield f"router: second_region = {second!r}: SageMaker is not there; regions that have it are {', '.join(known)}"
    elif second == first:
        yield f"router: second_region = {second!r} is region itself; take another, such as us-west-2"
    elif first in known and known[first] != known[second]:
        yield (
            f"router: second_region = {second!r} is in the partition {known[second]}, and region = {first!r} in "
            f"{known[first]}, which share no account; take two regions of one partition"
        )


def _image(deployment: Deployment, router: RouterSettings) -> Iterator[str]:
    given, other = deployment.image.uri, router.image_uri
    if given is None:
        if other is not None:
            yield f"router: image_uri = {other!r} goes with image.uri, which is not given; set both, or neither"
        return
    try:
        is_there = other is not None and parse_ecr(other).region == router.second_region
    except ValueError:
        is_there = False
    if not is_there:
        yield (
            f"router: image_uri = {other!r}: with image.uri the second region needs the image in its own ECR, such as "
            f"123456789012.dkr.ecr.{router.second_region}.amazonaws.com/jina-v3:1; push it there, or leave both out"
        )


def _model(deployment: Deployment, router: RouterSettings) -> Iterator[str]:
    source, other = deployment.model.source, router.model_source
    if not source.startswith("s3://"):
        for name, value in (("model_source", other), ("model_kms_key", router.model_kms_key)):
            if value is not None:
                yield (
                    f"router: {name} = {value!r} goes with an s3:// model.source; {source!r} is published to both "
                    "regions, so leave it out"
                )
    elif other is None or other == source or not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^*?$]*/", other):
        yield (
            f"router: model_source = {other!r}: SageMaker takes a model from a bucket of the endpoint's region only; "
            f"copy {source} to a bucket in {router.second_region}, and give that prefix, which ends in a slash"
        )
    elif router.model_kms_key is not None:
        yield from _key(router, "model_kms_key", router.model_kms_key)


def _volume_key(deployment: Deployment, router: RouterSettings) -> Iterator[str]:
    given, other = deployment.endpoint.volume_kms_key, router.volume_kms_key
    if (given is None) != (other is None):
        yield (
            f"router: volume_kms_key = {other!r} and endpoint.volume_kms_key = {given!r}: a key is in one region; "
            "give one of each region, or none"
        )
    elif other is not None:
        yield from _key(router, "volume_kms_key", other)


def _key(router: RouterSettings, name: str, arn: str) -> Iterator[str]:
    parts = arn.split(":")
    if len(parts) < 4 or parts[3] != router.second_region:
        yield f"router: {name} = {arn!r} is no key of {router.second_region}; give one that is"
