"""Step Functions: state machines that really execute, by moto's interpreter of Amazon's States Language.

The API, the executions and the map runs are written here; ``interpreter`` and
``map_repairs`` say what is changed in moto's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_aws.services import Service, add_service
from local_aws.step_functions.api import StepFunctions
from local_aws.step_functions.interpreter import repair_interpreter
from local_aws.step_functions.running import use

if TYPE_CHECKING:
    from local_aws.server import LocalAws


def install(aws: LocalAws) -> None:
    """Have a local AWS answer Step Functions."""
    repair_interpreter()
    operations = StepFunctions(aws, use(aws)).operations
    add_service(aws, Service(name="stepfunctions", signing_name="states", operations=operations))
