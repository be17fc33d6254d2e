"""The configuration of a deployment: dataclasses, their rules, and how a file becomes one."""

from jina_v3_infra.config.batch import BatchScheduleSettings, BatchSettings
from jina_v3_infra.config.batch_rules import transform_ami
from jina_v3_infra.config.instances import InstanceType
from jina_v3_infra.config.operations import AlarmSettings, OperationsSettings
from jina_v3_infra.config.reading import DeploymentError, check_deployment, read_deployment
from jina_v3_infra.config.router import RouterSettings
from jina_v3_infra.config.rules import variant_ami
from jina_v3_infra.config.schema import (
    AsynchronousSettings,
    CaptureSettings,
    Deployment,
    EndpointSettings,
    ImageSettings,
    InferenceComponentSettings,
    ModelSettings,
    NetworkSettings,
    ScalingSettings,
    UpdateSettings,
    VariantSettings,
)
from jina_v3_infra.config.second_region import second_deployment

__all__ = [
    "AlarmSettings",
    "AsynchronousSettings",
    "BatchScheduleSettings",
    "BatchSettings",
    "CaptureSettings",
    "Deployment",
    "DeploymentError",
    "EndpointSettings",
    "ImageSettings",
    "InferenceComponentSettings",
    "InstanceType",
    "ModelSettings",
    "NetworkSettings",
    "OperationsSettings",
    "RouterSettings",
    "ScalingSettings",
    "UpdateSettings",
    "VariantSettings",
    "check_deployment",
    "read_deployment",
    "second_deployment",
    "transform_ami",
    "variant_ami",
]
