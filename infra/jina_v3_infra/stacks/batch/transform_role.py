"""The role that SageMaker takes for transform jobs: what it may do, and why nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from jina_v3_infra.config import BatchSettings, Deployment
from jina_v3_infra.log_groups import TRANSFORM_LOG_GROUP
from jina_v3_infra.stacks.batch.places import BatchPlaces, allow_keys, allow_listing, objects
from jina_v3_infra.stacks.image_repository import pull_image
from jina_v3_infra.stacks.network import Placement, handle_interfaces
from jina_v3_infra.stacks.permissions import accept_wildcards, allow, allow_without_resource, service_principal
from jina_v3_infra.stacks.storage import bucket_arn

_METRIC_NAMESPACES: Final = ["/aws/sagemaker/TransformJobs"]


class TransformRole(Construct):
    """A role with the least that a transform job needs.

    It may make its log group, unlike the endpoint's role: that one is shared by all transform jobs of the account, so
    that no deployment can own it.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment: Deployment,
        settings: BatchSettings,
        places: BatchPlaces,
        key: kms.IKey,
        placement: Placement | None,
    ) -> None:
        super().__init__(scope, id)
        statements = [
            *_data(places),
            *_decrypt_archive(deployment),
            allow_keys(settings, key),
            *pull_image(deployment),
            *_records(),
            *([] if placement is None else handle_interfaces(placement)),
        ]
        self.role = iam.Role(
            self,
            "Role",
            description=f"Runs transform jobs of {deployment.name}",
            assumed_by=service_principal("sagemaker"),
            inline_policies={"transform": iam.PolicyDocument(statements=statements)},
        )
        accept_wildcards(self.role, statements)


def _data(places: BatchPlaces) -> Iterator[iam.PolicyStatement]:
    archive_bucket, archive_key = places.archive
    yield allow("ReadArchive", ["s3:GetObject"], [f"{bucket_arn(archive_bucket)}/{archive_key}"])
    yield from allow_listing([places.runs, *places.datasets, *places.results])
    # the manifests of jobs, and pieces of files that were too large, are among what runs work with
    readable = [objects(place) for place in (places.runs, *places.datasets)]
    yield allow("ReadDatasets", ["s3:GetObject"], readable)
    writable = [objects(place) for place in places.results]
    yield allow("WriteVectors", ["s3:AbortMultipartUpload", "s3:PutObject"], writable)


def _decrypt_archive(deployment: Deployment) -> Iterator[iam.PolicyStatement]:
    if deployment.model.kms_key is not None:
        yield allow("DecryptArchive", ["kms:Decrypt"], [deployment.model.kms_key])


def _records() -> Iterator[iam.PolicyStatement]:
    group = f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:log-group:{TRANSFORM_LOG_GROUP}"
    actions = ["CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents"]
    yield allow("WriteLog", [f"logs:{action}" for action in actions], [group, f"{group}:*"])
    own = {"StringEquals": {"cloudwatch:namespace": _METRIC_NAMESPACES}}
    yield allow_without_resource("PutMetrics", ["cloudwatch:PutMetricData"], own)
