"""What moto's interpreter needs of the AWS that runs: its clients, executions and map runs, and its limits."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from moto.stepfunctions.parser.asl.component.common.retry import jitter_strategy_decl
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

from local_aws.moto_repairs import replace
from local_aws.step_functions.executions import COMPACT, Execution
from local_aws.step_functions.map_runs import MapRun
from local_aws.step_functions.waiting import scale

if TYPE_CHECKING:
    from local_aws.server import LocalAws

MOST_PAYLOAD_BYTES: Final = 256 * 1024


@dataclass(slots=True)
class Running:
    """The executions and map runs of the AWS that runs, for the interpreter to find."""

    aws: LocalAws
    executions: dict[str, Execution] = field(default_factory=dict)
    map_runs: dict[str, MapRun] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, execution: Execution) -> None:
        """Have an execution found by its ARN."""
        with self.lock:
            self.executions[execution.arn] = execution


_CURRENT: Final[dict[str, Running]] = {}


def use(aws: LocalAws) -> Running:
    """Have the interpreter work for an AWS."""
    running = _CURRENT["aws"] = Running(aws)
    scale(aws.settings.waiting)
    replace(jitter_strategy_decl, "random", random.Random(aws.settings.seed))  # noqa: S311  # to be repeated
    return running


def current() -> Running:
    """Return what the AWS that runs has."""
    return _CURRENT["aws"]


def client(region: str, service: str, state_credentials: Any = None) -> Any:  # noqa: ARG001  # as moto calls it
    """Return a client of the AWS that runs."""
    return current().aws.client(service, region)


def fits(value: Any) -> bool:
    """Tell whether a payload is within the service's limit."""
    text = value if isinstance(value, str) else to_json_str(value, separators=COMPACT)
    return len(text.encode()) <= MOST_PAYLOAD_BYTES
