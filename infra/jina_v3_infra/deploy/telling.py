"""What the command says when its work is done: findings, how to call what was deployed, what is left of it."""

from __future__ import annotations

from jina_v3_infra.config import Deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.calls import example_asynchronous_call, example_calls
from jina_v3_infra.deploy.costs import CostEstimate, describe_costs, summarise_costs
from jina_v3_infra.deploy.deployment import BATCH, ENDPOINT, ROUTER
from jina_v3_infra.deploy.leftovers import Leftovers
from jina_v3_infra.deploy.preflight import Preflight
from jina_v3_infra.deploy.screen import Screen
from jina_v3_infra.deploy.two_regions import router_calls
from jina_v3_infra.outputs import Output, read_outputs


def show_preflight(screen: Screen, found: Preflight) -> None:
    """Show what was found, and what it costs where that is known."""
    screen.show_findings(found.findings)
    if found.cost is not None:
        screen.say()
        screen.say("what it costs while it stands:", style="bold")
        screen.show_lines(describe_costs(found.cost))


def show_deployed(screen: Screen, account: Account, deployment: Deployment, done: set[str], cost: CostEstimate) -> None:
    """Show how what the steps ``done`` have made is called, what it costs, and how it is ended."""
    if done & {ENDPOINT, ROUTER}:
        _show_endpoint(screen, account, deployment)
    if BATCH in done:
        _show_batch(screen, deployment)
    if done & {ENDPOINT, BATCH, ROUTER}:
        screen.say(f"it costs {summarise_costs(cost)}")
        screen.say("to end it: jina-v3-infra destroy, with the same configuration")


def _show_batch(screen: Screen, deployment: Deployment) -> None:
    screen.say()
    screen.say(f"batch transform as {deployment.batch_stack}", style="bold")
    screen.say(
        "to embed a dataset: jina-v3-infra batch start s3://bucket/folder/ --follow (a folder of this machine too)"
    )


def _show_endpoint(screen: Screen, account: Account, deployment: Deployment) -> None:
    outputs = read_outputs(account.client("cloudformation"), deployment.endpoint_stack) or {}
    screen.say()
    screen.say(f"endpoint {deployment.endpoint_name} in {account.region}", style="bold")
    if (export := account.export_command()) is not None:
        screen.say(f"the calls take their credentials from the environment; put yours there:\n  {export}\n")
    asynchronous = deployment.endpoint.asynchronous
    if deployment.router is not None:
        both = f"{account.region} or {deployment.router.second_region}"
        screen.say(f"through the inference router {deployment.router_name}, which is in {both}:")
        screen.say(router_calls(account, deployment))
    elif asynchronous is None:
        address = account.client("sagemaker-runtime").meta.endpoint_url
        component = outputs.get(Output.INFERENCE_COMPONENT)
        screen.say(example_calls(deployment.name, deployment.endpoint_name, account.region, address, component))
    else:
        foundation = read_outputs(account.client("cloudformation"), deployment.foundation_stack) or {}
        bucket = foundation.get(Output.BUCKET, "BUCKET")
        name, endpoint = deployment.name, deployment.endpoint_name
        screen.say(example_asynchronous_call(name, endpoint, account.region, bucket, asynchronous))


def show_leftovers(screen: Screen, left: Leftovers, *, kept: bool) -> bool:
    """Say what was found, and whether that is nothing; what could not be looked for may still bill, so it is not."""
    for told, things in (("could not be looked for", left.unknown), ("still there", left.found)):
        if things:
            screen.complain("\n".join([f"{told}:", *(f"  {one}" for one in things)]))
    if left.unknown or left.found:
        return False
    screen.say(f"looked: nothing {'else ' if kept else ''}that bills is left", style="green")
    screen.say("the CDK's own stack, CDKToolkit, stays for other applications")
    return True
