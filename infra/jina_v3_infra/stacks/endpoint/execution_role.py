"""The role that SageMaker takes for the endpoint: what it may do, and why nothing more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from jina_v3_infra.config import Deployment
from jina_v3_infra.prefixes import asynchronous_prefixes
from jina_v3_infra.stacks.image_repository import pull_image
from jina_v3_infra.stacks.network import Placement, handle_interfaces
from jina_v3_infra.stacks.permissions import accept_wildcards, allow, allow_without_resource, service_principal
from jina_v3_infra.stacks.storage import Storage, bucket_arn

_METRIC_NAMESPACES: Final = ["AWS/SageMaker", "/aws/sagemaker/Endpoints", "/aws/sagemaker/InferenceComponents"]


class ExecutionRole(Construct):
    """A role with the least that hosting needs. It may not make log groups: a late line would bring one back."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment: Deployment,
        storage: Storage,
        key: kms.IKey,
        log: logs.ILogGroup,
        placement: Placement | None,
        topics: Sequence[str],
    ) -> None:
        super().__init__(scope, id)
        statements = [
            *_model(deployment, storage),
            *pull_image(deployment),
            *_records(log),
            *_data(deployment, storage),
            allow("UseKey", _key_actions(deployment), [key.key_arn]),
            *_volume(deployment),
            *_notices(deployment, topics),
            *([] if placement is None else handle_interfaces(placement)),
        ]
        self.role = iam.Role(
            self,
            "Role",
            description=f"Hosts {deployment.endpoint_name}",
            assumed_by=service_principal("sagemaker"),
            inline_policies={"host": iam.PolicyDocument(statements=statements)},
        )
        accept_wildcards(self.role, statements)


def _model(deployment: Deployment, storage: Storage) -> Iterator[iam.PolicyStatement]:
    bucket = bucket_arn(storage.model_bucket)
    yield allow("ReadModel", ["s3:GetObject"], [f"{bucket}/{storage.model_prefix}*"])
    under = {"StringLike": {"s3:prefix": [f"{storage.model_prefix}*"]}}
    yield allow("ListModel", ["s3:ListBucket"], [bucket], under)
    if deployment.model.kms_key is not None:
        yield allow("DecryptModel", ["kms:Decrypt"], [deployment.model.kms_key])


def _records(log: logs.ILogGroup) -> Iterator[iam.PolicyStatement]:
    write = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    yield allow("WriteLog", write, [log.log_group_arn])
    own = {"StringEquals": {"cloudwatch:namespace": _METRIC_NAMESPACES}}
    yield allow_without_resource("PutMetrics", ["cloudwatch:PutMetricData"], own)


def _data(deployment: Deployment, storage: Storage) -> Iterator[iam.PolicyStatement]:
    """Let it write what is captured, and read and write what asynchronous calls leave in the bucket."""
    capture, asynchronous = deployment.endpoint.capture, deployment.endpoint.asynchronous
    if capture is not None:
        yield allow("WriteCapture", ["s3:PutObject"], [storage.objects(capture.prefix)])
    if asynchronous is not None:
        inputs, outputs, failures = map(storage.objects, asynchronous_prefixes(asynchronous))
        yield allow("ReadInputs", ["s3:GetObject"], [inputs])
        yield allow("WriteOutputs", ["s3:PutObject"], [outputs, failures])


def _notices(deployment: Deployment, topics: Sequence[str]) -> Iterator[iam.PolicyStatement]:
    """Let it tell the topics of asynchronous calls, and use the key of those that are not encrypted with ours."""
    if topics:
        yield allow("TellOfResults", ["sns:Publish"], topics)
    settings = deployment.endpoint.asynchronous
    if settings is not None and settings.topics_kms_key is not None:
        yield allow("UseKeyOfTopics", ["kms:Decrypt", "kms:GenerateDataKey"], [settings.topics_kms_key])


def _key_actions(deployment: Deployment) -> list[str]:
    writes = deployment.endpoint.capture is not None or deployment.endpoint.asynchronous is not None
    return ["kms:Decrypt", *(["kms:GenerateDataKey"] if writes else [])]


def _volume(deployment: Deployment) -> Iterator[iam.PolicyStatement]:
    """Let it have the volumes of the machines encrypted with the key that the configuration names."""
    key = deployment.endpoint.volume_kms_key
    if key is not None:
        for_aws = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
        yield allow("EncryptVolumes", ["kms:CreateGrant"], [key], for_aws)
        yield allow("DescribeVolumeKey", ["kms:DescribeKey"], [key])
