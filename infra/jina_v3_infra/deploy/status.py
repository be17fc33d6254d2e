"""How a deployment stands: its endpoint, its batch runs, and what deploying the configuration would change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from jina_v3_infra.artifact import ArtifactError
from jina_v3_infra.config import Deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.batch.command import describe_runs
from jina_v3_infra.deploy.batch.runs import open_runs
from jina_v3_infra.deploy.check_standing import forgotten_stacks
from jina_v3_infra.deploy.failures import AWS_ERRORS, CommandError, absent, explain
from jina_v3_infra.deploy.machines import configured_machines, standing_machines, tell_machines
from jina_v3_infra.deploy.stack_state import find_stack, list_resources
from jina_v3_infra.hub import HubError
from jina_v3_infra.release import plan_release

_RUNS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Lines for a person, and whether the endpoint answers calls, or without one whether runs can be started."""

    lines: list[str]
    in_service: bool


def read_status(account: Account, deployment: Deployment) -> Status:
    """Look at stacks, endpoint, release and alarms.

    **Raises**: botocore's errors where the endpoint itself cannot be looked at.
    """
    lines, standing = [], []
    for name in deployment.stacks:
        stack = find_stack(account.client("cloudformation"), name)
        lines.append(f"stack {name}: {stack.status if stack else 'not there'}")
        standing += [name] if stack else []
    alarms = list(_alarms(account, standing))
    lines += [
        f"stack {name}: stands, and the configuration no longer has it"
        for name in forgotten_stacks(account, deployment)
    ]
    runs = None if deployment.batch is None else _batch(account, deployment)
    if not deployment.endpoint.enabled:
        assert runs is not None  # by the rules
        return Status(lines=[*lines, *runs.lines, *alarms], in_service=runs.in_service)
    endpoint = _read_endpoint(account, deployment)
    told = [*lines, *endpoint.lines, *(runs.lines if runs else ()), *alarms]
    return Status(lines=told, in_service=endpoint.in_service)


def _batch(account: Account, deployment: Deployment) -> Status:
    try:
        return Status(lines=describe_runs(open_runs(account, deployment), _RUNS), in_service=True)
    except CommandError as error:
        return Status(lines=[f"batch: {error}"], in_service=False)


def _read_endpoint(account: Account, deployment: Deployment) -> Status:
    sagemaker, lines = account.client("sagemaker"), []
    try:
        endpoint = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
    except ClientError as error:
        if not absent(error):
            raise
        return Status(lines=[f"endpoint {deployment.endpoint_name}: not there"], in_service=False)
    settings = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    lines += [*_endpoint(endpoint), *_variants(endpoint, settings)]
    lines += _changes(sagemaker, deployment, endpoint, settings)
    return Status(lines=lines, in_service=endpoint["EndpointStatus"] in ("InService", "Updating"))


def _endpoint(endpoint: dict[str, Any]) -> Iterator[str]:
    yield f"endpoint {endpoint['EndpointName']}: {endpoint['EndpointStatus']}, changed {endpoint['LastModifiedTime']}"
    yield f"configuration: {endpoint['EndpointConfigName']}"
    if endpoint.get("FailureReason"):
        yield f"reason: {endpoint['FailureReason']}"


def _variants(endpoint: dict[str, Any], settings: dict[str, Any]) -> Iterator[str]:
    machines = standing_machines(settings)
    for one in endpoint.get("ProductionVariants", ()):
        count, wanted = one.get("CurrentInstanceCount"), one.get("DesiredInstanceCount")
        yield (
            f"variant {one['VariantName']}: {'?' if count is None else count} of "
            f"{'?' if wanted is None else wanted} × {', '.join(machines.get(one['VariantName'], ()))}, "
            f"weight {one.get('CurrentWeight', 1):g}"
        )
        if count == 0 and "AsyncInferenceConfig" in settings:
            yield f"variant {one['VariantName']} sleeps; the next call wakes it, in some minutes"


