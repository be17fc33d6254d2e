"""What happens when: state machines, rules of events, schedules."""

# ruff: noqa: ARG002  # the methods of every kind take the same
from __future__ import annotations

import json
import re
from typing import Any, Final

from botocore.exceptions import ClientError

from local_aws.cloudformation.kinds.base import (
    Calls,
    Kind,
    Physical,
    Properties,
    ResourceError,
    changed_tags,
    only,
    without,
)
from local_aws.settings import ACCOUNT

_CONFIGURATIONS: Final = ("EncryptionConfiguration", "LoggingConfiguration", "TracingConfiguration")
_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "EncryptionConfiguration": {"Type": "AWS_OWNED_KEY"},
    "LoggingConfiguration": {"Level": "OFF"},
    "TracingConfiguration": {"Enabled": False},
}
_PLACE: Final = re.compile(r"\$\{([A-Za-z0-9_-]+)\}")


def _small(tags: Any) -> list[dict[str, str]]:
    """Write tags as Step Functions has them."""
    return [{"key": tag["Key"], "value": str(tag["Value"])} for tag in tags]


class StateMachine(Kind):
    """A state machine; ``Ref`` gives its ARN."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the state machine."""
        name = properties.get("StateMachineName") or calls.name(80)
        request = {
            "name": name,
            "definition": _definition(calls, properties),
            "roleArn": properties["RoleArn"],
            "type": properties.get("StateMachineType", "STANDARD"),
            "tags": _small(properties.get("Tags", ())),
            **only(properties, *_CONFIGURATIONS),
        }
        arn = calls("stepfunctions", "CreateStateMachine", request)["stateMachineArn"]
        return Physical(arn, {"Arn": arn, "Name": name})

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Write what it is now."""
        request = {
            "stateMachineArn": physical.id,
            "definition": _definition(calls, after),
            "roleArn": after["RoleArn"],
            **{name: after.get(name, _DEFAULTS[name]) for name in _CONFIGURATIONS},
        }
        calls("stepfunctions", "UpdateStateMachine", request)
        put, removed = changed_tags(before, after)
        if put:
            calls("stepfunctions", "TagResource", {"resourceArn": physical.id, "tags": _small(put)})
        if removed:
            calls("stepfunctions", "UntagResource", {"resourceArn": physical.id, "tagKeys": removed})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the state machine, which ends its executions."""
        calls.delete("stepfunctions", "DeleteStateMachine", stateMachineArn=physical.id)


def _definition(calls: Calls, properties: Properties) -> str:
    """Return the definition with its substitutions put in.

    **Raises**: ``ResourceError`` for a place that has no substitution, which AWS would leave in the definition.
    """
    given = [name for name in ("Definition", "DefinitionS3Location", "DefinitionString") if name in properties]
    if len(given) != 1:
        raise ResourceError(
            f"give one of Definition, DefinitionS3Location and DefinitionString, not {' and '.join(given) or 'none'}"
        )
    value = properties[given[0]]
    text = _read(calls, value) if given[0] == "DefinitionS3Location" else value
    text = text if isinstance(text, str) else json.dumps(text)
    substitutions = properties.get("DefinitionSubstitutions", {})
    missing = sorted(set(_PLACE.findall(text)) - substitutions.keys())
    if missing:
        raise ResourceError(f"the definition has {', '.join(f'${{{name}}}' for name in missing)}, of no substitution")
    return _PLACE.sub(lambda match: _written(substitutions[match[1]]), text)


def _written(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _read(calls: Calls, location: Properties) -> str:
    request = {"Bucket": location["Bucket"], "Key": location["Key"]}
    if "Version" in location:
        request["VersionId"] = location["Version"]
    try:
        return str(calls.aws.client("s3", calls.region).get_object(**request)["Body"].read().decode())
    except ClientError as error:
        where = f"s3://{location['Bucket']}/{location['Key']}"
        raise ResourceError(f"{error.response['Error']['Message']} ({where})") from None


class Rule(Kind):
    """A rule on the default bus, with its targets; ``Ref`` gives its name."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the rule."""
        name = properties.get("Name") or calls.name(64)
        self._put(calls, name, properties)
        return Physical(name, {"Arn": f"arn:aws:events:{calls.region}:{ACCOUNT}:rule/{name}"})

    def _put(self, calls: Calls, name: str, properties: Properties) -> None:
        if not {"EventPattern", "ScheduleExpression"} & properties.keys():
            raise ResourceError("give EventPattern, or ScheduleExpression")
        request = {**without(properties, "Name", "Targets"), "Name": name}
        calls("events", "PutRule", request)

    def set_up(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Put its targets."""
        if properties.get("Targets"):
            answer = calls("events", "PutTargets", {"Rule": physical.id, "Targets": properties["Targets"]})
            if answer.get("FailedEntryCount"):
                raise ResourceError(str(answer["FailedEntries"][0]["ErrorMessage"]))

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Put it again, and take away the targets that it has no more."""
        self._put(calls, physical.id, after)
        kept = {target["Id"] for target in after.get("Targets", ())}
        gone = [target["Id"] for target in before.get("Targets", ()) if target["Id"] not in kept]
        if gone:
            calls("events", "RemoveTargets", {"Rule": physical.id, "Ids": gone})
        self.set_up(calls, physical, after)

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the rule, its targets first."""
        targets = calls.read("events", "ListTargetsByRule", Rule=physical.id)
        if targets is not None and targets["Targets"]:
            ids = [target["Id"] for target in targets["Targets"]]
            calls.delete("events", "RemoveTargets", Rule=physical.id, Ids=ids)
        calls.delete("events", "DeleteRule", Name=physical.id)


class Schedule(Kind):
    """A schedule, which fires here when it is told to; ``Ref`` gives its name."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the schedule."""
        name = properties.get("Name") or calls.name(64)
        arn = calls("scheduler", "CreateSchedule", {**properties, "Name": name})["ScheduleArn"]
        return Physical(name, {"Arn": arn})

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Write what it is now."""
        calls("scheduler", "UpdateSchedule", {**after, "Name": physical.id})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the schedule; a group that is gone took it along."""
        calls.delete("scheduler", "DeleteSchedule", Name=physical.id, **only(properties, "GroupName"))


class ScheduleGroup(Kind):
    """A group of schedules; ``Ref`` gives its name."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the group."""
        name = properties.get("Name") or calls.name(64)
        request = {"Name": name, "Tags": properties.get("Tags", [])}
        arn = calls("scheduler", "CreateScheduleGroup", request)["ScheduleGroupArn"]
        return Physical(name, {"Arn": arn})

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Set its tags."""
        arn = {"ResourceArn": physical.attributes["Arn"]}
        put, removed = changed_tags(before, after)
        if put:
            calls("scheduler", "TagResource", {**arn, "Tags": put})
        if removed:
            calls("scheduler", "UntagResource", {**arn, "TagKeys": removed})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the group with its schedules."""
        if calls.read("scheduler", "GetScheduleGroup", Name=physical.id) is not None:
            calls.delete("scheduler", "DeleteScheduleGroup", Name=physical.id)
