"""The deployment to a region as steps: the CDK's toolkit, the foundation, publishing, the endpoint, batch transform.

Each step does nothing where nothing is to be done, so that a deployment that broke off is gone on with by running it
again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from jina_v3_infra.config import Deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.check_standing import TOOLKIT_STACK, is_bootstrapped
from jina_v3_infra.deploy.container_log import endpoint_failure
from jina_v3_infra.deploy.failures import CommandError
from jina_v3_infra.deploy.scaling import scaling_is_off, take_scaling_away
from jina_v3_infra.deploy.screen import Screen
from jina_v3_infra.deploy.stack_state import failure_causes, find_stack, newest_event
from jina_v3_infra.deploy.steps import Step
from jina_v3_infra.outputs import Foundation, Origin, read_foundation

BOOTSTRAP = "bootstrap"
FOUNDATION = "foundation"
PUBLISH = "publish"
ENDPOINT = "endpoint"
BATCH = "batch"
ROUTER = "router"
SECOND = "second-"
"""Begins the names of the second region's steps."""

STEPS = (
    *(BOOTSTRAP, FOUNDATION, PUBLISH, ENDPOINT, BATCH),
    *(f"{SECOND}{name}" for name in (BOOTSTRAP, FOUNDATION, PUBLISH, ENDPOINT)),
    ROUTER,
)
"""All that there are; a deployment without an endpoint, batch transform or a second region has fewer."""


def needs_templates(steps: Sequence[Step]) -> bool:
    """Say whether a step is among these that deploys a stack of the application."""
    return any(step.name.removeprefix(SECOND) in (FOUNDATION, ENDPOINT, BATCH) for step in steps)


class CommandLine(Protocol):
    """What of the CDK's command line a deployment uses."""

    def synthesise(self, out: Path) -> None:
        """Make the templates."""

    def call(self, *arguments: str) -> int:
        """Call it and return its exit status."""


class Publisher(Protocol):
    """Publishes what is served, and says what it did."""

    def __call__(
        self, deployment: Deployment, foundation: Foundation, session: Any, origin: Origin | None = None
    ) -> str:
        """Publish to a foundation; from an origin, where the first region has the model already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploying:
    """What the steps of one region work with; ``assembly`` gives the folder of the templates, once they are made.

    ``first`` is the first region's where this is of the second.
    """

    account: Account
    deployment: Deployment
    caller: str
    cdk: CommandLine
    publish: Publisher
    assembly: Callable[[], Path]
    screen: Screen = field(default_factory=Screen)
    first: Deploying | None = None

    def steps(self) -> list[Step]:
        """Return the region's steps in their order."""
        steps = [
            Step(name=BOOTSTRAP, title="what the CDK needs in the account and region", run=self._bootstrap),
            Step(name=FOUNDATION, title=f"bucket, repository and build: {self._foundation_name}", run=self._foundation),
            Step(name=PUBLISH, title="the model and the image", run=self._publish),
        ]
        if self.deployment.endpoint.enabled:
            title = f"the endpoint: {self.deployment.endpoint_stack}"
            steps.append(Step(name=ENDPOINT, title=title, run=self._endpoint))
        if self.deployment.batch is not None:
            steps.append(
                Step(name=BATCH, title=f"state machine and model: {self.deployment.batch_stack}", run=self._batch)
            )
        return steps

    @property
    def _foundation_name(self) -> str:
        return self.deployment.foundation_stack

    def _bootstrap(self) -> str:
        stack = find_stack(self.account.client("cloudformation"), TOOLKIT_STACK)
        if stack is not None and is_bootstrapped(stack.status, stack.outputs):
            return "it is there"
        # an app is not needed, and must not be run: its templates may ask for what is only coming
        place = f"aws://{self.caller}/{self.account.region}"
        self._call(TOOLKIT_STACK, "bootstrap", place, "--app", "")
        return f"{place} is bootstrapped"

    def _foundation(self) -> str:
        self._deploy(self._foundation_name)
        return "it stands"

    def _publish(self) -> str:
        foundation = self._read_foundation()
        if self.first is None:
            return self.publish(self.deployment, foundation, self.account.session)
        origin = Origin(region=self.first.account.region, bucket=self.first._read_foundation().bucket)
        return self.publish(self.deployment, foundation, self.account.session, origin)

    def _read_foundation(self) -> Foundation:
        foundation = read_foundation(self.account.client("cloudformation"), self._foundation_name)
        if foundation is None:
            step = FOUNDATION if self.first is None else f"{SECOND}{FOUNDATION}"
            raise CommandError(
                f"there is no whole stack {self._foundation_name} to publish to; begin with --from {step}"
            )
        return foundation

    def _endpoint(self) -> str:
        unscaled = take_scaling_away(self.account, self.deployment, self.screen)
        try:
            self._deploy(self.deployment.endpoint_stack)
        except CommandError as error:
            if unscaled:
                raise CommandError(f"{error}\n{scaling_is_off(unscaled)}") from error
            raise
        except KeyboardInterrupt:
            if unscaled:
                self.screen.complain(scaling_is_off(unscaled))
            raise
        return f"{self.deployment.endpoint_name} is in service"

    def _batch(self) -> str:
        self._deploy(self.deployment.batch_stack)
        return "runs can be started"

    def _deploy(self, stack: str) -> None:
        identity = stack if self.first is None else f"{stack}-{self.account.region}"  # as the application has them
        self._call(
            stack,
            *("deploy", identity, "--exclusively", "--app", str(self.assembly())),
            *("--require-approval", "never", "--progress", "bar" if sys.stdout.isatty() else "events"),
        )

    def _call(self, stack: str, *arguments: str) -> None:
        cloudformation = self.account.client("cloudformation")
        before = newest_event(cloudformation, stack)
        status = self.cdk.call(*arguments)
        if status == 0:
            return
        lines = [f"cdk {arguments[0]} of {stack} failed with exit status {status}"]
        lines += [f"  {cause}" for cause in failure_causes(cloudformation, stack, before)]
        if stack == self.deployment.endpoint_stack:
            lines += endpoint_failure(self.account, self.deployment)
        raise CommandError("\n".join(lines))
