"""The end of a deployment: its runs and endpoint, what publishing made, its foundation.

Data that cannot be made again is kept.

It needs neither the CDK nor a configuration that could still be deployed: the stacks themselves say what they hold, so
that it works on stacks that are half there, that failed to be deleted, or that are gone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from jina_v3_batch.wording import count
from jina_v3_infra.config import Deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.batch.runs import stop_all_runs
from jina_v3_infra.deploy.costs import KEY_USD_PER_MONTH, STORAGE_USD_PER_GB_MONTH
from jina_v3_infra.deploy.emptying import EVERYTHING, Contents, empty_bucket, empty_repository, list_other_contents
from jina_v3_infra.deploy.failures import CommandError
from jina_v3_infra.deploy.leftovers import Record, remove_log_groups
from jina_v3_infra.deploy.ownership import find_endpoint_tags, is_own
from jina_v3_infra.deploy.screen import Screen
from jina_v3_infra.deploy.stack_state import Resource, Stack, find_stack, list_resources
from jina_v3_infra.log_groups import container_log_groups, former_log_group_names
from jina_v3_infra.release import OWN_PREFIXES

_FIRST_POLL_S: Final = 0.5
_POLL_S: Final = 5.0
_TRIES: Final = 2  # what one resource still held may be free at the second try


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroying:
    """What destroying works with."""

    account: Account
    deployment: Deployment
    screen: Screen
    delete_data: bool = False

    @property
    def _cloudformation(self) -> Any:
        return self.account.client("cloudformation")

    def run(self) -> Record:
        """Delete what there is and return the record of it, by which it can be looked what is left.

        **Raises**: ``CommandError`` where CloudFormation cannot delete a stack.
        """
        record = Record()
        self._delete_batch(record)
        self._delete_endpoint(record)
        foundation = find_stack(self._cloudformation, self.deployment.foundation_stack)
        if foundation is None:
            self.screen.say(f"{self.deployment.foundation_stack} is not there")
        else:
            self._delete_foundation(foundation, record)
        self._clear_up(record)
        return record

    def _delete_batch(self, record: Record) -> None:
        """Stop what runs, which would go on and bill when its state machine is gone, and delete the stack."""
        stack = find_stack(self._cloudformation, self.deployment.batch_stack)
        if stack is None:
            if self.deployment.batch is not None:
                self.screen.say(f"{self.deployment.batch_stack} is not there")
            return
        resources = list_resources(self._cloudformation, stack.name)
        record.note(stack, resources)
        for machine in _names(resources, "AWS::StepFunctions::StateMachine"):
            for one in stop_all_runs(self.account, self.deployment, machine):
                self.screen.say(f"the {one} was going on, and is stopped", style="yellow")
        self._delete_stack(stack)

    def _delete_endpoint(self, record: Record) -> None:
        stack = find_stack(self._cloudformation, self.deployment.endpoint_stack)
        if stack is None:
            if self.deployment.endpoint.enabled:
                self.screen.say(f"{self.deployment.endpoint_stack} is not there")
            return
        record.note(stack, list_resources(self._cloudformation, stack.name))
        self._delete_stack(stack)

    def _delete_foundation(self, stack: Stack, record: Record) -> None:
        resources = list_resources(self._cloudformation, stack.name)
        record.note(stack, resources)
        s3, ecr = self.account.client("s3"), self.account.client("ecr")
        for repository in _names(resources, "AWS::ECR::Repository"):
            images = empty_repository(ecr, repository)
            self.screen.say(f"{repository}: {count(images, 'image')} deleted")
        kept: list[Contents] = []
        for bucket in _names(resources, "AWS::S3::Bucket"):
            versions = empty_bucket(s3, bucket, EVERYTHING if self.delete_data else OWN_PREFIXES)
            self.screen.say(f"{bucket}: {count(versions, 'object version')} deleted")
            others = list_other_contents(s3, bucket)
            kept += others
            for line in describe_kept(bucket, others):
                self.screen.say(line, style="yellow")
        if kept:
            record.keep(stack)
            self.screen.say(f"{stack.name} is kept with them; to remove all of it: jina-v3-infra destroy --delete-data")
        else:
            self._delete_stack(stack)

    def _clear_up(self, record: Record) -> None:
        """Delete the log groups that services left behind, and leave alone what others have made under these names."""
        deployment = self.deployment
        endpoint = deployment.endpoint_name
        names = former_log_group_names(deployment)
        tags = None if record.held_endpoint(endpoint) else find_endpoint_tags(self.account, endpoint)
        if tags is not None and not is_own(tags, deployment):
            record.foreign_endpoint = endpoint
            self.screen.say(f"the endpoint {endpoint} belongs to another deployment and was left alone", style="yellow")
            containers = container_log_groups(deployment)
            names = tuple(name for name in names if name not in containers)
        groups = remove_log_groups(self.account, deployment, names, record)
        if groups:
            self.screen.say(f"log groups deleted: {', '.join(groups)}")

    def _delete_stack(self, stack: Stack) -> None:
        began = time.monotonic()
        self._await_rest(stack)
        for _ in range(_TRIES):
            self._cloudformation.delete_stack(StackName=stack.identity)
            if not self._await_end(stack):
                self.screen.say(f"{stack.name} is deleted ({time.monotonic() - began:.1f} s)", style="green")
                return
        held = [
            f"  {one.kind} {one.name}: {one.reason}"
            for one in list_resources(self._cloudformation, stack.identity)
            if one.status == "DELETE_FAILED"
        ]
        raise CommandError(
            "\n".join(
                [f"CloudFormation could not delete {stack.name}; end what holds it, then run destroy again", *held]
            )
        )

    def _await_rest(self, stack: Stack) -> None:
        """Wait for an update to end: CloudFormation takes no deletion before."""
        told = False
        while (now := find_stack(self._cloudformation, stack.identity)) is not None and now.status.startswith(
            ("UPDATE_", "ROLLBACK_")
        ):
            if not now.status.endswith("_IN_PROGRESS"):
                return
            if not told:
                self.screen.say(f"{stack.name} is {now.status}; waiting for its end")
                told = True
            time.sleep(_POLL_S)

    def _await_end(self, stack: Stack) -> bool:
        """Wait until a stack is deleted, or until that has failed; say whether it is still there."""
        self.screen.say(f"{stack.name} is being deleted")
        pause_s = _FIRST_POLL_S
        while (now := find_stack(self._cloudformation, stack.identity)) is not None:
            if now.status != "DELETE_IN_PROGRESS":
                return True
            time.sleep(min(pause_s, _POLL_S))
            pause_s *= 2
        return False


def describe_kept(bucket: str, contents: list[Contents]) -> list[str]:
    """Say what is kept in a bucket, how large it is and what it costs."""
    lines = [
        f"kept: s3://{bucket}/{one.prefix}: {count(one.objects, 'object version')}, {one.size_bytes / 1e6:,.1f} MB"
        for one in contents
    ]
    if contents:
        gigabytes = sum(one.size_bytes for one in contents) / 1e9
        usd = gigabytes * STORAGE_USD_PER_GB_MONTH + KEY_USD_PER_MONTH
        lines.append(f"keeping it costs about ${usd:,.2f} a month: storage, and ${KEY_USD_PER_MONTH:.0f} for its key")
    return lines


def _names(resources: list[Resource], kind: str) -> list[str]:
    return [one.name for one in resources if one.kind == kind and one.status != "DELETE_COMPLETE"]
