"""What stands in the account already: the CDK's toolkit, this deployment's stacks, an endpoint of the same name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from jina_v3_infra.config import Deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.failures import absent
from jina_v3_infra.deploy.findings import Finding, right, unsure, wrong
from jina_v3_infra.deploy.stack_state import find_stack, list_resources

TOOLKIT_STACK: Final = "CDKToolkit"
LEAST_TOOLKIT: Final = 6
"""The bootstrap version that the CDK's default synthesizer asks for."""

BOOTSTRAP = "bootstrap"
STACKS = "stacks"
NAME = "name"
ROLE = "scaling role"

_ROLE_NAME: Final = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"


def check_bootstrap(account: Account) -> Iterator[Finding]:
    """Look for the stack that the CDK deploys with."""
    stack = find_stack(account.client("cloudformation"), TOOLKIT_STACK)
    if stack is None:
        yield right(BOOTSTRAP, f"{account.region} has no {TOOLKIT_STACK} stack yet; deploy bootstraps it first")
    elif not is_bootstrapped(stack.status, stack.outputs):
        yield unsure(
            BOOTSTRAP,
            f"the stack {TOOLKIT_STACK} is {stack.status} at version {stack.outputs.get('BootstrapVersion', 'unknown')}"
            "; deploy bootstraps it anew",
        )
    else:
        yield right(BOOTSTRAP, f"the stack {TOOLKIT_STACK} is there")


def is_bootstrapped(status: str, outputs: dict[str, str]) -> bool:
    """Say whether the CDK can deploy with the toolkit's stack as it is."""
    version = outputs.get("BootstrapVersion", "0")
    stands = status.endswith("_COMPLETE") and status not in ("ROLLBACK_COMPLETE", "DELETE_COMPLETE")
    return stands and version.isdigit() and int(version) >= LEAST_TOOLKIT


def check_stacks(account: Account, deployment: Deployment) -> Iterator[Finding]:
    """Look whether the deployment's stacks can be changed."""
    for name in deployment.stacks:
        stack = find_stack(account.client("cloudformation"), name)
        yield right(STACKS, f"{name} will be made") if stack is None else _changeable(name, stack.status)
    for name in forgotten_stacks(account, deployment):
        yield unsure(
            STACKS,
            f"{name} stands, and the configuration no longer has it: it goes on as it is, and costs what it costs",
            f"bring it back into the configuration, or aws cloudformation delete-stack --stack-name {name}",
        )


def forgotten_stacks(account: Account, deployment: Deployment) -> list[str]:
    """Return the stacks of this deployment that stand, and that its configuration leaves out."""
    names = (deployment.endpoint_stack, deployment.batch_stack)
    cloudformation = account.client("cloudformation")
    return [name for name in names if name not in deployment.stacks and find_stack(cloudformation, name) is not None]


def _changeable(name: str, status: str) -> Finding:
    if status.endswith("_IN_PROGRESS"):
        return unsure(STACKS, f"{name} is {status}: a change is under way, and deploy waits for its end")
    if status == "UPDATE_ROLLBACK_FAILED":
        return wrong(
            STACKS, f"{name} is {status} and takes no change", f"jina-v3-infra cdk rollback {name}, then deploy again"
        )
    if status == "DELETE_FAILED":
        return wrong(STACKS, f"{name} is {status} and takes no change", "jina-v3-infra destroy, then deploy again")
    return right(STACKS, f"{name} is {status}")


def check_name(account: Account, deployment: Deployment) -> Iterator[Finding]:
    """Look whether another's endpoint has the name."""
    name = deployment.endpoint_name
    try:
        standing = account.client("sagemaker").describe_endpoint(EndpointName=name)
    except ClientError as error:
        if not absent(error):
            raise
        yield right(NAME, f"no endpoint is called {name}")
        return
    is_asynchronous, becomes = "AsyncInferenceConfig" in standing, deployment.endpoint.asynchronous is not None
    if not owns_endpoint(account.client("cloudformation"), deployment):
        yield wrong(
            NAME,
            f"there is an endpoint {name} that the stack {deployment.endpoint_stack} has not made",
            "set endpoint.name (or name) to another, or delete that endpoint",
        )
    elif is_asynchronous != becomes:
        kinds = {True: "asynchronous", False: "real-time"}
        yield wrong(
            NAME,
            f"the endpoint {name} is {kinds[is_asynchronous]}, and the configuration's is {kinds[becomes]}; SageMaker "
            "makes none of the one into one of the other",
            "set endpoint.name to another, so that a new endpoint takes its place, or destroy first",
        )
    else:
        yield right(NAME, f"the endpoint {name} is this deployment's own, and will be updated")


def owns_endpoint(cloudformation: Any, deployment: Deployment) -> bool:
    """Say whether the endpoint of this name is the stack's; its id there is the ARN, with the name in small letters."""
    if find_stack(cloudformation, deployment.endpoint_stack) is None:
        return False
    return any(
        resource.kind == "AWS::SageMaker::Endpoint"
        and resource.name.rpartition("/")[2].lower() == deployment.endpoint_name.lower()
        for resource in list_resources(cloudformation, deployment.endpoint_stack)
    )


def check_scaling_role(account: Account, deployment: Deployment) -> Iterator[Finding]:
    """Look for the role by which autoscaling changes counts, where there is something to scale."""
    component = deployment.endpoint.inference_component
    scales = any(variant.scaling.scales for variant in deployment.endpoint.variants)
    if not scales and (component is None or not component.scaling.scales):
        yield right(ROLE, "not needed: nothing scales")
        return
    try:
        account.client("iam").get_role(RoleName=_ROLE_NAME)
    except ClientError as error:
        if not absent(error):
            raise
        yield unsure(
            ROLE,
            f"the account has no {_ROLE_NAME} yet; AWS makes it with the first scaled endpoint, if it may",
            "if the deployment is refused it: aws iam create-service-linked-role --aws-service-name "
            "sagemaker.application-autoscaling.amazonaws.com",
        )
    else:
        yield right(ROLE, f"{_ROLE_NAME} is there")
