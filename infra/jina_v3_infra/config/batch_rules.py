"""Batch transform: what must hold between its settings and the rest of the deployment."""

from __future__ import annotations

import difflib
import zoneinfo
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from jina_v3_infra.config.batch import BatchScheduleSettings, BatchSettings
from jina_v3_infra.config.container_settings import OF_A_DATASET, unknown_settings
from jina_v3_infra.config.instances import instance_type, transform_instance_types
from jina_v3_infra.config.schedules import schedule_fault
from jina_v3_infra.config.schema import Deployment

AMI_DRIVER_535: Final = "al2-ami-sagemaker-batch-gpu-535"
"""The only host image of transform jobs whose driver can run the container: CUDA 12, not 13."""

_LEAST_COMPUTE_CAPABILITY: Final = (7, 5)
_VALUE_BYTES: Final = 1024
_TOLD_BYTES: Final = 2560


def transform_ami(batch: BatchSettings) -> str | None:
    """Return the host image of transform jobs: the one that is named, or the one that fits; none without a GPU."""
    if batch.ami is not None or instance_type(batch.instance_type).gpu is None:
        return batch.ami
    return AMI_DRIVER_535


def batch_rules(deployment: Deployment) -> Iterator[str]:
    """Yield one sentence for each rule that the settings break."""
    batch = deployment.batch
    if batch is None:
        if not deployment.endpoint.enabled:
            yield "endpoint.enabled = false without a [batch] section leaves nothing to deploy; add one, or set true"
        return
    yield from _machine(deployment, batch)
    yield from _archive(deployment, batch)
    yield from _places(batch)
    yield from _room(deployment, batch)
    yield from _schedules(batch)
    yield from _environment(batch)


def _machine(deployment: Deployment, batch: BatchSettings) -> Iterator[str]:
    name, torch = batch.instance_type, deployment.image.torch
    known = transform_instance_types()
    if name not in known:
        near = difflib.get_close_matches(name if name.startswith("ml.") else f"ml.{name}", known, n=1)
        hint = f"did you mean {near[0]}?" if near else "ml.g6.xlarge is one with a GPU"
        yield f"batch: {name!r} is no instance type of SageMaker's transform jobs; {hint}"
        return
    gpu = instance_type(name).gpu
    if torch != "cpu" and gpu is None:
        yield (
            f"batch: {name} has no GPU, and image.torch = {torch!r} is the image for GPUs; take a machine with one, "
            "such as ml.g6.xlarge, or set image.torch to 'cpu'"
        )
    elif torch == "cpu" and gpu is not None:
        yield (
            f"batch: {name} has a GPU, which image.torch = 'cpu' would not use; set image.torch to 'cu128', or take a "
            "machine without one, such as ml.c7i.4xlarge"
        )
    elif gpu is not None and gpu.compute_capability < _LEAST_COMPUTE_CAPABILITY:
        yield (
            f"batch: {name} has a {gpu.name}, which is too old for the image's torch; the oldest that runs is the T4 "
            "of ml.g4dn"
        )
    elif torch == "cu130":
        yield (
            "batch with image.torch = 'cu130': the hosts of transform jobs have driver 535, which runs CUDA 12 and not "
            "13; set image.torch to 'cu128'"
        )
    if batch.ami is not None and batch.ami != AMI_DRIVER_535:
        yield f"batch: ami = {batch.ami!r} has no driver for the image; leave it out, or take {AMI_DRIVER_535}"
    elif batch.ami is not None and gpu is None:
        yield f"batch: ami = {batch.ami!r} is for machines with a GPU, and {name} has none; leave it out"


def _archive(deployment: Deployment, batch: BatchSettings) -> Iterator[str]:
    source = deployment.model.source
    if source.startswith("s3://") and batch.archive is None:
        yield (
            f"batch with model.source = {source!r}: transform jobs take an archive and no S3 prefix; set batch.archive "
            "to a model.tar.gz with the same files in it, or let the model be published from a hub id or a folder"
        )
    elif not source.startswith("s3://") and batch.archive is not None:
        yield (
            f"batch.archive = {batch.archive!r} belongs to a model.source in S3; {source!r} is packed when it is "
            "published, so leave it out"
        )


def _places(batch: BatchSettings) -> Iterator[str]:
    for name, places in (("datasets", batch.datasets), ("results", batch.results)):
        for place in sorted({place for place in places if places.count(place) > 1}):
            yield f"batch.{name}: {place} is there twice; name each place once"
    for place in batch.results:
        if place in batch.datasets:
            yield (
                f"batch.results: {place} is one of batch.datasets too, and vectors would be read as data by the next "
                "run; take another folder"
            )
    if batch.kms_keys and not (batch.datasets or batch.results):
        yield "batch.kms_keys belong to places in datasets or results, and there are none; remove the keys"


def _room(deployment: Deployment, batch: BatchSettings) -> Iterator[str]:
    """Hold that the function can be told all: its environment has 4 KB, of which the rest has its part."""
    texts = [*deployment.tags, *deployment.tags.values(), *batch.datasets, *batch.results]
    size_bytes = sum(len(text.encode()) + len('", "') for text in texts)
    if size_bytes > _TOLD_BYTES:
        yield (
            f"batch with tags: datasets, results and tags have {size_bytes} bytes together, and {_TOLD_BYTES} fit into "
            "the environment of the function that plans the runs; name fewer, or folders above them"
        )


def _schedules(batch: BatchSettings) -> Iterator[str]:
    names = [schedule.name for schedule in batch.schedules]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"batch.schedules: {name!r} is the name of two of them; give each its own"
    for number, schedule in enumerate(batch.schedules):
        yield from _schedule(batch, schedule, f"batch.schedules[{number}]")


def _schedule(batch: BatchSettings, schedule: BatchScheduleSettings, place: str) -> Iterator[str]:
    if schedule.dataset.startswith("s3://") and not _within(schedule.dataset, batch.datasets):
        yield (
            f"{place}: dataset = {schedule.dataset!r} may not be read; add it, or a folder above it, to batch.datasets"
        )
    if schedule.output is not None and not _within(schedule.output, batch.results):
        yield (
            f"{place}: output = {schedule.output!r} may not be written; add it, or a folder above it, to batch.results"
        )
    if (fault := schedule_fault(schedule.expression)) is not None:
        yield f"{place}: expression = {schedule.expression!r}: {fault}"
    zones = _zones()
    if zones and schedule.timezone not in zones:
        near = difflib.get_close_matches(schedule.timezone, zones, n=1)
        hint = f"did you mean {near[0]}?" if near else "Europe/Berlin is one"
        yield f"{place}: timezone = {schedule.timezone!r} is no time zone; {hint}"


@cache
def _zones() -> frozenset[str]:
    """Return the time zones that this machine knows; none where it has no such list."""
    return frozenset(zoneinfo.available_timezones())


def _within(place: str, allowed: Sequence[str]) -> bool:
    return any(place.startswith(one) for one in allowed)


def _environment(batch: BatchSettings) -> Iterator[str]:
    for name, value in batch.environment.items():
        if name.startswith("SAGEMAKER_"):
            yield f"batch.environment: {name} is SageMaker's own to set; remove it"
        if name in OF_A_DATASET:
            yield (
                f"batch.environment: {name} is for each run to say, as text_field and id_field of its input or of its "
                "schedule; remove it"
            )
        if len(value.encode()) > _VALUE_BYTES:
            yield f"batch.environment: {name} has more than {_VALUE_BYTES} bytes, the most there can be; shorten it"
    yield from unknown_settings(batch.environment, "batch.environment")
