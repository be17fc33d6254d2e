"""How the log groups of a deployment are made."""

from __future__ import annotations

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from jina_v3_infra.config import Deployment


def log_group(scope: Construct, id: str, name: str, key: kms.IKey, deployment: Deployment) -> logs.LogGroup:
    """Make a log group that is encrypted, ends with its stack, and keeps what it has as long as is configured."""
    group = logs.LogGroup(scope, id, log_group_name=name, encryption_key=key, removal_policy=RemovalPolicy.DESTROY)
    # the construct takes names of periods only
    cast(logs.CfnLogGroup, group.node.default_child).retention_in_days = deployment.operations.log_days
    return group
