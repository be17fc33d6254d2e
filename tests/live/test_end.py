"""Deploying what stands already, and the end."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.live import Live

from jina_v3_infra.log_groups import former_log_group_names

pytestmark = pytest.mark.aws


def test_deploying_again_changes_nothing(deployed: Live) -> None:
    def standing() -> tuple[Any, ...]:
        stacks = deployed.client("cloudformation").describe_stacks
        updated = [stacks(StackName=name)["Stacks"][0].get("LastUpdatedTime") for name in deployed.standing_stacks()]
        return (*updated, deployed.endpoint()["EndpointConfigName"])

    before = standing()
    assert len(before) == 3
    deployed.command("deploy", "--yes")
    assert standing() == before


def test_destroy_leaves_nothing(live: Live) -> None:
    """The last test: it comes after a deployment that failed, too."""
    named: list[Callable[[], Any]] = [lambda: live.client("sagemaker").describe_endpoint(EndpointName=live.name)]
    if live.deployment.foundation_stack in live.standing_stacks():
        foundation = live.foundation
        named.append(lambda: live.client("s3").head_bucket(Bucket=foundation.bucket))
        if foundation.repository_uri is not None:
            repository = foundation.repository_uri.partition("/")[2]
            named.append(lambda: live.client("ecr").describe_repositories(repositoryNames=[repository]))
    live.command("destroy", "--delete-data", "--yes")
    assert live.standing_stacks() == []
    for look in named:
        with pytest.raises(ClientError, match=r"(?i)not find|not found|not exist|404"):
            look()
    for group in former_log_group_names(live.deployment):
        listed = live.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        assert group not in {one["logGroupName"] for one in listed}
