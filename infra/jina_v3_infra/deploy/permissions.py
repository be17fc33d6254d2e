"""The calls that the command makes, and the IAM permission of each; docs/deploy.md lists the same."""

from __future__ import annotations

from typing import Final

CALLS: Final[dict[str, tuple[str, ...]]] = {
    "sts": ("GetCallerIdentity",),
    "servicequotas": ("ListServiceQuotas", "ListAWSDefaultServiceQuotas"),
    "pricing": ("GetProducts",),
    "cloudformation": (
        "DescribeStacks",
        "DescribeStackEvents",
        "ListStackResources",
        "GetTemplate",
        "UpdateStack",
        "DeleteStack",
    ),
    "application-autoscaling": ("DescribeScalableTargets",),
    "sagemaker": (
        "DescribeEndpoint",
        "DescribeEndpointConfig",
        "DescribeModel",
        "DescribeInferenceComponent",
        "ListInferenceComponents",
        "ListTags",
        "AddTags",  # which making a router with tags needs
        "DescribeInferenceRouter",
        "CreateInferenceRouter",
        "UpdateInferenceRouter",
        "DeleteInferenceRouter",
        "ListTransformJobs",
        "StopTransformJob",
    ),
    "ec2": ("DescribeAvailabilityZones", "DescribeSubnets", "DescribeSecurityGroups"),
    "ecr": ("DescribeImages", "ListImages", "BatchDeleteImage", "DescribeRepositories", "DeleteRepository"),
    "s3": (
        "ListObjectsV2",
        "HeadObject",
        "GetObject",
        "PutObject",
        "ListObjectVersions",
        "DeleteObjects",
        "ListMultipartUploads",
        "AbortMultipartUpload",
        "HeadBucket",
        "DeleteBucket",
    ),
    "states": (
        "StartExecution",
        "DescribeExecution",
        "ListExecutions",
        "StopExecution",
        "ListMapRuns",
        "DescribeMapRun",
        "DescribeStateMachine",
    ),
    "iam": ("GetRole",),
    "kms": ("DescribeKey",),
    "logs": ("DescribeLogStreams", "GetLogEvents", "DescribeLogGroups", "ListTagsForResource", "DeleteLogGroup"),
    "cloudwatch": ("DescribeAlarms",),
    "tag": ("GetResources",),
}
"""By IAM's prefix of the service, the operations of its API."""

_OTHER_NAMES: Final = {
    "ListObjectsV2": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "HeadBucket": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "DeleteObjects": "s3:DeleteObject and s3:DeleteObjectVersion",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
}
"""Where IAM calls an operation something else."""


def permission(operation: str) -> str:
    """Return IAM's name of the permission for an operation; the operation itself where it is none of the above."""
    if operation in _OTHER_NAMES:
        return _OTHER_NAMES[operation]
    for prefix, operations in CALLS.items():
        if operation in operations:
            return f"{prefix}:{operation}"
    return operation
