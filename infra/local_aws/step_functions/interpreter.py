"""What is changed in moto's interpreter of Amazon's States Language: once for the process, for the AWS that runs.

Each repair says what moto does otherwise.
"""

from __future__ import annotations

import json
import logging
import random
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.error_equals_decl import ErrorEqualsDecl
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.retry import jitter_strategy_decl
from moto.stepfunctions.parser.asl.component.common.retry.max_attempts_decl import MaxAttemptsOutcome
from moto.stepfunctions.parser.asl.component.common.retry.retrier_decl import RetrierDecl
from moto.stepfunctions.parser.asl.component.common.retry.retrier_outcome import RetrierOutcome
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.state import state
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.item_reader_decl import ItemReader
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.distributed_iteration_component import (
    DistributedIterationComponent,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.resource_eval.resource_eval_s3 import (
    ResourceEvalS3,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.result_writer_decl import ResultWriter
from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_factory
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service,
    state_task_service_aws_sdk,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.states import ItemData, MapData
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

from local_aws import shapes
from local_aws.step_functions.executions import COMPACT, Execution
from local_aws.step_functions.jobs import TransformJobs
from local_aws.step_functions.map_runs import MapRun, machine_of_items
from local_aws.step_functions.waiting import pause, scale

if TYPE_CHECKING:
    from local_aws.server import LocalAws

MOST_PAYLOAD_BYTES: Final = 256 * 1024
_MAP_RUN: Final = "local-aws-map-run"
_TERMINAL: Final = ("States.DataLimitExceeded", "States.Runtime")  # which States.ALL does not catch


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
    _replace(jitter_strategy_decl, "random", random.Random(aws.settings.seed))  # noqa: S311  # to be repeated
    return running


def repair_interpreter() -> None:
    """Put the repairs in; twice is harmless."""
    logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)  # what fails is in the execution's history
    _call_this_aws()
    _wait_as_set()
    _hold_to_the_payload_limit()
    _leave_terminal_errors_uncaught()
    _run_items_as_executions()
    _write_results()
    _speak_s3()


def _replace(owner: Any, name: str, value: Any) -> None:
    setattr(owner, name, value)


def _client(region: str, service: str, state_credentials: Any = None) -> Any:  # noqa: ARG001  # as moto calls it
    return _CURRENT["aws"].aws.client(service, region)


def _call_this_aws() -> None:
    """Have tasks call this AWS by its own clients, and SageMaker's transform jobs known: moto only forwards them."""
    for name, module in list(sys.modules.items()):
        if not name.startswith("moto.stepfunctions.parser."):
            continue
        if hasattr(module, "boto_client_for"):
            _replace(module, "boto_client_for", _client)
        if hasattr(module, "TMP_THREADS"):
            _replace(module, "TMP_THREADS", deque(maxlen=0))  # moto never empties its list of threads
    known = vars(state_task_factory)["state_task_service_for"]
    if getattr(known, "repaired", False):
        return

    def state_task_service_for(service_name: str) -> Any:
        return TransformJobs(_client) if service_name == "sagemaker" else known(service_name)

    _replace(state_task_service_for, "repaired", True)
    _replace(state_task_factory, "state_task_service_for", state_task_service_for)


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

    _replace(WaitFunction, "_wait_interval", wait_interval)
    _replace(RetrierDecl, "_eval_body", retry)
    # moto draws the key at its first use, and two threads may draw two
    _replace(EvalComponent, "heap_key", property(lambda component: str(id(component))))
    for name in ("_log_exception", "_log_failure_event_exception"):
        _replace(EvalComponent, name, lambda *_, **__: None)  # each writes a whole program out, for no reader


def _hold_to_the_payload_limit() -> None:
    """Measure payloads without the spaces of moto's JSON, and a task's parameters too, which moto lets pass."""
    for module in (state, state_task_service):
        _replace(module, "is_within_size_quota", _fits)
    before = state_task_service.StateTaskService._before_eval_execution
    if getattr(before, "repaired", False):
        return

    def before_eval_execution(task: Any, env: Any, *given: Any, **named: Any) -> None:
        task._verify_size_quota(env=env, value=named["raw_parameters"])
        before(task, env, *given, **named)

    _replace(before_eval_execution, "repaired", True)
    _replace(state_task_service.StateTaskService, "_before_eval_execution", before_eval_execution)


def _fits(value: Any) -> bool:
    text = value if isinstance(value, str) else to_json_str(value, separators=COMPACT)
    return len(text.encode()) <= MOST_PAYLOAD_BYTES


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

    _replace(eval_body, "repaired", True)
    _replace(ErrorEqualsDecl, "_eval_body", eval_body)


def _run_items_as_executions() -> None:
    """Make an execution of each item of a distributed Map, and tell what a reader of items could not read."""

    def map_run(component: Any, env: Any, eval_input: Any) -> None:
        items = env.stack.pop()
        running, record = _CURRENT["aws"], eval_input.map_run_record
        parent = running.executions[record.execution_arn]
        label = record.map_state_machine_arn.rpartition("/")[2]
        run = MapRun(
            arn=record.map_run_arn,
            parent=parent,
            machine=machine_of_items(parent, component._get_iteration_program(), label),
            max_concurrency=record.max_concurrency,
            tolerated_count=record.tolerated_failure_count,
            tolerated_percentage=record.tolerated_failure_percentage,
            start=running.add,
        )
        with running.lock:
            running.map_runs[run.arn] = run
        env.heap[_MAP_RUN] = run
        inputs = [_input_of(env, eval_input, index, item) for index, item in enumerate(items)]
        for index, given in enumerate(inputs):
            if not _fits(given):
                kind = StatesErrorNameType.StatesStatesDataLimitExceeded
                raise _failed_map(env, kind, f"item {index} is larger than {MOST_PAYLOAD_BYTES} bytes")
        run.run(inputs, env.is_running)
        if run.status == "FAILED":
            kind = StatesErrorNameType.StatesExceedToleratedFailureThreshold
            raise _failed_map(env, kind, "The specified tolerated failure threshold was exceeded")
        env.stack.append(run.results())

    def read_items(reader: Any, env: Any) -> None:
        try:
            read(reader, env)
        except ClientError as error:
            kind = StatesErrorNameType.StatesItemReaderFailed
            raise _failed_map(env, kind, error.response["Error"].get("Message", str(error))) from None

    _replace(DistributedIterationComponent, "_map_run", map_run)
    read = ItemReader._eval_body
    if not getattr(read, "repaired", False):
        _replace(read_items, "repaired", True)
        _replace(ItemReader, "_eval_body", read_items)


def _input_of(env: Any, eval_input: Any, index: int, item: Any) -> Any:
    selector = eval_input.item_selector or eval_input.parameters
    if selector is None:
        return item
    frame = env.open_inner_frame()
    try:
        given = env.stack[-1]
        frame.states.context_object.context_object_data["Map"] = MapData(Item=ItemData(Index=index, Value=item))
        frame.states.reset(input_value=given)
        frame.stack.append(given)
        selector.eval(frame)
        return frame.stack[-1]
    finally:
        env.delete_frame(frame)


def _failed_map(env: Any, kind: StatesErrorNameType, cause: str) -> FailureEventException:
    event: Any = {"mapRunFailedEventDetails": {"error": kind.to_name(), "cause": cause}}
    return FailureEventException(
        FailureEvent(
            env=env,
            error_name=StatesErrorName(typ=kind),
            event_type=HistoryEventType.MapRunFailed,
            event_details=event,
        )
    )


def _write_results() -> None:
    """Write the results of a distributed Map to S3, where moto writes an empty list of files.

    Its place is read from the state's input; moto reads it from the results.
    """

    def write(writer: Any, env: Any) -> None:
        env.stack.append(env.states.get_input())
        writer.parargs.eval(env=env)
        place = env.stack.pop()
        env.stack.pop()
        env.stack.append(place)
        writer.resource_eval.eval_resource(env=env)

    def put_object(env: Any, resource_runtime_part: Any, state_credentials: Any) -> None:  # noqa: ARG001  # moto's
        parameters = env.stack.pop()
        env.stack.pop()
        run: MapRun = env.heap[_MAP_RUN]
        s3 = _client(resource_runtime_part.region, "s3")
        bucket = parameters["Bucket"]
        folder = "/".join(filter(None, (parameters.get("Prefix", "").strip("/"), run.arn.rpartition(":")[2])))
        listed: dict[str, list[dict[str, Any]]] = {}
        try:
            for kind, records in run.files().items():
                key, body = f"{folder}/{kind}_0.json", json.dumps(records).encode()
                listed[kind] = [{"Key": key, "Size": len(body)}] if records else []
                if records:
                    s3.put_object(Bucket=bucket, Key=key, Body=body)
            manifest = {"DestinationBucket": bucket, "MapRunArn": run.arn, "ResultFiles": listed}
            s3.put_object(Bucket=bucket, Key=f"{folder}/manifest.json", Body=json.dumps(manifest).encode())
        except ClientError as error:
            kind_of_error = StatesErrorNameType.StatesResultWriterFailed
            raise _failed_map(env, kind_of_error, error.response["Error"].get("Message", str(error))) from None
        details = {"Bucket": bucket, "Key": f"{folder}/manifest.json"}
        env.stack.append({"MapRunArn": run.arn, "ResultWriterDetails": details})

    _replace(ResourceEvalS3, "_handle_put_object", staticmethod(put_object))
    _replace(ResultWriter, "_eval_body", write)


def _speak_s3() -> None:
    """Fit the requests and answers of the integrations with AWS's SDK: moto leaves bodies as boto3 has them."""
    service_class = state_task_service_aws_sdk.StateTaskServiceAwsSdk

    def normalise_parameters(task: Any, parameters: dict[str, Any], *_: Any) -> None:
        task._to_boto_request(parameters, _model_of(task).input_shape)

    def normalise_response(task: Any, response: Any, *_: Any) -> None:
        task._from_boto_response(response, _model_of(task).output_shape)

    _replace(service_class, "_normalise_parameters", normalise_parameters)
    _replace(service_class, "_normalise_response", normalise_response)
    state_task_service_aws_sdk._SERVICE_ERROR_NAMES["s3"] = "S3"


def _model_of(task: Any) -> Any:
    action = task.resource.api_action
    return shapes.service_model(task._get_boto_service_name()).operation_model(action[0].upper() + action[1:])
