"""How the topics of a deployment are made: encrypted with its key, and closed to plain text."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from jina_v3_infra.stacks.permissions import service_principal


def encrypted_topic(scope: Construct, id: str, *, key: kms.IKey, title: str, services: Sequence[str] = ()) -> sns.Topic:
    """Make a topic to which ``services`` may publish for this account, beside whoever's own policy allows it.

    The key's policy must let the services use the key.
    """
    topic = sns.Topic(scope, id, display_name=title, master_key=key, enforce_ssl=True)
    for service in services:
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid=f"From{service.capitalize()}",
                principals=[service_principal(service)],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
            )
        )
    return topic
