"""SageMaker's Endpoint: the name that callers use, and how a change reaches it without a failed call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from jina_v3_infra.config import Deployment

_PROVISION_S: Final = 900
"""How long a machine can take to come, beside the download and the start."""

_EXECUTION_RANGE_S: Final = (600, 14_400)
_LEAST_FOR_CANARY: Final = 2


class Endpoint(Construct):
    """The endpoint, which goes from one configuration to the next by blue/green deployment.

    With an inference component there is nothing of the model to shift here; its update has its own guard.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment: Deployment,
        config: sagemaker.CfnEndpointConfig,
        alarms: Sequence[cloudwatch.Alarm],
    ) -> None:
        super().__init__(scope, id)
        self.endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=deployment.endpoint_name,
            endpoint_config_name=config.attr_endpoint_config_name,
            retain_all_variant_properties=True,  # else an update would throw the scaled counts away
            exclude_retained_variant_properties=[
                sagemaker.CfnEndpoint.VariantPropertyProperty(variant_property_type=kind)
                for kind in _configured(deployment)
            ],
            deployment_config=None
            if deployment.endpoint.inference_component is not None
            else _blue_green(deployment, alarms),
        )


def _configured(deployment: Deployment) -> list[str]:
    """Return what an update takes from the configuration; the rest the endpoint keeps.

    Counts can be excluded for all variants together only: an unscaled variant beside a scaled one keeps its count.
    """
    scaled = any(variant.scaling.scales for variant in deployment.endpoint.variants)
    return ["DesiredWeight", "DataCaptureConfig", *([] if scaled else ["DesiredInstanceCount"])]


def update_timeout_s(deployment: Deployment) -> int:
    """Return how long an update may take before SageMaker gives it up: new machines twice, every wait, and the end."""
    endpoint = deployment.endpoint
    start_s = _PROVISION_S + endpoint.download_timeout_s + endpoint.startup_timeout_s
    whole_s = 2 * start_s + 2 * endpoint.update.canary_wait_s + endpoint.update.termination_wait_s
    least_s, most_s = _EXECUTION_RANGE_S
    return min(max(whole_s, least_s), most_s)


def _blue_green(
    deployment: Deployment, alarms: Sequence[cloudwatch.Alarm]
) -> sagemaker.CfnEndpoint.DeploymentConfigProperty:
    update = deployment.endpoint.update
    return sagemaker.CfnEndpoint.DeploymentConfigProperty(
        blue_green_update_policy=sagemaker.CfnEndpoint.BlueGreenUpdatePolicyProperty(
            traffic_routing_configuration=_routing(deployment),
            termination_wait_in_seconds=update.termination_wait_s,
            maximum_execution_timeout_in_seconds=update_timeout_s(deployment),
        ),
        auto_rollback_configuration=sagemaker.CfnEndpoint.AutoRollbackConfigProperty(
            alarms=[sagemaker.CfnEndpoint.AlarmProperty(alarm_name=alarm.alarm_name) for alarm in alarms]
        ),
    )


def _routing(deployment: Deployment) -> sagemaker.CfnEndpoint.TrafficRoutingConfigProperty:
    """Return the canary; a single machine cannot be shared out, so all its traffic moves, with the same wait after.

    **Source**: a canary is at most half of a variant's machines (SageMaker's API, ``TrafficRoutingConfig``).
    """
    update = deployment.endpoint.update
    if any(variant.scaling.min < _LEAST_FOR_CANARY for variant in deployment.endpoint.variants):
        return sagemaker.CfnEndpoint.TrafficRoutingConfigProperty(
            type="ALL_AT_ONCE", wait_interval_in_seconds=update.canary_wait_s
        )
    return sagemaker.CfnEndpoint.TrafficRoutingConfigProperty(
        type="CANARY",
        wait_interval_in_seconds=update.canary_wait_s,
        canary_size=sagemaker.CfnEndpoint.CapacitySizeProperty(type="CAPACITY_PERCENT", value=update.canary_percent),
    )
