"""What each command does, from its words to its exit status; every error ends here as one sentence."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from jina_v3_infra.artifact import ArtifactError
from jina_v3_infra.config import Deployment, DeploymentError, read_deployment
from jina_v3_infra.deploy.account import Account, open_account
from jina_v3_infra.deploy.arguments import DEFAULT_CONFIG, parse
from jina_v3_infra.deploy.batch.command import call_batch
from jina_v3_infra.deploy.batch.following import StoppedFollowing
from jina_v3_infra.deploy.cdk_cli import Cdk, find_infra
from jina_v3_infra.deploy.costs import CostEstimate, summarise_costs
from jina_v3_infra.deploy.deployment import (
    BATCH,
    ENDPOINT,
    CommandLine,
    Deploying,
    Publisher,
    needs_templates,
)
from jina_v3_infra.deploy.failures import AWS_ERRORS, CommandError, explain
from jina_v3_infra.deploy.preflight import identify, read_whole_cost, run_preflight
from jina_v3_infra.deploy.reference import write_reference
from jina_v3_infra.deploy.screen import Screen
from jina_v3_infra.deploy.stack_state import find_stack
from jina_v3_infra.deploy.steps import StepInterrupted, choose_steps, run_steps
from jina_v3_infra.deploy.telling import show_deployed, show_leftovers, show_preflight
from jina_v3_infra.deploy.templates import Templates
from jina_v3_infra.deploy.toml_text import write_toml
from jina_v3_infra.deploy.two_regions import (
    all_steps,
    check_words,
    destroy,
    places,
    read_whole_status,
)
from jina_v3_infra.hub import HubError
from jina_v3_infra.outputs import Foundation, Origin

DONE: Final = 0
FAILED: Final = 1
INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a deployment is made with, apart from AWS: the CDK's command line, publishing, and looking for docker."""

    make_cdk: Callable[[dict[str, str], str, str | None, str | None], CommandLine]
    publish: Publisher
    docker_runs: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the command: its words, the configuration they name, and what it works with."""

    words: argparse.Namespace
    deployment: Deployment
    context: dict[str, str]
    screen: Screen
    tools: Tools

    def open_account(self) -> Account:
        """Return the way to AWS that the words ask for."""
        return open_account(self.deployment.region, self.words.profile)


def run(arguments: list[str], tools: Tools | None = None) -> int:
    """Run the command line and return its exit status."""
    for stream in (sys.stdout, sys.stderr):  # a terminal without our signs shows question marks, and no error
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    words, screen = parse(arguments), Screen()
    try:
        deployment, context = _configure(words)
        call = Call(words=words, deployment=deployment, context=context, screen=screen, tools=tools or default_tools())
        return _COMMANDS[words.command](call)
    except (ArtifactError, CommandError, DeploymentError, HubError, OSError) as error:
        screen.complain(str(error))
    except AWS_ERRORS as error:
        screen.complain(explain(error))
    except StoppedFollowing as error:
        screen.complain(
            f"no longer following {error}, which goes on. To see how far it is: jina-v3-infra batch status {error} "
            f"--follow; to stop it: jina-v3-infra batch stop {error}"
        )
        return INTERRUPTED
    except StepInterrupted as error:
        again = f"deploy --from {error} continues, and so does deploy alone"
        screen.complain(
            f"stopped in the step {error}; what is done stays, and CloudFormation ends by itself what it began. {again}"
        )
        return INTERRUPTED
    except KeyboardInterrupt:
        screen.complain("stopped; what is done stays. Run the same command again to continue")
        return INTERRUPTED
    return FAILED


def default_tools() -> Tools:
    """Return the real ones."""

    def make_cdk(context: dict[str, str], region: str, account: str | None, profile: str | None) -> CommandLine:
        return Cdk(folder=find_infra(), context=context, region=region, account=account, profile=profile)

    return Tools(make_cdk=make_cdk, publish=_publish)


def _publish(deployment: Deployment, foundation: Foundation, session: Any, origin: Origin | None = None) -> str:
    from jina_v3_infra.publish import PublishError, publish  # slower to import than the other commands need

    try:
        done = publish(deployment, foundation, session, origin=origin, progress=True)
    except PublishError as error:
        raise CommandError(str(error)) from error
    image = "the image was built" if done.image_built else "the image was there"
    copied = f", {done.copied_bytes / 1e6:,.1f} MB copied inside S3" if done.copied_bytes else ""
    return f"{done.uploaded_bytes / 1e6:,.1f} MB uploaded{copied}, {image}"


def _configure(words: argparse.Namespace) -> tuple[Deployment, dict[str, str]]:
    """Read the configuration, and return beside it what tells the CDK's app the same."""
    path = words.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    overrides = [*words.overrides, *([f"region={words.region}"] if words.region else [])]
    deployment = read_deployment(path, overrides)
    source = Path(deployment.model.source).expanduser()
    if not deployment.model.source.startswith("s3://") and source.exists():
        whole = str(source.resolve())  # the app runs in another folder
        overrides.append(f"model.source={whole}")
        deployment = replace(deployment, model=replace(deployment.model, source=whole))
    context = {key.strip(): value for key, _, value in (override.partition("=") for override in overrides)}
    if path is not None:
        context["config"] = str(path.resolve())
    return deployment, context


