"""What every policy of the stacks is made with: statements, trust, and the wildcards that IAM leaves no way around.

Three tables hold all wildcards, each with its reason; the tests let none through that is not in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aws_cdk import Acknowledgment, Aws, Stack, Validations
from aws_cdk import aws_iam as iam
from constructs import IConstruct

WITHOUT_RESOURCE: Final = {
    "ecr:GetAuthorizationToken": "the token is the account's, IAM knows no resource for it",
    "cloudwatch:PutMetricData": "IAM knows no resource for it; a condition keeps it to SageMaker's namespaces",
    "ec2:DescribeDhcpOptions": "IAM knows no resource for EC2's descriptions",
    "ec2:DescribeNetworkInterfaces": "IAM knows no resource for EC2's descriptions",
    "ec2:DescribeSecurityGroups": "IAM knows no resource for EC2's descriptions",
    "ec2:DescribeSubnets": "IAM knows no resource for EC2's descriptions",
    "ec2:DescribeVpcs": "IAM knows no resource for EC2's descriptions",
    "logs:CreateLogDelivery": "IAM knows no resource for the delivery of a service's logs",
    "logs:DeleteLogDelivery": "IAM knows no resource for the delivery of a service's logs",
    "logs:DescribeLogGroups": "IAM knows no resource for the delivery of a service's logs",
    "logs:DescribeResourcePolicies": "IAM knows no resource for the delivery of a service's logs",
    "logs:GetLogDelivery": "IAM knows no resource for the delivery of a service's logs",
    "logs:ListLogDeliveries": "IAM knows no resource for the delivery of a service's logs",
    "logs:PutResourcePolicy": "IAM knows no resource for the delivery of a service's logs",
    "logs:UpdateLogDelivery": "IAM knows no resource for the delivery of a service's logs",
    "xray:GetSamplingRules": "IAM knows no resource for the account's traces",
    "xray:GetSamplingTargets": "IAM knows no resource for the account's traces",
    "xray:PutTelemetryRecords": "IAM knows no resource for the account's traces",
    "xray:PutTraceSegments": "IAM knows no resource for the account's traces",
}
"""Actions whose resource can only be ``*``."""

PARTLY_NAMED: Final = {
    "network-interface/*": "interfaces get their ids when they are made; a condition keeps them to these subnets",
    "transform-job/*": "jobs get their names from runs; a condition keeps it to those with the deployment's tag",
}
"""Ends of ARNs with a wildcard that does not stand for a prefix in a bucket or for the streams of a log group."""

BEHIND_A_NAME: Final = {
    "execution:": "executions are named when they start; the deployment's state machine is named before the wildcard",
    "log-group:/aws/sagemaker/TransformJobs:": "SageMaker names the streams of the account's log of transform jobs",
}
"""Kinds in ARNs whose wildcard comes after a name that tells what is the deployment's."""


def allow(
    sid: str, actions: Sequence[str], resources: Sequence[str], conditions: Mapping[str, Any] | None = None
) -> iam.PolicyStatement:
    """Return a statement that allows actions on resources."""
    return iam.PolicyStatement(sid=sid, actions=[*actions], resources=[*resources], conditions=conditions)


def allow_without_resource(
    sid: str, actions: Sequence[str], conditions: Mapping[str, Any] | None = None
) -> iam.PolicyStatement:
    """Return a statement on ``*`` for actions that take nothing else."""
    unlisted = set(actions) - WITHOUT_RESOURCE.keys()
    assert not unlisted, f"{sorted(unlisted)} can name resources, or belong into WITHOUT_RESOURCE with a reason"
    return allow(sid, actions, ["*"], conditions)


def service_principal(service: str) -> iam.IPrincipal:
    """Return a service as a principal that acts for this account alone, so that nobody else's resource borrows it."""
    return iam.ServicePrincipal(
        f"{service}.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
    )


def accept(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Record why a rule of cdk-nag does not hold for a construct."""
    Validations.of(construct).acknowledge(*(Acknowledgment(id=rule, reason=why) for rule, why in reasons.items()))


def accept_wildcards(role: iam.Role, statements: Sequence[iam.PolicyStatement]) -> None:
    """Record, for each wildcard in a role's statements, the reason that the tables or the prefixes give."""
    stack = Stack.of(role)
    accept(
        role,
        {
            f"AwsSolutions-IAM5[Resource::{_flat(stack.resolve(resource))}]": _reason(statement, resource)
            for statement in statements
            for resource in statement.resources
            if "*" in resource
        },
    )


def _reason(statement: iam.PolicyStatement, resource: str) -> str:
    if resource == "*":
        return "; ".join(sorted({WITHOUT_RESOURCE[action] for action in statement.actions}))
    for end, reason in PARTLY_NAMED.items():
        if resource.endswith(end):
            return reason
    for kind, reason in BEHIND_A_NAME.items():
        if f":{kind}" in resource:
            return reason
    return "the objects under one prefix of a bucket"


def _flat(resource: Any) -> str:
    """Write a resolved ARN the way cdk-nag names it."""
    if isinstance(resource, str):
        return resource
    ((function, of),) = resource.items()
    if function == "Fn::Join":
        return str(of[0]).join(_flat(part) for part in of[1])
    if function == "Fn::ImportValue":
        return _flat(of)
    return f"<{of if function == 'Ref' else '.'.join(of)}>"
