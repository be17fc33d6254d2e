"""SageMaker's resources: their properties are the API's own requests."""

# ruff: noqa: ARG002  # the methods of every kind take the same
from __future__ import annotations

from typing import Any, Final

from local_aws.cloudformation.kinds.base import (
    Calls,
    Kind,
    Physical,
    Properties,
    ResourceError,
    changed_tags,
    differs,
    only,
    without,
)

_NAME: Final = 63  # characters of a SageMaker name
_TIMEOUT_S: Final = 3600.0  # an endpoint's own time-outs end it before
_WORDS: Final = {"Endpoint": "endpoint", "InferenceComponent": "inference component"}
_MOVES: Final = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")


def _retag(calls: Calls, arn: str, before: Properties, after: Properties) -> None:
    put, removed = changed_tags(before, after)
    if put:
        calls("sagemaker", "AddTags", {"ResourceArn": arn, "Tags": put})
    if removed:
        calls("sagemaker", "DeleteTags", {"ResourceArn": arn, "TagKeys": removed})


def _wait(calls: Calls, noun: str, physical: Physical) -> dict[str, Any] | None:
    """Wait until what takes time has done so; ``noun`` is what the API's members begin with."""
    name = physical.attributes[f"{noun}Name"]
    found: dict[str, Any] | None = None

    def is_still() -> bool:
        nonlocal found
        found = calls.read("sagemaker", f"Describe{noun}", **{f"{noun}Name": name})
        return found is None or found[f"{noun}Status"] not in _MOVES

    calls.wait(is_still, f"waiting for {_WORDS[noun]} {name}", _TIMEOUT_S)
    return found


def _delete_and_wait(calls: Calls, noun: str, physical: Physical) -> None:
    name = physical.attributes[f"{noun}Name"]
    _wait(calls, noun, physical)  # what moves cannot be deleted
    calls.delete("sagemaker", f"Delete{noun}", **{f"{noun}Name": name})
    if _wait(calls, noun, physical) is not None:
        raise ResourceError(f"{_WORDS[noun]} {name} is there after it was deleted")


class Model(Kind):
    """A model; every change but of tags makes a new one."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the model."""
        name = properties.get("ModelName") or calls.name(_NAME)
        arn = calls("sagemaker", "CreateModel", {**properties, "ModelName": name})["ModelArn"]
        return Physical(arn, {"ModelArn": arn, "ModelName": name})

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Change its tags."""
        _retag(calls, physical.id, before, after)

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the model."""
        calls.delete("sagemaker", "DeleteModel", ModelName=physical.attributes["ModelName"])


class EndpointConfig(Kind):
    """An endpoint's configuration; every change but of tags makes a new one."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the configuration."""
        name = properties.get("EndpointConfigName") or calls.name(_NAME)
        request = {**properties, "EndpointConfigName": name}
        arn = calls("sagemaker", "CreateEndpointConfig", request)["EndpointConfigArn"]
        return Physical(arn, {"EndpointConfigArn": arn, "EndpointConfigName": name})

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Change its tags."""
        _retag(calls, physical.id, before, after)

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the configuration."""
        name = physical.attributes["EndpointConfigName"]
        calls.delete("sagemaker", "DeleteEndpointConfig", EndpointConfigName=name)


class Endpoint(Kind):
    """An endpoint, waited for until it serves."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Begin to start the endpoint."""
        name = properties.get("EndpointName") or calls.name(_NAME)
        request = {
            **only(properties, "DeploymentConfig", "EndpointConfigName", "Tags"),
            "EndpointName": name,
        }
        arn = calls("sagemaker", "CreateEndpoint", request)["EndpointArn"]
        return Physical(arn, {"EndpointArn": arn, "EndpointName": name})

    def settle(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Wait until it is in service with the configuration that it was given."""
        found = _wait(calls, "Endpoint", physical)
        if found is None:
            raise ResourceError(f"endpoint {physical.attributes['EndpointName']} was deleted while it was waited for")
        wanted = properties["EndpointConfigName"]
        reason = found.get("FailureReason", "no reason was given")
        if found["EndpointStatus"] != "InService":
            raise ResourceError(f"endpoint {found['EndpointName']} is {found['EndpointStatus']}: {reason}")
        if found["EndpointConfigName"] != wanted:
            raise ResourceError(f"the update of endpoint {found['EndpointName']} to {wanted} was rolled back: {reason}")

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Begin to move the endpoint to another configuration, as its deployment configuration says."""
        _retag(calls, physical.id, before, after)
        name = physical.attributes["EndpointName"]
        found = _wait(calls, "Endpoint", physical)
        serving = None if found is None else found["EndpointConfigName"]
        if serving == after["EndpointConfigName"]:
            return  # rolled back by SageMaker itself, or only what is looked at by the next update has changed
        names = ("DeploymentConfig", "EndpointConfigName", "ExcludeRetainedVariantProperties")
        retained = ("RetainAllVariantProperties", "RetainDeploymentConfig")
        calls("sagemaker", "UpdateEndpoint", {**only(after, *names, *retained), "EndpointName": name})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the endpoint and wait until it is gone."""
        _delete_and_wait(calls, "Endpoint", physical)


class InferenceComponent(Kind):
    """A model's copies on an endpoint, waited for until they serve."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Begin to start the copies."""
        name = properties.get("InferenceComponentName") or calls.name(_NAME)
        request = {**without(properties, "DeploymentConfig"), "InferenceComponentName": name}  # of updates only
        arn = calls("sagemaker", "CreateInferenceComponent", request)["InferenceComponentArn"]
        return Physical(arn, {"InferenceComponentArn": arn, "InferenceComponentName": name})

    def settle(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Wait until they serve."""
        found = _wait(calls, "InferenceComponent", physical)
        name = physical.attributes["InferenceComponentName"]
        if found is None:
            raise ResourceError(f"inference component {name} was deleted while it was waited for")
        status = found["InferenceComponentStatus"]
        if status != "InService":
            reason = found.get("FailureReason", "no reason was given")
            raise ResourceError(f"inference component {name} is {status}: {reason}")
        copies = found.get("RuntimeConfig", {})
        physical.attributes |= {
            "CreationTime": str(found.get("CreationTime", "")),
            "InferenceComponentStatus": status,
            "LastModifiedTime": str(found.get("LastModifiedTime", "")),
            "RuntimeConfig.CurrentCopyCount": copies.get("CurrentCopyCount"),
            "RuntimeConfig.DesiredCopyCount": copies.get("DesiredCopyCount"),
        }

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Begin to change the copies."""
        _retag(calls, physical.id, before, after)
        if differs(before, after, ("RuntimeConfig", "Specification")):
            request = only(after, "DeploymentConfig", "RuntimeConfig", "Specification")
            name = physical.attributes["InferenceComponentName"]
            calls("sagemaker", "UpdateInferenceComponent", {**request, "InferenceComponentName": name})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the copies and wait until they are gone."""
        _delete_and_wait(calls, "InferenceComponent", physical)
