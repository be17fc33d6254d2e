"""What works by itself: scaling targets and policies, and build projects."""

# ruff: noqa: ARG002  # the methods of every kind take the same
from __future__ import annotations

from typing import Final

from local_aws.cloudformation.kinds.base import Calls, Kind, Physical, Properties, ResourceError, without
from local_aws.settings import ACCOUNT

_SCALING: Final = "application-autoscaling"
_TARGET: Final = ("ResourceId", "ScalableDimension", "ServiceNamespace")


class ScalableTarget(Kind):
    """Something that is scaled, and its bounds; ``Ref`` gives the three parts of its name."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Register the target."""
        calls(_SCALING, "RegisterScalableTarget", without(properties, "Tags"))
        identifier = "|".join(properties[name] for name in _TARGET)
        return Physical(identifier, {"Id": identifier})

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Register it again."""
        calls(_SCALING, "RegisterScalableTarget", without(after, "Tags"))

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Take the registration back."""
        named = {name: properties[name] for name in _TARGET}
        calls.delete(_SCALING, "DeregisterScalableTarget", **named)


class ScalingPolicy(Kind):
    """A rule of scaling, on a target that it names by its parts or by ``ScalingTargetId``."""

    def _target(self, properties: Properties) -> dict[str, str]:
        if "ScalingTargetId" in properties:
            parts = properties["ScalingTargetId"].split("|")
            if len(parts) != len(_TARGET):
                raise ResourceError(
                    f"ScalingTargetId {properties['ScalingTargetId']!r} is not what Ref of a target gives"
                )
            return dict(zip(_TARGET, parts, strict=True))
        missing = [name for name in _TARGET if name not in properties]
        if missing:
            raise ResourceError(f"give ScalingTargetId, or {', '.join(missing)} too")
        return {name: properties[name] for name in _TARGET}

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Put the policy."""
        request = {**without(properties, "ScalingTargetId"), **self._target(properties)}
        arn = calls(_SCALING, "PutScalingPolicy", request)["PolicyARN"]
        return Physical(arn, {"Arn": arn})

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Put it again."""
        self.create(calls, after)

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the policy; a target that is gone took it along."""
        named = {"PolicyName": properties["PolicyName"], **self._target(properties)}
        calls.delete(_SCALING, "DeleteScalingPolicy", **named)


class BuildProject(Kind):
    """A build project."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the project."""
        name = properties.get("Name") or calls.name(150)
        calls("codebuild", "CreateProject", {**properties, "Name": name})
        return Physical(name, {"Arn": f"arn:aws:codebuild:{calls.region}:{ACCOUNT}:project/{name}"})

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Write what it is now."""
        calls("codebuild", "UpdateProject", {**after, "Name": physical.id})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the project."""
        calls.delete("codebuild", "DeleteProject", name=physical.id)


class Metadata(Kind):
    """What the CDK says of itself; nothing is made of it."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make nothing."""
        return Physical(calls.name())