def _preflight(call: Call) -> int:
    found = run_preflight(call.open_account(), call.deployment, call.tools.docker_runs)
    show_preflight(call.screen, found)
    return DONE if found.passed else FAILED


def _deploy(call: Call) -> int:
    account, deployment, words = call.open_account(), call.deployment, call.words
    check_words(deployment, words.first, words.last)
    caller = identify(account, deployment)
    for step, stands in ((ENDPOINT, deployment.endpoint.enabled), (BATCH, deployment.batch is not None)):
        if step in (words.first, words.last) and not stands:
            raise CommandError(f"this configuration has no step {step}: it deploys {', '.join(deployment.stacks)}")
    cdk = call.tools.make_cdk(call.context, account.region, caller, words.profile)
    with Templates(cdk.synthesise) as templates:
        deploying = Deploying(
            account=account,
            deployment=deployment,
            caller=caller,
            cdk=cdk,
            publish=call.tools.publish,
            assembly=templates.folder,
        )
        steps = choose_steps(all_steps(deploying), words.first, words.last)
        if needs_templates(steps):
            templates.begin()  # while it is looked whether they can be deployed
        cost = _agree(call, account, caller)
        if cost is None:
            return FAILED
        run_steps(steps, call.screen)
    show_deployed(call.screen, account, deployment, {step.name for step in steps}, cost)
    return DONE


def _agree(call: Call, account: Account, caller: str) -> CostEstimate | None:
    """Make the checks and ask whether to go on; return what it will cost, ``None`` where it is not to be deployed."""
    deployment, screen, words = call.deployment, call.screen, call.words
    if words.skip_preflight:
        cost = read_whole_cost(account, deployment)
    else:
        found = run_preflight(account, deployment, call.tools.docker_runs)
        show_preflight(screen, found)
        if not found.passed or found.cost is None:
            screen.complain("nothing was deployed: correct what has a ✗, or give --skip-preflight")
            return None
        cost = found.cost
    if not words.yes and screen.is_terminal:
        screen.say(f"{deployment.name} in {account.region} of account {caller}: {summarise_costs(cost)}")
        if not screen.ask("deploy it?"):
            screen.say("nothing was deployed")
            return None
    return cost


def _destroy(call: Call) -> int:
    account, deployment, screen = call.open_account(), call.deployment, call.screen
    caller = identify(account, deployment)
    if not call.words.yes:
        regions = " and ".join(place.region for place, _ in places(account, deployment))
        what = f"{' and '.join(_doomed(account, deployment))} in {regions} of account {caller}"
        data = ", and all data in the bucket" if call.words.delete_data else ""
        if not screen.is_terminal:
            raise CommandError(f"this would delete {what}{data}; give --yes, since there is no terminal to ask on")
        if not screen.ask(f"delete {what}{data}?"):
            screen.say("nothing was deleted")
            return FAILED
    left, kept = destroy(account, deployment, screen, delete_data=call.words.delete_data)
    return DONE if show_leftovers(screen, left, kept=kept) else FAILED


def _doomed(account: Account, deployment: Deployment) -> list[str]:
    """Return the stacks that destroying deletes: those of the configuration, and others of its name that stand."""
    names = (deployment.batch_stack, deployment.endpoint_stack, deployment.foundation_stack)
    cloudformation = account.client("cloudformation")
    return [name for name in names if name in deployment.stacks or find_stack(cloudformation, name) is not None]


def _status(call: Call) -> int:
    status = read_whole_status(call.open_account(), call.deployment)
    for line in status.lines:
        call.screen.say(line)
    return DONE if status.in_service else FAILED


def _batch(call: Call) -> int:
    well = call_batch(call.words, call.open_account(), call.deployment, call.screen)
    return DONE if well else FAILED


def _config(call: Call) -> int:
    sys.stdout.write(write_reference() if call.words.reference else write_toml(call.deployment))
    return DONE


def _cdk(call: Call) -> int:
    cdk = Cdk(folder=find_infra(), context=call.context, region=call.deployment.region, profile=call.words.profile)
    return cdk.call_with_app(call.words.words)


_COMMANDS: Final[dict[str, Callable[[Call], int]]] = {
    "preflight": _preflight,
    "deploy": _deploy,
    "destroy": _destroy,
    "status": _status,
    "batch": _batch,
    "config": _config,
    "cdk": _cdk,
}
