"""CreateInferenceComponent and the operations on inference components: models that share an endpoint's machines.

One process answers for all copies of a component; with no copies there is none.
"""

from __future__ import annotations

import threading
from typing import Any, Final

from local_aws.errors import ServiceError
from local_aws.sagemaker.deployment import AlarmError, bake, traffic_steps
from local_aws.sagemaker.endpoint import Endpoint
from local_aws.sagemaker.errors import refuse
from local_aws.sagemaker.hosting import Hosting, component_log_group
from local_aws.sagemaker.launch import LaunchError, launch_container
from local_aws.sagemaker.listing import list_page
from local_aws.sagemaker.model_data import remove_model
from local_aws.sagemaker.models import check_container, container_of
from local_aws.sagemaker.store import Store, now, prune
from local_aws.sagemaker.traffic import Fleet, Traffic, Variant

_DRAIN_LIMIT_S: Final = 3600.0
_STARTUP_LIMIT_S: Final = 480
_NOT_MODELLED: Final = ("BaseInferenceComponentName", "SchedulingConfig", "InstanceType")


class Component:
    """An inference component; whoever changes more than one member at a time holds ``lock``."""

    def __init__(
        self, name: str, arn: str, endpoint: Endpoint, variant: str, specification: dict[str, Any], copies: int
    ) -> None:
        self.name = name
        self.arn = arn
        self.endpoint = endpoint
        self.variant = variant
        self.specification = specification
        self.copies = copies
        self.status = "Creating"
        self.failure_reason = ""
        self.created = self.modified = now()
        self.generation = 0
        self.fleet: Fleet | None = None
        self.deployment: dict[str, Any] = {}
        self.traffic = Traffic(0)
        self.lock = threading.RLock()

    def change(self, status: str, reason: str = "") -> None:
        """Go over to another status."""
        with self.lock:
            self.status, self.failure_reason, self.modified = status, reason, now()

    def summarise(self) -> dict[str, Any]:
        """Return its row in ListInferenceComponents."""
        with self.lock:
            return {
                "InferenceComponentName": self.name,
                "InferenceComponentArn": self.arn,
                "EndpointName": self.endpoint.name,
                "EndpointArn": self.endpoint.arn,
                "VariantName": self.variant,
                "InferenceComponentStatus": self.status,
                "CreationTime": self.created,
                "LastModifiedTime": self.modified,
            }

    def describe(self) -> dict[str, Any]:
        """Return the answer to DescribeInferenceComponent."""
        with self.lock:
            running = self.copies if self.fleet is not None else 0
            described = {
                **self.summarise(),
                "Specification": self._describe_specification(),
                "RuntimeConfig": {"DesiredCopyCount": self.copies, "CurrentCopyCount": running},
            }
            if self.deployment:
                described["LastDeploymentConfig"] = self.deployment
            if self.failure_reason:
                described["FailureReason"] = self.failure_reason[:1024]
            return described

    def _describe_specification(self) -> dict[str, Any]:
        described = dict(self.specification)
        container = dict(described.pop("Container", {}))
        if container:
            image = container.pop("Image")
            container["DeployedImage"] = {"SpecifiedImage": image, "ResolutionTime": self.created}
            described["Container"] = container
        return described


