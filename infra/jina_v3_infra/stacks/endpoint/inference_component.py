"""The model as an inference component: copies on the endpoint's machines, down to none, and awake by a failed call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from jina_v3_infra.config import Deployment, InferenceComponentSettings
from jina_v3_infra.stacks.endpoint.autoscaling import Scaling, component_of
from jina_v3_infra.stacks.endpoint.endpoint import update_timeout_s
from jina_v3_infra.stacks.operations.runbook import Page, describe_alarm
from jina_v3_infra.stacks.operations.watched import SERVICE

_Component = sagemaker.CfnInferenceComponent
_BATCH_PERCENT: Final = 50
"""Of the copies, which are replaced at a time; the most that SageMaker takes."""


class InferenceComponent(Construct):
    """A component with the name of its endpoint, its rolling update, and its scaling."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment: Deployment,
        settings: InferenceComponentSettings,
        endpoint: sagemaker.CfnEndpoint,
        model: sagemaker.CfnModel,
        alarms: Sequence[cloudwatch.Alarm],
    ) -> None:
        super().__init__(scope, id)
        self.component = _Component(
            self,
            "Component",
            inference_component_name=component_name(deployment),
            endpoint_name=endpoint.attr_endpoint_name,
            variant_name=deployment.endpoint.variants[0].name,
            specification=_specification(deployment, settings, model),
            # one at least: a model that does not start fails its deployment, and an update leaves nobody without
            runtime_config=_Component.InferenceComponentRuntimeConfigProperty(copy_count=max(settings.scaling.min, 1)),
            deployment_config=_rolling(deployment, alarms),
        )
        if settings.scaling.scales:
            self._scale(deployment, settings)

    def _scale(self, deployment: Deployment, settings: InferenceComponentSettings) -> None:
        name = component_name(deployment)
        scaling = Scaling(self, "Scaling", scalable=component_of(name), settings=settings.scaling)
        scaling.target.add_resource_dependency(self.component)
        scaling.follow_concurrency()
        if settings.scaling.min == 0:  # no copy has no concurrency to follow
            _wake(self, name, settings, scaling)


def component_name(deployment: Deployment) -> str:
    """Return the component's name, which callers give beside the endpoint's."""
    return deployment.endpoint_name


def _specification(
    deployment: Deployment, settings: InferenceComponentSettings, model: sagemaker.CfnModel
) -> _Component.InferenceComponentSpecificationProperty:
    endpoint = deployment.endpoint
    gpu = endpoint.variants[0].instance_types[0].gpu is not None
    return _Component.InferenceComponentSpecificationProperty(
        model_name=model.attr_model_name,
        startup_parameters=_Component.InferenceComponentStartupParametersProperty(
            container_startup_health_check_timeout_in_seconds=endpoint.startup_timeout_s,
            model_data_download_timeout_in_seconds=endpoint.download_timeout_s,
        ),
        compute_resource_requirements=_Component.InferenceComponentComputeResourceRequirementsProperty(
            min_memory_required_in_mb=settings.memory_mb,
            number_of_accelerator_devices_required=1 if gpu else None,
            number_of_cpu_cores_required=None if gpu else 1,
        ),
    )


def _rolling(
    deployment: Deployment, alarms: Sequence[cloudwatch.Alarm]
) -> _Component.InferenceComponentDeploymentConfigProperty:
    half = _Component.InferenceComponentCapacitySizeProperty(type="CAPACITY_PERCENT", value=_BATCH_PERCENT)
    return _Component.InferenceComponentDeploymentConfigProperty(
        rolling_update_policy=_Component.InferenceComponentRollingUpdatePolicyProperty(
            maximum_batch_size=half,
            wait_interval_in_seconds=deployment.endpoint.update.canary_wait_s,
            maximum_execution_timeout_in_seconds=update_timeout_s(deployment),
        ),
        auto_rollback_configuration=_Component.AutoRollbackConfigurationProperty(
            alarms=[_Component.AlarmProperty(alarm_name=alarm.alarm_name) for alarm in alarms]
        ),
    )


def _wake(scope: Construct, name: str, settings: InferenceComponentSettings, scaling: Scaling) -> None:
    """Start the first copy when a call has failed for want of one."""
    period_s = settings.scale_out_after_s
    policy = scaling.step_out(cooldown_s=max(period_s, settings.scaling.scale_out_cooldown_s))
    cloudwatch.CfnAlarm(
        scope,
        "NoCapacity",
        alarm_description=describe_alarm(name, "a call found no copy, and one is started", "one call", Page.FIRST_COPY),
        namespace=SERVICE,
        metric_name="NoCapacityInvocationFailures",
        dimensions=[cloudwatch.CfnAlarm.DimensionProperty(name="InferenceComponentName", value=name)],
        statistic="Maximum",
        period=period_s,
        evaluation_periods=1,
        threshold=1,
        comparison_operator="GreaterThanOrEqualToThreshold",
        treat_missing_data="notBreaching",
        alarm_actions=[policy.ref],
    )
