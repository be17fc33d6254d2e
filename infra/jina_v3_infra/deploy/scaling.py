"""Autoscaling that is in the way of an update: taken out of the endpoint's stack, whose next deployment brings it back.

AWS refuses to change the machine of a variant that is a scalable target, or to remove the variant. Taking the target
out is a change of the stack of its own, and so it is gone on with when something breaks off in between.

**Source**: docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-update.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from jina_v3_infra.config import Deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.failures import CommandError, absent
from jina_v3_infra.deploy.machines import configured_machines, standing_machines
from jina_v3_infra.deploy.screen import Screen
from jina_v3_infra.deploy.stack_state import Stack, failure_causes, find_stack, newest_event

_AUTOSCALING: Final = "AWS::ApplicationAutoScaling::"
_FIRST_POLL_S: Final = 0.2
_LONGEST_POLL_S: Final = 5.0
_UPDATABLE: Final = frozenset({"CREATE_COMPLETE", "IMPORT_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})


def take_scaling_away(account: Account, deployment: Deployment, screen: Screen) -> list[str]:
    """Take autoscaling out of the stack where it is in the way of the configuration; return the variants that had it.

    **Raises**: ``CommandError`` where that fails, or where the stack has not made the scalable target.
    """
    stack = _settled_stack(account, deployment.endpoint_stack)
    if stack is None or stack.status not in _UPDATABLE:
        return []  # nothing stands, or the CDK says what is wrong with it
    variants = _scaled(account, deployment.endpoint_name, _changing(account, deployment))
    if variants:
        screen.say(
            f"    autoscaling of {_named(variants)} is taken away for the change of its machine, and comes back with it"
        )
        _update_stack(account, deployment, stack, variants)
    return variants


def scaling_is_off(variants: list[str]) -> str:
    """Say what follows where the deployment that was to bring autoscaling back failed."""
    return f"autoscaling of {_named(variants)} is off until the next deploy that succeeds; the count stays as it is"


def without_scaling(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template less its autoscaling, and less what refers to that: dependencies, and actions of alarms."""
    resources = template["Resources"]
    removed = {name for name, resource in resources.items() if resource["Type"].startswith(_AUTOSCALING)}
    kept = {name: _less(resource, removed) for name, resource in resources.items() if name not in removed}
    return {**template, "Resources": kept}


def _less(value: Any, removed: set[str]) -> Any:
    """Return a part of a template without the items of lists that name or refer to something removed."""
    if isinstance(value, Mapping):
        return {
            key: _less([item] if key == "DependsOn" and isinstance(item, str) else item, removed)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_less(item, removed) for item in value if not _names(item, removed)]
    return value


def _names(item: Any, removed: set[str]) -> bool:
    name = item.get("Ref") if isinstance(item, Mapping) else item
    return isinstance(name, str) and name in removed


def _changing(account: Account, deployment: Deployment) -> list[str]:
    """Return the variants that stand and that the configuration gives other machines, or does without."""
    sagemaker = account.client("sagemaker")
    try:
        name = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)["EndpointConfigName"]
        settings = sagemaker.describe_endpoint_config(EndpointConfigName=name)
    except ClientError as error:
        if absent(error):
            return []
        raise
    wanted = configured_machines(deployment)
    return [name for name, types in standing_machines(settings).items() if wanted.get(name) != types]


def _scaled(account: Account, endpoint: str, variants: list[str]) -> list[str]:
    """Return those of some variants that are scalable targets."""
    if not variants:
        return []
    ids = {f"endpoint/{endpoint}/variant/{name}": name for name in variants}
    found = account.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=list(ids)
    )["ScalableTargets"]
    registered = {target["ResourceId"] for target in found}
    return [name for identity, name in ids.items() if identity in registered]


def _update_stack(account: Account, deployment: Deployment, stack: Stack, variants: list[str]) -> None:
    """Update the stack with its own template, less the autoscaling.

    CloudFormation goes on with the role that the CDK's deployment gave it.
    """
    cloudformation = account.client("cloudformation")
    template = cloudformation.get_template(StackName=stack.identity, TemplateStage="Original")["TemplateBody"]
    less = without_scaling(template)
    if less["Resources"].keys() == template["Resources"].keys():
        raise CommandError(
            f"AWS does not change the machine of {_named(variants)} while it is a scalable target, and stack "
            f"{stack.name} has not made that; end it with aws application-autoscaling deregister-scalable-target "
            f"--service-namespace sagemaker --scalable-dimension sagemaker:variant:DesiredInstanceCount "
            f"--resource-id endpoint/{deployment.endpoint_name}/variant/{variants[0]}, and deploy again"
        )
    (found,) = cloudformation.describe_stacks(StackName=stack.identity)["Stacks"]
    before = newest_event(cloudformation, stack.identity)
    cloudformation.update_stack(
        StackName=stack.identity,
        TemplateBody=json.dumps(less, separators=(",", ":")),
        Capabilities=found.get("Capabilities", []),
        Parameters=[
            {"ParameterKey": one["ParameterKey"], "UsePreviousValue": True} for one in found.get("Parameters", ())
        ],
    )
    done = _settled_stack(account, stack.identity)
    if done is None or done.status != "UPDATE_COMPLETE":
        lines = [f"autoscaling of {_named(variants)} could not be taken out of stack {stack.name}"]
        causes = failure_causes(cloudformation, stack.identity, before)
        raise CommandError("\n".join([*lines, *(f"  {cause}" for cause in causes)]))


def _settled_stack(account: Account, name: str) -> Stack | None:
    """Return a stack when nothing goes on in it any more: a deployment that broke off may still be at work."""
    poll_s = _FIRST_POLL_S
    while True:
        stack = find_stack(account.client("cloudformation"), name)
        if stack is None or not stack.status.endswith("_IN_PROGRESS") or stack.status == "REVIEW_IN_PROGRESS":
            return stack
        time.sleep(poll_s)
        poll_s = min(poll_s * 1.5, _LONGEST_POLL_S)


def _named(variants: list[str]) -> str:
    return f"variant{'s' if len(variants) > 1 else ''} {', '.join(variants)}"
