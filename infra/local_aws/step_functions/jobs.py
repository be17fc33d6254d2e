"""Step Functions' integration with SageMaker's transform jobs, which moto lacks: started, waited for, stopped."""

# ruff: noqa: ARG002  # the methods are called by moto, by these names
from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)

from local_aws import shapes
from local_aws.step_functions.waiting import pause

_ACTION: Final = "createTransformJob"
_POLL_S: Final = 15.0  # scaled by the settings' ``waiting``
_RUNNING: Final = ("InProgress", "Stopping")


class TransformJobs(StateTaskServiceCallback):
    """``arn:aws:states:::sagemaker:createTransformJob``, and with ``.sync``."""

    def __init__(self, clients: Any) -> None:
        super().__init__(supported_integration_patterns={ResourceCondition(ResourceCondition.Sync)})
        self._clients = clients

    def _get_supported_parameters(self) -> set[str] | None:
        if self.resource.api_action != _ACTION:
            return None
        return set(shapes.input_shape("sagemaker", "CreateTransformJob").members)

    def _eval_service_task(
        self, env: Any, resource_runtime_part: Any, normalised_parameters: dict[str, Any], state_credentials: Any
    ) -> None:
        sagemaker = self._clients(service="sagemaker", region=resource_runtime_part.region)
        answer = sagemaker.create_transform_job(**normalised_parameters)
        env.stack.append({"TransformJobArn": answer["TransformJobArn"]})

    def _eval_integration_pattern(
        self, env: Any, resource_runtime_part: Any, normalised_parameters: dict[str, Any], state_credentials: Any
    ) -> None:
        env.stack.pop()
        sagemaker = self._clients(service="sagemaker", region=resource_runtime_part.region)
        name = {"TransformJobName": normalised_parameters["TransformJobName"]}
        while (job := sagemaker.describe_transform_job(**name))["TransformJobStatus"] in _RUNNING:
            if not pause(env, _POLL_S):
                self._stop(sagemaker, name)
                break
        described = _plain({key: value for key, value in job.items() if key != "ResponseMetadata"})
        if job["TransformJobStatus"] in {"Failed", "Stopped"}:
            raise FailureEventException(self._failure(env, StatesErrorNameType.StatesTaskFailed, json.dumps(described)))
        env.stack.append(described)

    def _stop(self, sagemaker: Any, name: dict[str, str]) -> None:
        try:
            sagemaker.stop_transform_job(**name)
        except ClientError:
            return  # it has ended meanwhile; the service says so by refusing

    def _failure(self, env: Any, kind: Any, cause: str) -> FailureEvent:
        return self._event(env, StatesErrorName(typ=kind), kind.to_name(), cause)

    def _event(self, env: Any, name: Any, error: str, cause: str) -> FailureEvent:
        details: Any = {
            "resourceType": self._get_sfn_resource_type(),
            "resource": self._get_sfn_resource(),
            "error": error,
            "cause": cause,
        }
        event: Any = {"taskFailedEventDetails": details}
        return FailureEvent(env=env, error_name=name, event_type=HistoryEventType.TaskFailed, event_details=event)

    def _from_error(self, env: Any, ex: Exception) -> FailureEvent:
        if not isinstance(ex, ClientError):
            return super()._from_error(env=env, ex=ex)
        detail, metadata = ex.response["Error"], ex.response["ResponseMetadata"]
        error = name_error(detail["Code"], ex.operation_name)
        cause = (
            f"{detail.get('Message', '')} (Service: AmazonSageMaker; Status Code: {metadata['HTTPStatusCode']}; "
            f"Error Code: {detail['Code']}; Request ID: {metadata.get('RequestId')}; Proxy: null)"
        )
        return self._event(env, CustomErrorName(error_name=error), error, cause)


def name_error(code: str, operation: str) -> str:
    """Name a service's error as Step Functions does.

    An error that the operation's model has keeps its name; all others, a throttle too, are AmazonSageMakerException.
    """
    modelled = {shape.name for shape in shapes.service_model("sagemaker").operation_model(operation).error_shapes}
    kind = code.removesuffix("Exception") if code in modelled else "AmazonSageMaker"
    return f"SageMaker.{kind}Exception"


def _plain(value: Any) -> Any:
    """Write a description as JSON has it: times in milliseconds."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value.timestamp() * 1000) if isinstance(value, datetime) else value
