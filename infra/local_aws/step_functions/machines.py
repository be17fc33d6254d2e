"""State machines: made, changed, listed, tagged, deleted; nothing is executed here."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from moto.stepfunctions.parser.asl.component.program.program import Program

from local_aws.errors import ServiceError
from local_aws.services import Operation
from local_aws.settings import ACCOUNT
from local_aws.step_functions.definition import read_definition
from local_aws.step_functions.executions import Execution, Machine

PAGE: Final = 100
_NAME: Final = re.compile(r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}")
_KEPT: Final = ("loggingConfiguration", "tracingConfiguration", "encryptionConfiguration")
_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "loggingConfiguration": {"level": "OFF", "includeExecutionData": False},
    "tracingConfiguration": {"enabled": False},
    "encryptionConfiguration": {"type": "AWS_OWNED_KEY"},
}


@dataclass(slots=True, kw_only=True)
class StateMachine:
    """A state machine as it is now."""

    arn: str
    name: str
    region: str
    role_arn: str
    definition: str
    program: Program
    settings: dict[str, Any]
    tags: dict[str, str]
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    executions: dict[str, Execution] = field(default_factory=dict)

    def now(self) -> Machine:
        """Return what an execution that starts now is of."""
        return Machine(arn=self.arn, name=self.name, region=self.region, role_arn=self.role_arn, program=self.program)


class StateMachines:
    """The state machines of every region."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._machines: dict[str, StateMachine] = {}

    @property
    def operations(self) -> dict[str, Operation]:
        """Every operation on them, by its name in the API."""
        return {
            "CreateStateMachine": self.create_state_machine,
            "DeleteStateMachine": self.delete_state_machine,
            "DescribeStateMachine": self.describe_state_machine,
            "ListStateMachines": self.list_state_machines,
            "ListTagsForResource": self.list_tags_for_resource,
            "TagResource": self.tag_resource,
            "UntagResource": self.untag_resource,
            "UpdateStateMachine": self.update_state_machine,
        }

    def find(self, arn: str) -> StateMachine:
        """Return a state machine.

        **Raises**: ``ServiceError``.
        """
        machine = self._machines.get(arn)
        if machine is None:
            raise ServiceError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
        return machine

    def create_state_machine(self, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Make a state machine; one that is there and the same is returned."""
        name = parameters["name"]
        check_name(name)
        if parameters.get("type", "STANDARD") != "STANDARD":
            raise ServiceError("ValidationException", "the local AWS runs STANDARD state machines only, not EXPRESS")
        machine = StateMachine(
            arn=f"arn:aws:states:{region}:{ACCOUNT}:stateMachine:{name}",
            name=name,
            region=region,
            role_arn=parameters["roleArn"],
            definition=parameters["definition"],
            program=read_definition(parameters["definition"]),
            settings={kind: parameters.get(kind, _DEFAULTS[kind]) for kind in _KEPT},
            tags=_tags(parameters.get("tags", ())),
        )
        with self.lock:
            there = self._machines.setdefault(machine.arn, machine)
        if (there.definition, there.role_arn) != (machine.definition, machine.role_arn):
            raise ServiceError("StateMachineAlreadyExists", f"State Machine Already Exists: '{machine.arn}'")
        return {"stateMachineArn": there.arn, "creationDate": there.created}

    def update_state_machine(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Change a state machine; executions that run go on as they began."""
        machine = self.find(parameters["stateMachineArn"])
        if "definition" in parameters:
            machine.program = read_definition(parameters["definition"])
            machine.definition = parameters["definition"]
        machine.role_arn = parameters.get("roleArn", machine.role_arn)
        machine.settings |= {kind: parameters[kind] for kind in _KEPT if kind in parameters}
        return {"updateDate": datetime.now(UTC)}

    def delete_state_machine(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Delete a state machine, and stop what runs of it; one that is gone is deleted."""
        with self.lock:
            machine = self._machines.pop(parameters["stateMachineArn"], None)
        for execution in list(machine.executions.values()) if machine is not None else ():
            execution.stop()
        return {}

    def describe_state_machine(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return a state machine."""
        machine = self.find(parameters["stateMachineArn"])
        return {
            "stateMachineArn": machine.arn,
            "name": machine.name,
            "status": "ACTIVE",
            "definition": machine.definition,
            "roleArn": machine.role_arn,
            "type": "STANDARD",
            "creationDate": machine.created,
            **machine.settings,
        }

    def list_state_machines(self, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the state machines of a region."""
        listed = [
            {"stateMachineArn": one.arn, "name": one.name, "type": "STANDARD", "creationDate": one.created}
            for one in sorted(self._machines.values(), key=lambda one: one.name)
            if one.region == region
        ]
        return page("stateMachines", listed, parameters, PAGE)

    def tag_resource(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Set tags."""
        self.find(parameters["resourceArn"]).tags.update(_tags(parameters["tags"]))
        return {}

    def untag_resource(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Take tags away."""
        tags = self.find(parameters["resourceArn"]).tags
        for key in parameters["tagKeys"]:
            tags.pop(key, None)
        return {}

    def list_tags_for_resource(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return tags."""
        tags = self.find(parameters["resourceArn"]).tags
        return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}


def check_name(name: str) -> None:
    """Refuse a name that a state machine or an execution cannot have.

    **Raises**: ``ServiceError``.
    """
    if not _NAME.fullmatch(name):
        raise ServiceError("InvalidName", f"Invalid Name: '{name}'")


def _tags(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in tags}


def page(member: str, items: list[Any], parameters: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Return a part of a list; the token is where the next one begins."""
    first = int(parameters.get("nextToken", "0"))
    last = first + (parameters.get("maxResults") or most)
    return {member: items[first:last]} | ({"nextToken": str(last)} if last < len(items) else {})
