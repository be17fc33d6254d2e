"""What is changed in moto's distributed Map: its items, what it reads and what it writes."""

from __future__ import annotations

import json
from typing import Any, Final

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.item_reader_decl import ItemReader
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.distributed_iteration_component import (
    DistributedIterationComponent,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.resource_eval.resource_eval_s3 import (
    ResourceEvalS3,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.result_writer_decl import ResultWriter
from moto.stepfunctions.parser.asl.eval.states import ItemData, MapData

from local_aws.moto_repairs import replace
from local_aws.step_functions.map_runs import MapRun, machine_of_items
from local_aws.step_functions.running import MOST_PAYLOAD_BYTES, client, current, fits

_MAP_RUN: Final = "local-aws-map-run"


def run_items_as_executions() -> None:
    """Make an execution of each item of a distributed Map, and tell what a reader of items could not read."""

    def map_run(component: Any, env: Any, eval_input: Any) -> None:
        items = env.stack.pop()
        running, record = current(), eval_input.map_run_record
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
            if not fits(given):
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

    replace(DistributedIterationComponent, "_map_run", map_run)
    read = ItemReader._eval_body
    if not getattr(read, "repaired", False):
        replace(read_items, "repaired", True)
        replace(ItemReader, "_eval_body", read_items)


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


def write_results() -> None:
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
        s3 = client(resource_runtime_part.region, "s3")
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

    replace(ResourceEvalS3, "_handle_put_object", staticmethod(put_object))
    replace(ResultWriter, "_eval_body", write)