def _changes(
    sagemaker: Any, deployment: Deployment, endpoint: dict[str, Any], settings: dict[str, Any]
) -> Iterator[str]:
    """Compare what stands with the configuration, in what an update changes: machines, their numbers, image, model."""
    changes = []
    wanted, standing = configured_machines(deployment), standing_machines(settings)
    if wanted != standing:
        changes.append(f"machines: {tell_machines(standing)} → {tell_machines(wanted)}")
    numbers = list(_number_changes(deployment, endpoint, settings))
    changes += [change for by_deploy, change in numbers if by_deploy]
    for change in (change for by_deploy, change in numbers if not by_deploy):
        yield f"what was set by hand goes with the next update: {change}"
    container = _container(sagemaker, deployment, settings)
    if container is not None:
        try:
            changes += _release_changes(deployment, container)
        except (ArtifactError, HubError) as error:
            yield f"the configuration's release cannot be named: {error}"
    yield from (f"deploy would change {one}" for one in changes)
    if not changes:
        yield "deploy would change neither machines, counts and weights, nor image nor model"


def _number_changes(
    deployment: Deployment, endpoint: dict[str, Any], settings: dict[str, Any]
) -> Iterator[tuple[bool, str]]:
    """Compare counts and weights; with each goes whether deploying would by itself make the update that sets it.

    An update keeps all counts where a variant scales. Of an inference component SageMaker counts the machines.
    """
    if deployment.endpoint.inference_component is not None:
        return
    standing = {one["VariantName"]: one for one in endpoint.get("ProductionVariants", ())}
    given = {one["VariantName"]: one for one in settings["ProductionVariants"]}
    keeps_counts = any(one.scaling.scales for one in deployment.endpoint.variants)
    for variant in deployment.endpoint.variants:
        now, then = standing.get(variant.name, {}), given.get(variant.name, {})
        count, weight = now.get("DesiredInstanceCount"), now.get("DesiredWeight")
        if count is not None and not keeps_counts and count != variant.initial_instances:
            by_deploy = then.get("InitialInstanceCount") != variant.initial_instances
            yield by_deploy, f"the count of variant {variant.name}: {count} → {variant.initial_instances}"
        if weight is not None and weight != variant.weight:
            by_deploy = then.get("InitialVariantWeight", 1.0) != variant.weight
            yield by_deploy, f"the weight of variant {variant.name}: {weight:g} → {variant.weight:g}"


def _container(sagemaker: Any, deployment: Deployment, settings: dict[str, Any]) -> dict[str, Any] | None:
    name = settings["ProductionVariants"][0].get("ModelName")
    if name is not None:
        container: dict[str, Any] = sagemaker.describe_model(ModelName=name).get("PrimaryContainer", {})
        return container
    if deployment.endpoint.inference_component is None:
        return None
    for one in sagemaker.list_inference_components(EndpointNameEquals=deployment.endpoint_name)["InferenceComponents"]:
        found = sagemaker.describe_inference_component(InferenceComponentName=one["InferenceComponentName"])
        specification = found.get("Specification", {})
        if "ModelName" in specification:
            return dict(sagemaker.describe_model(ModelName=specification["ModelName"]).get("PrimaryContainer", {}))
        return {"Image": specification.get("Container", {}).get("DeployedImage", {}).get("SpecifiedImage", "")}
    return None


def _release_changes(deployment: Deployment, container: dict[str, Any]) -> Iterator[str]:
    release = plan_release(deployment)
    image, model = container.get("Image", ""), _model_address(container)
    wanted = deployment.image.uri or f":{release.image_tag}"
    if not image.endswith(wanted):
        yield f"the image: {image or 'none'} → {wanted.lstrip(':')}"
    prefix = deployment.model.source if release.model is None else f"/{release.model_prefix}"
    if model and not model.endswith(prefix):
        yield f"the model: {model} → {prefix.lstrip('/')}"


def _model_address(container: dict[str, Any]) -> str:
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    return str(source.get("S3Uri") or container.get("ModelDataUrl") or "")


def _alarms(account: Account, stacks: list[str]) -> Iterator[str]:
    try:
        names = [
            one.name
            for stack in stacks
            for one in list_resources(account.client("cloudformation"), stack)
            if one.kind == "AWS::CloudWatch::Alarm"
        ]
        if names:
            for one in account.client("cloudwatch").describe_alarms(AlarmNames=names[:100])["MetricAlarms"]:
                yield f"alarm {one['AlarmName']}: {one['StateValue']}"
    except AWS_ERRORS as error:
        yield f"alarms could not be read: {explain(error)}"