def create_component(hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer CreateInferenceComponent."""
    name = request["InferenceComponentName"]
    if "Specifications" in request or "Specification" not in request:
        refuse("the local AWS models inference components with one Specification; give that")
    if "RuntimeConfig" not in request:
        refuse("RuntimeConfig is required where no BaseInferenceComponentName is given.")
    specification = prune(request["Specification"])
    _check_specification(hosting, store, specification)
    arn = store.arn("inference-component", name)
    with store.lock:
        endpoint = store.endpoint(request["EndpointName"])
        if endpoint.status not in ("InService", "Creating", "Updating"):
            refuse(f'Cannot create an inference component on endpoint "{endpoint.arn}" with status {endpoint.status}.')
        if not endpoint.has_components:
            refuse(
                f'Endpoint "{endpoint.arn}" has a model of its own; inference components need a variant without one.'
            )
        variants = [variant["VariantName"] for variant in endpoint.config["ProductionVariants"]]
        variant = request.get("VariantName", variants[0])
        if variant not in variants:
            refuse(f'Could not find variant "{variant}" of endpoint "{endpoint.arn}".')
        if name in store.components:
            refuse(f'Cannot create already existing inference component "{arn}".')
        copies = request["RuntimeConfig"]["CopyCount"]
        component = Component(name, arn, endpoint, variant, specification, copies)
        store.components[name] = component
        store.set_tags(arn, request.get("Tags", []))
    hosting.spawn(f"create {name}", lambda: _settle(hosting, store, component, None))
    return {"InferenceComponentArn": arn}


def _check_specification(hosting: Hosting, store: Store, specification: dict[str, Any]) -> None:
    for member in _NOT_MODELLED:
        if member in specification:
            refuse(f"the local AWS does not model {member} of an inference component")
    if ("ModelName" in specification) == ("Container" in specification):
        refuse("Specification must have either a ModelName or a Container.")
    if "ComputeResourceRequirements" not in specification:
        refuse("ComputeResourceRequirements is required where no BaseInferenceComponentName is given.")
    if "ModelName" in specification:
        store.model(specification["ModelName"])
    else:
        check_container(hosting, store.region, specification["Container"])


def _settle(hosting: Hosting, store: Store, component: Component, previous: dict[str, Any] | None) -> None:
    """Make what runs what is wanted: nothing for no copies, otherwise a container of the specification.

    ``previous`` is the specification that has given way to it, if one has: its container answers until the new one is
    healthy and has stood its rolling update, and is what remains if that fails.
    """
    old = component.fleet
    new = old
    try:
        if component.copies == 0:
            new = None
        elif old is None or previous is not None:
            new = _launch(hosting, store, component)
            if old is not None:
                _roll(hosting, store.region, component, old, new)
    except (LaunchError, AlarmError) as error:
        with component.lock:
            component.specification = component.specification if previous is None else previous
            component.change("Failed" if old is None else "InService", str(error))
        return
    except Exception:
        component.change("Failed", "Request to service failed. The local AWS's own log has the traceback.")
        raise
    component.fleet = new
    component.traffic.route(*([(new, 1.0)] if new is not None else []))
    if old is not None and old is not new:
        _retire(component, old)
    component.change("InService")


def _roll(hosting: Hosting, region: str, component: Component, old: Fleet, new: Fleet) -> None:
    """Take the traffic over in the steps of the rolling update.

    **Raises**: ``AlarmError``; everything goes to the old one again then, and the new one has ended.
    """
    try:
        for share, wait_s in traffic_steps(component.deployment, component.copies):
            component.traffic.route((old, 1 - share), (new, share))
            bake(hosting, region, component.deployment, wait_s)
    except AlarmError:
        component.traffic.route((old, 1.0))
        _retire(component, new)
        raise


def _retire(component: Component, fleet: Fleet) -> None:
    component.traffic.drain(list(fleet.variants.values()), _DRAIN_LIMIT_S)
    _stop(fleet)


def _stop(fleet: Fleet) -> None:
    fleet.stop()
    if fleet.folder is not None:
        remove_model(fleet.folder / "model")


def _launch(hosting: Hosting, store: Store, component: Component) -> Fleet:
    component.generation += 1
    specification = component.specification
    try:
        container = specification.get("Container") or container_of(store.model(specification["ModelName"]).definition)
    except ServiceError as error:
        raise LaunchError(error.message) from error
    startup = specification.get("StartupParameters", {})
    endpoint = component.endpoint.name
    folder = hosting.folder(store.region, endpoint) / "components" / component.name / str(component.generation)
    running = launch_container(
        hosting,
        store.region,
        component_log_group(component.name),
        folder,
        component.name,
        container,
        startup.get("ContainerStartupHealthCheckTimeoutInSeconds", _STARTUP_LIMIT_S),
    )
    instance_type = component.endpoint.config["ProductionVariants"][0].get("InstanceType", "")
    variant = Variant(name=component.variant, instance_type=instance_type, container=running)
    return Fleet(variants={variant.name: variant}, folder=folder)


def describe_component(_hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer DescribeInferenceComponent."""
    return store.component(request["InferenceComponentName"]).describe()


def list_components(_hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer ListInferenceComponents."""
    with store.lock:
        components = list(store.components.values())
    return list_page([component.summarise() for component in components], request, noun="InferenceComponent")


def update_component(hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer UpdateInferenceComponent."""
    if "Specifications" in request:
        refuse("the local AWS models inference components with one Specification; give that")
    specification = prune(request.get("Specification", {}))
    component = store.component(request["InferenceComponentName"])
    merged = {**component.specification, **specification}
    if "Container" in specification:
        merged.pop("ModelName", None)
    if "ModelName" in specification:
        merged.pop("Container", None)
    _check_specification(hosting, store, merged)
    with component.lock:
        _begin_update(component)
        previous = None if merged == component.specification else component.specification
        component.specification = merged
        component.copies = request.get("RuntimeConfig", {}).get("CopyCount", component.copies)
        component.deployment = request.get("DeploymentConfig", {})
    hosting.spawn(f"update {component.name}", lambda: _settle(hosting, store, component, previous))
    return {"InferenceComponentArn": component.arn}


def update_runtime(hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer UpdateInferenceComponentRuntimeConfig, which is also what autoscaling calls."""
    component = store.component(request["InferenceComponentName"])
    with component.lock:
        _begin_update(component)
        component.copies = request["DesiredRuntimeConfig"]["CopyCount"]
    hosting.spawn(f"scale {component.name}", lambda: _settle(hosting, store, component, None))
    return {"InferenceComponentArn": component.arn}


def _begin_update(component: Component) -> None:
    if component.status not in ("InService", "Failed"):
        refuse(f'Cannot update in-progress inference component "{component.arn}".')
    component.change("Updating")


def delete_component(hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer DeleteInferenceComponent."""
    component = store.component(request["InferenceComponentName"])
    with component.lock:
        if component.status not in ("InService", "Failed"):
            refuse(f'Cannot update in-progress inference component "{component.arn}".')
        component.change("Deleting")

    def take_down() -> None:
        component.traffic.route()
        if component.fleet is not None:
            _stop(component.fleet)
        with store.lock:
            store.components.pop(component.name, None)
            store.tags.pop(component.arn, None)

    hosting.spawn(f"delete {component.name}", take_down)
    return {}


OPERATIONS: Final = {
    "CreateInferenceComponent": create_component,
    "DescribeInferenceComponent": describe_component,
    "ListInferenceComponents": list_components,
    "UpdateInferenceComponent": update_component,
    "UpdateInferenceComponentRuntimeConfig": update_runtime,
    "DeleteInferenceComponent": delete_component,
}
