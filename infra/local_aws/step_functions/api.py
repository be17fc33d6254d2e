"""The operations of Step Functions, on the state machines and executions of every region."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from moto.stepfunctions.parser.asl.component.program.program import Program

from local_aws.errors import ServiceError
from local_aws.services import Operation
from local_aws.settings import ACCOUNT
from local_aws.step_functions.definition import read_definition
from local_aws.step_functions.executions import Execution, Machine
from local_aws.step_functions.interpreter import Running
from local_aws.step_functions.map_runs import MapRun

if TYPE_CHECKING:
    from local_aws.server import LocalAws

_STOP_S: Final = 10.0
_PAGE: Final = 100
_EVENTS: Final = 1000
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


class StepFunctions:
    """State machines and their executions, until the AWS ends."""

    def __init__(self, aws: LocalAws, running: Running) -> None:
        self._aws = aws
        self._running = running
        self._machines: dict[str, StateMachine] = {}
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        aws.on_stop(self._stop)

    @property
    def operations(self) -> dict[str, Operation]:
        """Every operation that there is, by its name in the API."""
        return {
            "CreateStateMachine": self.create_state_machine,
            "DeleteStateMachine": self.delete_state_machine,
            "DescribeExecution": self.describe_execution,
            "DescribeMapRun": self.describe_map_run,
            "DescribeStateMachine": self.describe_state_machine,
            "DescribeStateMachineForExecution": self.describe_state_machine_for_execution,
            "GetExecutionHistory": self.get_execution_history,
            "ListExecutions": self.list_executions,
            "ListMapRuns": self.list_map_runs,
            "ListStateMachines": self.list_state_machines,
            "ListTagsForResource": self.list_tags_for_resource,
            "StartExecution": self.start_execution,
            "StopExecution": self.stop_execution,
            "TagResource": self.tag_resource,
            "UntagResource": self.untag_resource,
            "UpdateStateMachine": self.update_state_machine,
        }

    def _stop(self) -> None:
        for execution in list(self._running.executions.values()):
            execution.stop()
        for thread in self._threads:
            thread.join(_STOP_S)

    # --- state machines

    def create_state_machine(self, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Make a state machine; one that is there and the same is returned."""
        name = parameters["name"]
        _check_name(name)
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
        with self._lock:
            there = self._machines.setdefault(machine.arn, machine)
        if (there.definition, there.role_arn) != (machine.definition, machine.role_arn):
            raise ServiceError("StateMachineAlreadyExists", f"State Machine Already Exists: '{machine.arn}'")
        return {"stateMachineArn": there.arn, "creationDate": there.created}

    def update_state_machine(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Change a state machine; executions that run go on as they began."""
        machine = self._machine(parameters["stateMachineArn"])
        if "definition" in parameters:
            machine.program = read_definition(parameters["definition"])
            machine.definition = parameters["definition"]
        machine.role_arn = parameters.get("roleArn", machine.role_arn)
        machine.settings |= {kind: parameters[kind] for kind in _KEPT if kind in parameters}
        return {"updateDate": datetime.now(UTC)}

    def delete_state_machine(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Delete a state machine, and stop what runs of it; one that is gone is deleted."""
        with self._lock:
            machine = self._machines.pop(parameters["stateMachineArn"], None)
        for execution in list(machine.executions.values()) if machine is not None else ():
            execution.stop()
        return {}

    def describe_state_machine(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return a state machine."""
        machine = self._machine(parameters["stateMachineArn"])
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

    def describe_state_machine_for_execution(self, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the state machine of an execution."""
        arn = self._execution(parameters["executionArn"]).machine.arn
        described = self.describe_state_machine(region, {"stateMachineArn": arn.partition("/")[0]})
        kept = ("stateMachineArn", "name", "definition", "roleArn", *_KEPT)
        return {name: described[name] for name in kept} | {"updateDate": described["creationDate"]}

    def list_state_machines(self, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the state machines of a region."""
        listed = [
            {"stateMachineArn": one.arn, "name": one.name, "type": "STANDARD", "creationDate": one.created}
            for one in sorted(self._machines.values(), key=lambda one: one.name)
            if one.region == region
        ]
        return _page("stateMachines", listed, parameters, _PAGE)

    def tag_resource(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Set tags."""
        self._machine(parameters["resourceArn"]).tags.update(_tags(parameters["tags"]))
        return {}

    def untag_resource(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Take tags away."""
        tags = self._machine(parameters["resourceArn"]).tags
        for key in parameters["tagKeys"]:
            tags.pop(key, None)
        return {}

    def list_tags_for_resource(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return tags."""
        tags = self._machine(parameters["resourceArn"]).tags
        return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}

    # --- executions

    def start_execution(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Start an execution, or return the one that runs under the same name with the same input."""
        machine = self._machine(parameters["stateMachineArn"])
        name, given = parameters.get("name") or str(uuid.uuid4()), parameters.get("input", "{}")
        _check_name(name)
        try:
            json.loads(given)
        except ValueError as error:
            message = f"Invalid State Machine Execution Input: '{error}'"
            raise ServiceError("InvalidExecutionInput", message) from None
        arn = f"{machine.arn.replace(':stateMachine:', ':execution:', 1)}:{name}"
        with self._lock:
            there = machine.executions.get(name)
            if there is not None:
                if there.input != given or there.status != "RUNNING":
                    raise ServiceError("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")
                return {"executionArn": there.arn, "startDate": there.started}
            execution = Execution(machine=machine.now(), arn=arn, name=name, input=given, on_change=self._tell)
            machine.executions[name] = execution
            self._running.add(execution)
            thread = threading.Thread(target=execution.run, name=f"execution {name}", daemon=True)
            self._threads.append(thread)
        thread.start()
        return {"executionArn": arn, "startDate": execution.started}

    def _tell(self, execution: Execution) -> None:
        """Have EventBridge know of a status."""
        machine, described = execution.machine, execution.describe()
        names = ("executionArn", "stateMachineArn", "name", "status", "input", "output", "error", "cause")
        detail: dict[str, Any] = {name: described.get(name) for name in names}
        for name in ("startDate", "stopDate"):
            detail[name] = int(described[name].timestamp() * 1000) if name in described else None
        kind = "Step Functions Execution Status Change"
        self._aws.bus.publish(machine.region, "aws.states", kind, detail, [execution.arn])

    def stop_execution(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Stop an execution, with all that it started."""
        execution = self._execution(parameters["executionArn"])
        execution.stop(parameters.get("error"), parameters.get("cause"))
        return {"stopDate": execution.stopped}

    def describe_execution(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return where an execution stands."""
        return self._execution(parameters["executionArn"]).describe()

    def get_execution_history(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the events of an execution."""
        events: list[Any] = self._execution(parameters["executionArn"]).history.get_event_history()
        if parameters.get("reverseOrder"):
            events.reverse()
        return _page("events", events, parameters, _EVENTS)

    def list_executions(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the executions of a state machine, or of a map run, the last first."""
        found: Iterable[Execution]
        if "mapRunArn" in parameters:
            found = list(self._map_run(parameters["mapRunArn"]).children)
        else:
            found = self._machine(parameters.get("stateMachineArn", "")).executions.values()
        names = ("executionArn", "stateMachineArn", "name", "status", "startDate", "stopDate", "mapRunArn")
        listed = [
            {name: described[name] for name in names if name in described}
            for described in (one.describe() for one in sorted(found, key=lambda one: one.started, reverse=True))
            if parameters.get("statusFilter", described["status"]) == described["status"]
        ]
        return _page("executions", listed, parameters, _PAGE)

    def list_map_runs(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the map runs of an execution."""
        arn = self._execution(parameters["executionArn"]).arn
        runs = [run.item() for run in list(self._running.map_runs.values()) if run.parent.arn == arn]
        return _page("mapRuns", runs, parameters, _PAGE)

    def describe_map_run(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return where a map run stands."""
        return self._map_run(parameters["mapRunArn"]).describe()

    # --- what there is

    def _machine(self, arn: str) -> StateMachine:
        machine = self._machines.get(arn)
        if machine is None:
            raise ServiceError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
        return machine

    def _execution(self, arn: str) -> Execution:
        execution = self._running.executions.get(arn)
        if execution is None:
            raise ServiceError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return execution

    def _map_run(self, arn: str) -> MapRun:
        run = self._running.map_runs.get(arn)
        if run is None:
            raise ServiceError("ResourceNotFound", f"Resource not found: '{arn}'")
        return run


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ServiceError("InvalidName", f"Invalid Name: '{name}'")


def _tags(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in tags}


def _page(member: str, items: list[Any], parameters: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Return a part of a list; the token is where the next one begins."""
    first = int(parameters.get("nextToken", "0"))
    last = first + (parameters.get("maxResults") or most)
    return {member: items[first:last]} | ({"nextToken": str(last)} if last < len(items) else {})
