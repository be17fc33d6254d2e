"""What must hold between the fields of a deployment; each broken rule is one sentence with the fix in it.

Most of these are refused by AWS too, after minutes and in other words. Knows nothing of files and of AWS's state; what
only the account can tell (quotas, the image, the model) is the preflight's.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from jina_v3_infra.config.batch_rules import batch_rules
from jina_v3_infra.config.container_settings import unknown_settings
from jina_v3_infra.config.instances import InstanceType, UnknownInstanceTypeError, instance_type
from jina_v3_infra.config.operations_rules import operations_rules
from jina_v3_infra.config.places import sagemaker_regions
from jina_v3_infra.config.router_rules import router_rules
from jina_v3_infra.config.schema import (
    CaptureSettings,
    Deployment,
    InferenceComponentSettings,
    ScalingSettings,
    VariantSettings,
)
from jina_v3_infra.ecr_image import parse_ecr

AMI_DRIVER_550: Final = "al2-ami-sagemaker-inference-gpu-3-1"
AMI_DRIVER_580: Final = "al2023-ami-sagemaker-inference-gpu-4-1"
AMIS: Final = (AMI_DRIVER_550, AMI_DRIVER_580)
"""The host images whose driver can run the container; docs/image.md has the table."""

_LEAST_COMPUTE_CAPABILITY: Final = (7, 5)
_NEW_VPC_PREFIXES: Final = range(16, 25)
_PUBLISHED: Final = ("sources", "models", "archives", "manifests")
"""The parts of the artifact bucket that publishing fills (``release.OWN_PREFIXES``)."""
_BATCH: Final = "batch"
"""The part that runs of batch transform fill (``prefixes.BATCH``)."""
_ALARM_PERIODS_S: Final = (10, 30, 60)
_VALUE_BYTES: Final = 1024


def broken_rules(deployment: Deployment) -> list[str]:
    """Return one sentence for each rule that the deployment breaks; none where all is well."""
    return [
        *_region(deployment),
        *_tags(deployment),
        *_model(deployment),
        *_image(deployment),
        *(_endpoint(deployment) if deployment.endpoint.enabled else ()),
        *_network(deployment),
        *batch_rules(deployment),
        *operations_rules(deployment),
        *router_rules(deployment),
    ]


def variant_ami(variant: VariantSettings) -> str | None:
    """Return the host image of a variant: the one it names, or the one that fits; ``None`` for machines without GPU.

    An unpinned image can mean driver 470 and a container that never starts.
    """
    if variant.ami is not None or variant.instance_types[0].gpu is None:
        return variant.ami
    return AMI_DRIVER_580


def _region(deployment: Deployment) -> Iterator[str]:
    known = sagemaker_regions()
    if deployment.region not in known:
        yield f"region = {deployment.region!r}: SageMaker is not there; regions that have it are {', '.join(known)}"


def _tags(deployment: Deployment) -> Iterator[str]:
    for name in deployment.tags:
        if name.lower().startswith("aws:"):
            yield f"tags: {name!r} begins with aws:, which is AWS's own; name it without"


def _image(deployment: Deployment) -> Iterator[str]:
    uri = deployment.image.uri
    if uri is None:
        return
    try:
        is_here = parse_ecr(uri).region == deployment.region
    except ValueError:
        is_here = False
    if not is_here:
        yield (
            f"image.uri = {uri!r}: SageMaker takes an image from ECR in the endpoint's region only, such as "
            f"123456789012.dkr.ecr.{deployment.region}.amazonaws.com/jina-v3:1; push it there, or leave uri out"
        )


def _model(deployment: Deployment) -> Iterator[str]:
    source, revision = deployment.model.source, deployment.model.revision
    if source.startswith("s3://"):
        bucket, _, prefix = source.removeprefix("s3://").partition("/")
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket) or not re.fullmatch(r"[^*?$]*/", prefix):
            yield (
                f"model.source = {source!r}: an S3 source is a prefix that ends in a slash, with config.json and "
                "*.safetensors under it, such as s3://bucket/models/mine/"
            )
        if deployment.model.archive:
            yield "model.archive = true packs a model that is published from here; with an s3:// source set it to false"
        if revision is not None:
            yield f"model.revision = {revision!r} belongs to a hub id; with the s3:// source {source!r} leave it out"
    elif deployment.model.kms_key is not None:
        yield (
            f"model.kms_key belongs to an s3:// source; {source!r} is published under the deployment's own key, so "
            "leave it out"
        )


def _endpoint(deployment: Deployment) -> Iterator[str]:
    """Hold what matters only where there is one."""
    yield from _variants(deployment)
    yield from _hosting(deployment)
    yield from _volume_key(deployment)
    yield from _environment(deployment)


def _variants(deployment: Deployment) -> Iterator[str]:
    endpoint = deployment.endpoint
    names = [variant.name for variant in endpoint.variants]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"endpoint.variants: {name!r} is the name of two of them; give each its own"
    if sum(variant.weight for variant in endpoint.variants) <= 0:
        yield "endpoint.variants: no variant has a weight above 0, so no call would reach any; give one weight = 1"
    for number, variant in enumerate(endpoint.variants):
        place = f"endpoint.variants[{number}]"
        yield from _scaling(variant.scaling, f"{place}.scaling")
        yield from _machines(deployment, variant, place)
        yield from _counts(deployment, variant, place)


def _scaling(scaling: ScalingSettings, place: str) -> Iterator[str]:
    if scaling.min > scaling.max:
        yield f"{place}: min = {scaling.min} is more than max = {scaling.max}; raise max or lower min"


def _counts(deployment: Deployment, variant: VariantSettings, place: str) -> Iterator[str]:
    scaling = variant.scaling
    endpoint = deployment.endpoint
    if scaling.min == 0 and endpoint.asynchronous is None and endpoint.inference_component is None:
        yield (
            f"{place}.scaling: min = 0 needs an [endpoint.asynchronous] or an [endpoint.inference_component] section; "
            "machines of an endpoint without one cannot go to none, so set min = 1"
        )
    if variant.instances is not None and not scaling.min <= variant.instances <= scaling.max:
        yield (
            f"{place}: instances = {variant.instances} is outside of its scaling's min = {scaling.min} and "
            f"max = {scaling.max}; leave it out to start with min"
        )


def _prefixes(deployment: Deployment) -> Iterator[str]:
    """Keep what expires, and what callers write, away from what is published."""
    endpoint = deployment.endpoint
    places = {
        "endpoint.capture: prefix": endpoint.capture and endpoint.capture.prefix,
        "endpoint.asynchronous: output_prefix": endpoint.asynchronous and endpoint.asynchronous.output_prefix,
    }
    for place, prefix in places.items():
        if prefix and prefix.partition("/")[0] in _PUBLISHED:
            yield (
                f"{place} = {prefix!r} is where publishing keeps its own files ({', '.join(_PUBLISHED)}); "
                "take another, such as data/"
            )
        elif prefix and prefix.partition("/")[0] == _BATCH:
            yield f"{place} = {prefix!r} is where batch transform keeps its files; take another, such as data/"
    settings, captured = endpoint.asynchronous, CaptureSettings().prefix
    if settings is not None and f"{settings.output_prefix}/".startswith(captured):
        yield (
            f"endpoint.asynchronous: output_prefix = {settings.output_prefix!r} is where captured data expires "
            f"({captured}); take another, such as data/"
        )


def _machines(deployment: Deployment, variant: VariantSettings, place: str) -> Iterator[str]:
    for named in (variant.instance_type, *variant.instance_pool):
        try:
            found = instance_type(named)
        except UnknownInstanceTypeError as error:
            yield f"{place}: {error}"
        else:
            yield from _machine(deployment, found, place)
    pool = (variant.instance_type, *variant.instance_pool)
    for name in sorted({name for name in pool if pool.count(name) > 1}):
        yield f"{place}.instance_pool: {name} is there twice; a pool has each machine once"
    if variant.ami is not None and variant.ami not in AMIS:
        yield f"{place}: ami = {variant.ami!r} has no driver for the image; leave it out, or take {' or '.join(AMIS)}"
    if variant.ami == AMI_DRIVER_550 and deployment.image.torch == "cu130":
        yield (
            f"{place}: ami = {variant.ami!r} has driver 550, and image.torch = 'cu130' needs 580; leave ami out or "
            "set torch to 'cu128'"
        )


def _machine(deployment: Deployment, machine: InstanceType, place: str) -> Iterator[str]:
    gpu_image = deployment.image.torch != "cpu"
    if machine.arm:
        yield f"{place}: {machine.name} has an ARM processor, and the image is built for x86-64; take ml.g6.xlarge"
    elif gpu_image and machine.gpu is None:
        yield (
            f"{place}: {machine.name} has no GPU, and image.torch = {deployment.image.torch!r} is the image for GPUs; "
            "take a machine with one, such as ml.g6.xlarge, or set image.torch to 'cpu'"
        )
    elif not gpu_image and machine.gpu is not None:
        yield (
            f"{place}: {machine.name} has a GPU, which image.torch = 'cpu' would not use; "
            "set image.torch to 'cu128', or take a machine without one, such as ml.c7i.4xlarge"
        )
    elif machine.gpu is not None and machine.gpu.compute_capability < _LEAST_COMPUTE_CAPABILITY:
        yield (
            f"{place}: {machine.name} has a {machine.gpu.name}, which is too old for the image's torch; "
            "the oldest that runs is the T4 of ml.g4dn"
        )


def _hosting(deployment: Deployment) -> Iterator[str]:
    endpoint, component = deployment.endpoint, deployment.endpoint.inference_component
    if endpoint.asynchronous is not None and endpoint.capture is not None:
        yield (
            "endpoint.capture with endpoint.asynchronous: SageMaker captures no data of asynchronous endpoints, "
            "whose inputs and outputs are in S3 anyway; remove one of the two sections"
        )
    yield from _asynchronous(deployment)
    yield from _prefixes(deployment)
    if component is not None:
        yield from _component(deployment, component)


def _asynchronous(deployment: Deployment) -> Iterator[str]:
    settings = deployment.endpoint.asynchronous
    if settings is None:
        return
    if len(deployment.endpoint.variants) > 1:
        yield (
            f"endpoint.variants: an asynchronous endpoint has one variant, here are "
            f"{len(deployment.endpoint.variants)}; keep one"
        )
    given = {"success_topic": settings.success_topic, "failure_topic": settings.failure_topic}
    for name, arn in given.items():
        if arn is not None and arn.split(":")[3] != deployment.region:
            yield (
                f"endpoint.asynchronous: {name} = {arn!r} is in {arn.split(':')[3]}, and SageMaker tells topics of its "
                f"own region only; take one in {deployment.region}, or leave it out to have one made"
            )
    if settings.topics_kms_key is not None and not any(given.values()):
        yield (
            "endpoint.asynchronous: topics_kms_key belongs to topics that are given, and here both are made with the "
            "deployment's own key; leave it out"
        )


def _component(deployment: Deployment, component: InferenceComponentSettings) -> Iterator[str]:
    endpoint = deployment.endpoint
    yield from _scaling(component.scaling, "endpoint.inference_component.scaling")
    if endpoint.asynchronous is not None:
        yield (
            "endpoint.inference_component with endpoint.asynchronous: an asynchronous endpoint hosts its model itself, "
            "and goes to no machines without a component; remove one of the two sections"
        )
    if endpoint.capture is not None:
        yield (
            "endpoint.capture with endpoint.inference_component: SageMaker captures no data of inference components; "
            "remove one of the two sections"
        )
    if len(endpoint.variants) > 1:
        yield (
            f"endpoint.variants: an endpoint with an inference component has one variant, here are "
            f"{len(endpoint.variants)}; keep one and let the component's copies scale"
        )
    period_s = component.scale_out_after_s
    if period_s not in _ALARM_PERIODS_S and period_s % 60:
        yield (
            f"endpoint.inference_component: scale_out_after_s = {period_s}: an alarm's period is 10, 30 or a multiple "
            f"of 60 seconds; set it to {max(60, round(period_s / 60) * 60)}"
        )
    yield from _room(endpoint.variants[0], component)


def _room(variant: VariantSettings, component: InferenceComponentSettings) -> Iterator[str]:
    """Hold that all copies fit on the most machines there can be: each has a GPU for itself."""
    if variant.instance_pool:
        yield (
            "endpoint.variants[0].instance_pool with endpoint.inference_component: a component's needs are stated for "
            "one kind of machine; remove one of the two"
        )
    gpus = max((machine.gpus for machine in _known(variant)), default=0)
    if gpus and component.scaling.max > gpus * variant.scaling.max:
        yield (
            f"endpoint.inference_component.scaling: max = {component.scaling.max} copies need a GPU each, and "
            f"{variant.scaling.max} x {variant.instance_type} have {gpus * variant.scaling.max}; "
            "raise max in endpoint.variants[0].scaling, or lower it here"
        )


def _volume_key(deployment: Deployment) -> Iterator[str]:
    key = deployment.endpoint.volume_kms_key
    if key is None:
        return
    for number, variant in enumerate(deployment.endpoint.variants):
        for machine in _known(variant):
            if machine.local_storage:
                yield (
                    f"endpoint.volume_kms_key with endpoint.variants[{number}]: {machine.name} has storage of its own, "
                    "which its hardware encrypts, and SageMaker refuses a key for it; remove volume_kms_key"
                )


def _network(deployment: Deployment) -> Iterator[str]:
    network = deployment.network
    given = bool(network.subnets or network.security_groups)
    if network.vpc is not None and network.vpc != "create":
        if not network.subnets or not network.security_groups:
            yield (
                f"network: vpc = {network.vpc!r} needs subnets and security_groups of that VPC; list both, "
                'or set vpc = "create"'
            )
    elif given:
        yield "network: subnets and security_groups belong to a VPC that exists; set vpc to its id, or remove both"
    if network.vpc == "create":
        try:
            block = ipaddress.ip_network(network.cidr)
        except ValueError as error:
            yield f"network: cidr = {network.cidr!r}: {error}; 10.42.0.0/20 is one"
        else:
            if block.prefixlen not in _NEW_VPC_PREFIXES or not block.is_private:
                yield f"network: cidr = {network.cidr!r} must be a private block of /16 to /24, such as 10.42.0.0/20"


def _environment(deployment: Deployment) -> Iterator[str]:
    environment = deployment.endpoint.environment
    for name in environment:
        if name.startswith("SAGEMAKER_"):
            yield f"endpoint.environment: {name} is SageMaker's own to set; remove it"
        if len(environment[name].encode()) > _VALUE_BYTES:
            yield f"endpoint.environment: {name} has more than {_VALUE_BYTES} bytes, the most there can be; shorten it"
    yield from unknown_settings(environment, "endpoint.environment")
    size_bytes = sum(len(name.encode()) + len(value.encode()) for name, value in environment.items())
    if size_bytes > 32 * 1024:
        yield f"endpoint.environment: {size_bytes} bytes in all, and SageMaker takes 32768; shorten it"


def _known(variant: VariantSettings) -> Iterator[InstanceType]:
    for name in (variant.instance_type, *variant.instance_pool):
        try:
            yield instance_type(name)
        except UnknownInstanceTypeError:
            continue  # another rule's
