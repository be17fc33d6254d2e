"""What is changed in moto's interpreter of Amazon's States Language: once for the process, for the AWS that runs.

Each repair says what moto does otherwise.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from moto.stepfunctions.parser.asl.component.common.error_name.error_equals_decl import ErrorEqualsDecl
from moto.stepfunctions.parser.asl.component.common.retry.max_attempts_decl import MaxAttemptsOutcome
from moto.stepfunctions.parser.asl.component.common.retry.retrier_decl import RetrierDecl
from moto.stepfunctions.parser.asl.component.common.retry.retrier_outcome import RetrierOutcome
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.state import state
from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_factory
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service,
    state_task_service_aws_sdk,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction

from local_aws import shapes
from local_aws.moto_repairs import replace
from local_aws.step_functions.jobs import TransformJobs
from local_aws.step_functions.map_repairs import run_items_as_executions, write_results
from local_aws.step_functions.running import client, fits
from local_aws.step_functions.waiting import pause

if TYPE_CHECKING:
    pass

_TERMINAL: Final = ("States.DataLimitExceeded", "States.Runtime")  # which States.ALL does not catch


def repair_interpreter() -> None:
    """Put the repairs in; twice is harmless."""
    logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)  # what fails is in the execution's history
    _call_this_aws()
    _wait_as_set()
    _hold_to_the_payload_limit()
    _leave_terminal_errors_uncaught()
    run_items_as_executions()
    write_results()
    _speak_s3()


def _call_this_aws() -> None:
    """Have tasks call this AWS by its own clients, and SageMaker's transform jobs known: moto only forwards them."""
    for name, module in list(sys.modules.items()):
        if not name.startswith("moto.stepfunctions.parser."):
            continue
        if hasattr(module, "boto_client_for"):
            replace(module, "boto_client_for", client)
        if hasattr(module, "TMP_THREADS"):
            replace(module, "TMP_THREADS", deque(maxlen=0))  # moto never empties its list of threads
    known = vars(state_task_factory)["state_task_service_for"]
    if getattr(known, "repaired", False):
        return

    def state_task_service_for(service_name: str) -> Any:
        return TransformJobs(client) if service_name == "sagemaker" else known(service_name)

    replace(state_task_service_for, "repaired", True)
    replace(state_task_factory, "state_task_service_for", state_task_service_for)


def _wait_as_set() -> None:
    """Scale Wait states and the intervals of Retry, and end them with the execution: moto sleeps through a stop."""

    def wait_interval(_wait: Any, env: Any, wait_seconds: float) -> None:
        pause(env, wait_seconds)

    def retry(retrier: Any, env: Any) -> None:
        retrier.error_equals.eval(env)
        if not env.stack.pop():
            env.stack.append(RetrierOutcome.Skipped)
            return
        retrier.max_attempts.eval(env=env)
        if env.stack.pop() == MaxAttemptsOutcome.EXHAUSTED:
            env.stack.append(RetrierOutcome.Failed)
            return
        for part in (
            retrier.interval_seconds,
            retrier.backoff_rate,
            retrier.max_delay_seconds,
            retrier.jitter_strategy,
        ):
            part.eval(env=env)
        pause(env, env.stack.pop())
        env.stack.append(RetrierOutcome.Executed)

    replace(WaitFunction, "_wait_interval", wait_interval)
    replace(RetrierDecl, "_eval_body", retry)
    # moto draws the key at its first use, and two threads may draw two
    replace(EvalComponent, "heap_key", property(lambda component: str(id(component))))
    for name in ("_log_exception", "_log_failure_event_exception"):
        replace(EvalComponent, name, lambda *_, **__: None)  # each writes a whole program out, for no reader


def _hold_to_the_payload_limit() -> None:
    """Measure payloads without the spaces of moto's JSON, and a task's parameters too, which moto lets pass."""
    for module in (state, state_task_service):
        replace(module, "is_within_size_quota", fits)
    before = state_task_service.StateTaskService._before_eval_execution
    if getattr(before, "repaired", False):
        return

    def before_eval_execution(task: Any, env: Any, *given: Any, **named: Any) -> None:
        task._verify_size_quota(env=env, value=named["raw_parameters"])
        before(task, env, *given, **named)

    replace(before_eval_execution, "repaired", True)
    replace(state_task_service.StateTaskService, "_before_eval_execution", before_eval_execution)


def _leave_terminal_errors_uncaught() -> None:
    """Have States.ALL catch neither States.DataLimitExceeded nor States.Runtime."""
    match = ErrorEqualsDecl._eval_body
    if getattr(match, "repaired", False):
        return

    def eval_body(declared: Any, env: Any) -> None:
        error = env.stack[-1]
        named = getattr(error, "error_name", None)
        match(declared, env)
        if named in _TERMINAL and error not in declared.error_names:
            env.stack[-1] = False

    replace(eval_body, "repaired", True)
    replace(ErrorEqualsDecl, "_eval_body", eval_body)


def _speak_s3() -> None:
    """Fit the requests and answers of the integrations with AWS's SDK: moto leaves bodies as boto3 has them."""
    service_class = state_task_service_aws_sdk.StateTaskServiceAwsSdk

    def normalise_parameters(task: Any, parameters: dict[str, Any], *_: Any) -> None:
        task._to_boto_request(parameters, _model_of(task).input_shape)

    def normalise_response(task: Any, response: Any, *_: Any) -> None:
        task._from_boto_response(response, _model_of(task).output_shape)

    replace(service_class, "_normalise_parameters", normalise_parameters)
    replace(service_class, "_normalise_response", normalise_response)
    state_task_service_aws_sdk._SERVICE_ERROR_NAMES["s3"] = "S3"


def _model_of(task: Any) -> Any:
    action = task.resource.api_action
    return shapes.service_model(task._get_boto_service_name()).operation_model(action[0].upper() + action[1:])
