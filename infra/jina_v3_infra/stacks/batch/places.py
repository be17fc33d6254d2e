"""Where runs of batch transform read and write, and the permissions that name nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from jina_v3_infra.config import BatchSettings
from jina_v3_infra.prefixes import BATCH_DATASETS, BATCH_RUNS, BATCH_VECTORS, split_place
from jina_v3_infra.release import Release
from jina_v3_infra.stacks.permissions import allow
from jina_v3_infra.stacks.storage import bucket_arn

Place = tuple[str, str]
"""A bucket and a prefix in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlaces:
    """The places of one deployment's runs; ``archive`` is the model's, as bucket and key."""

    bucket: str
    archive: Place
    given_datasets: tuple[Place, ...]
    given_results: tuple[Place, ...]

    @classmethod
    def of(cls, settings: BatchSettings, release: Release, bucket: str) -> BatchPlaces:
        """Say where all is: in the deployment's own bucket, and where the configuration says."""
        return cls(
            bucket=bucket,
            archive=(bucket, release.archive_key) if settings.archive is None else split_place(settings.archive),
            given_datasets=tuple(map(split_place, settings.datasets)),
            given_results=tuple(map(split_place, settings.results)),
        )

    @property
    def datasets(self) -> tuple[Place, ...]:
        """What may be embedded."""
        return ((self.bucket, BATCH_DATASETS), *self.given_datasets)

    @property
    def results(self) -> tuple[Place, ...]:
        """Where vectors may go."""
        return ((self.bucket, BATCH_VECTORS), *self.given_results)

    @property
    def runs(self) -> Place:
        """What runs work with."""
        return self.bucket, BATCH_RUNS

    @property
    def buckets(self) -> list[str]:
        """All buckets, each once."""
        return list(dict.fromkeys(bucket for bucket, _ in (self.archive, *self.datasets, *self.results)))


def objects(place: Place) -> str:
    """Return the ARN of everything in a place."""
    bucket, prefix = place
    return f"{bucket_arn(bucket)}/{prefix}*"


def allow_listing(places: Iterable[Place]) -> Iterator[iam.PolicyStatement]:
    """Let a role list places, and nothing else of their buckets."""
    prefixes: dict[str, list[str]] = {}
    for bucket, prefix in places:
        prefixes.setdefault(bucket, []).append(f"{prefix}*")
    for number, (bucket, patterns) in enumerate(prefixes.items(), start=1):
        under = {"StringLike": {"s3:prefix": patterns}}
        yield allow(f"ListPlaces{number}", ["s3:ListBucket"], [bucket_arn(bucket)], under)


def allow_keys(settings: BatchSettings, key: kms.IKey) -> iam.PolicyStatement:
    """Let a role read and write what the deployment's key, and those of the given places, encrypt."""
    return allow("UseKeys", ["kms:Decrypt", "kms:GenerateDataKey"], [key.key_arn, *settings.kms_keys])
