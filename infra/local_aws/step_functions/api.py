"""The operations of Step Functions, on the state machines and executions of every region."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from local_aws.errors import ServiceError
from local_aws.services import Operation
from local_aws.step_functions.executions import Execution
from local_aws.step_functions.machines import PAGE, StateMachines, check_name, page
from local_aws.step_functions.map_runs import MapRun
from local_aws.step_functions.running import Running

if TYPE_CHECKING:
    from local_aws.server import LocalAws

_STOP_S: Final = 60.0
_EVENTS: Final = 1000


class StepFunctions:
    """State machines and their executions, until the AWS ends."""

    def __init__(self, aws: LocalAws, running: Running) -> None:
        self._aws = aws
        self._running = running
        self._machines = StateMachines()
        self._threads: list[threading.Thread] = []
        aws.on_stop(self._stop)

    @property
    def operations(self) -> dict[str, Operation]:
        """Every operation that there is, by its name in the API."""
        return {
            **self._machines.operations,
            "DescribeExecution": self.describe_execution,
            "DescribeMapRun": self.describe_map_run,
            "DescribeStateMachineForExecution": self.describe_state_machine_for_execution,
            "GetExecutionHistory": self.get_execution_history,
            "ListExecutions": self.list_executions,
            "ListMapRuns": self.list_map_runs,
            "StartExecution": self.start_execution,
            "StopExecution": self.stop_execution,
        }

    def _stop(self) -> None:
        for execution in list(self._running.executions.values()):
            execution.stop()
        for thread in self._threads:
            thread.join(_STOP_S)

    def describe_state_machine_for_execution(self, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the state machine of an execution."""
        arn = self._execution(parameters["executionArn"]).machine.arn
        described = self._machines.describe_state_machine(region, {"stateMachineArn": arn.partition("/")[0]})
        kept = described.keys() - {"status", "type", "creationDate"}
        return {name: described[name] for name in kept} | {"updateDate": described["creationDate"]}

    def start_execution(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Start an execution, or return the one that runs under the same name with the same input."""
        machine = self._machines.find(parameters["stateMachineArn"])
        name, given = parameters.get("name") or str(uuid.uuid4()), parameters.get("input", "{}")
        check_name(name)
        try:
            json.loads(given)
        except ValueError as error:
            message = f"Invalid State Machine Execution Input: '{error}'"
            raise ServiceError("InvalidExecutionInput", message) from None
        arn = f"{machine.arn.replace(':stateMachine:', ':execution:', 1)}:{name}"
        with self._machines.lock:
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
        events = self._execution(parameters["executionArn"]).history.events()
        if parameters.get("reverseOrder"):
            events.reverse()
        return page("events", events, parameters, _EVENTS)

    def list_executions(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the executions of a state machine, or of a map run, the last first."""
        found: Iterable[Execution]
        if "mapRunArn" in parameters:
            found = list(self._map_run(parameters["mapRunArn"]).children)
        else:
            found = self._machines.find(parameters.get("stateMachineArn", "")).executions.values()
        names = ("executionArn", "stateMachineArn", "name", "status", "startDate", "stopDate", "mapRunArn")
        listed = [
            {name: described[name] for name in names if name in described}
            for described in (one.describe() for one in sorted(found, key=lambda one: one.started, reverse=True))
            if parameters.get("statusFilter", described["status"]) == described["status"]
        ]
        return page("executions", listed, parameters, PAGE)

    def list_map_runs(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the map runs of an execution."""
        arn = self._execution(parameters["executionArn"]).arn
        runs = [run.item() for run in list(self._running.map_runs.values()) if run.parent.arn == arn]
        return page("mapRuns", runs, parameters, PAGE)

    def describe_map_run(self, _region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return where a map run stands."""
        return self._map_run(parameters["mapRunArn"]).describe()

    # --- what there is

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
