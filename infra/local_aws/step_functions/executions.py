"""One execution of a state machine, or of a distributed Map's item: where it stands, its history, and its end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.stepfunctions.parser.api import HistoryEventType, StateMachineType
from moto.stepfunctions.parser.asl.component.program.program import Program
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.evaluation_details import AWSExecutionDetails
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventHistoryContext
from moto.stepfunctions.parser.asl.eval.program_state import ProgramEnded, ProgramError, ProgramState
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

from local_aws.settings import ACCOUNT
from local_aws.step_functions.history import FULL, History

COMPACT = (",", ":")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A state machine as it was when an execution started."""

    arn: str
    name: str
    region: str
    role_arn: str
    program: Program


@dataclass(slots=True, kw_only=True)
class Execution:
    """An execution, from ``run`` to its end; ``on_change`` is told of every status."""

    machine: Machine
    arn: str
    name: str
    input: str
    on_change: Callable[[Execution], None]
    map_run_arn: str | None = None
    status: str = "RUNNING"
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    stopped: datetime | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    history: History = field(default_factory=History)
    environment: Environment = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        context: Any = {
            "Execution": {
                "Id": self.arn,
                "Input": json.loads(self.input),
                "Name": self.name,
                "RoleArn": self.machine.role_arn,
                "StartTime": self.started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            },
            "StateMachine": {"Id": self.machine.arn, "Name": self.machine.name},
        }
        self.environment = Environment(
            aws_execution_details=AWSExecutionDetails(
                account=ACCOUNT, region=self.machine.region, role_arn=self.machine.role_arn
            ),
            execution_type=StateMachineType.STANDARD,
            context=context,
            event_history_context=EventHistoryContext.of_program_start(),
            cloud_watch_logging_session=None,
            activity_store={},
        )
        self.environment.next_state_name = self.machine.program.start_at.start_at_name  # from here on it can be stopped
        self.environment.event_manager = self.history
        full: Any = FULL
        self.history.on_full = lambda: self.environment.set_error(full)

    def run(self) -> None:
        """Go through the states, to an end."""
        details = {"input": self.input, "inputDetails": {"truncated": False}, "roleArn": self.machine.role_arn}
        self._tell(HistoryEventType.ExecutionStarted, {"executionStartedEventDetails": details})
        self.on_change(self)
        try:
            self.machine.program.eval(self.environment)
        except RuntimeError:  # moto's, for a program that was stopped before it began
            if self.status == "RUNNING":
                raise
        self._conclude(self.environment.program_state())

    def _conclude(self, state: ProgramState) -> None:
        if self.history.full:  # whatever failed after it
            self._end("FAILED", **FULL)
        elif isinstance(state, ProgramEnded):
            output = to_json_str(self.environment.states.get_input(), separators=COMPACT)
            self._end("SUCCEEDED", output=output)
        elif isinstance(state, ProgramError):
            error = state.error or {}
            self._end("FAILED", error=error.get("error"), cause=error.get("cause"))
        else:
            self._tell(HistoryEventType.ExecutionTimedOut, {"executionTimedOutEventDetails": {}})
            self._end("TIMED_OUT")

    def stop(self, error: str | None = None, cause: str | None = None) -> None:
        """End it as aborted, if it still runs; what its tasks do is told to end."""
        given = {name: value for name, value in (("error", error), ("cause", cause)) if value is not None}
        if self._end("ABORTED", **given):
            self._tell(HistoryEventType.ExecutionAborted, {"executionAbortedEventDetails": given})
            self.environment.set_stop(stop_date=datetime.now(UTC), cause=cause, error=error)

    def _end(self, status: str, **members: str | None) -> bool:
        with self._lock:
            if self.status != "RUNNING":
                return False
            for name, value in members.items():
                setattr(self, name, value)
            self.stopped, self.status = datetime.now(UTC), status
        self.on_change(self)
        return True

    def _tell(self, kind: Any, details: dict[str, Any]) -> None:
        event: EventDetails = details  # type: ignore[assignment]  # a dictionary of one of its members
        self.history.add_event(self.environment.event_history_context, kind, event, update_source_event_id=False)

    def describe(self) -> dict[str, Any]:
        """Return it as DescribeExecution does."""
        known = {
            "executionArn": self.arn,
            "stateMachineArn": self.machine.arn,
            "name": self.name,
            "status": self.status,
            "startDate": self.started,
            "stopDate": self.stopped,
            "input": self.input,
            "inputDetails": {"included": True},
            "output": self.output,
            "outputDetails": {"included": True} if self.output is not None else None,
            "mapRunArn": self.map_run_arn,
            "error": self.error,
            "cause": self.cause,
            "redriveCount": 0,
        }
        return {name: value for name, value in known.items() if value is not None}
