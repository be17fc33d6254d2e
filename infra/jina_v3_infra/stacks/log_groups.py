"""The log groups of a deployment: their names, which the key's policy lists, and how they are made."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from jina_v3_infra.config import Deployment


def log_group(scope: Construct, id: str, name: str, key: kms.IKey) -> logs.LogGroup:
    """Make a log group that is encrypted, ends with its stack, and keeps what it has for three months."""
    return logs.LogGroup(
        scope,
        id,
        log_group_name=name,
        retention=logs.RetentionDays.THREE_MONTHS,
        encryption_key=key,
        removal_policy=RemovalPolicy.DESTROY,
    )


def log_group_names(deployment: Deployment) -> tuple[str, ...]:
    """Return the names of all log groups that a deployment can have."""
    return (build_log_group(deployment), endpoint_log_group(deployment), flow_log_group(deployment))


def build_log_group(deployment: Deployment) -> str:
    """Return where the image's build writes its log."""
    return f"/aws/codebuild/{deployment.name}-image"


def endpoint_log_group(deployment: Deployment) -> str:
    """Return where SageMaker puts what the containers print; these names are its own choice."""
    if deployment.endpoint.inference_component is not None:
        return f"/aws/sagemaker/InferenceComponents/{deployment.endpoint_name}"
    return f"/aws/sagemaker/Endpoints/{deployment.endpoint_name}"


def flow_log_group(deployment: Deployment) -> str:
    """Return where a new VPC's flow logs go."""
    return f"/{deployment.name}/flow"
