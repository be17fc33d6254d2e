"""Application Auto Scaling for what SageMaker counts: machines of a variant, copies of an inference component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from aws_cdk import Aws
from aws_cdk import aws_applicationautoscaling as scaling
from constructs import Construct

from jina_v3_infra.config import ScalingSettings
from jina_v3_infra.stacks.operations.watched import SERVICE

_SERVICE: Final = "sagemaker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalable:
    """A thing that is counted: its name to Application Auto Scaling, and the metric of its load."""

    resource: str
    dimension: str
    metric: str


def variant_of(endpoint: str, variant: str) -> Scalable:
    """Return a variant's machines."""
    return Scalable(
        resource=f"endpoint/{endpoint}/variant/{variant}",
        dimension="sagemaker:variant:DesiredInstanceCount",
        metric="SageMakerVariantConcurrentRequestsPerModelHighResolution",
    )


def component_of(name: str) -> Scalable:
    """Return an inference component's copies."""
    return Scalable(
        resource=f"inference-component/{name}",
        dimension="sagemaker:inference-component:DesiredCopyCount",
        metric="SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution",
    )


class Scaling(Construct):
    """The bounds of a count, and the policies that move it."""

    def __init__(self, scope: Construct, id: str, *, scalable: Scalable, settings: ScalingSettings) -> None:
        super().__init__(scope, id)
        self._scalable, self._settings = scalable, settings
        self.target = scaling.CfnScalableTarget(
            self,
            "Target",
            service_namespace=_SERVICE,
            resource_id=scalable.resource,
            scalable_dimension=scalable.dimension,
            min_capacity=settings.min,
            max_capacity=settings.max,
            role_arn=_service_linked_role(),
        )

    def follow_concurrency(self) -> None:
        """Hold the requests in flight on each machine or copy near the configured number."""
        specification = scaling.CfnScalingPolicy.PredefinedMetricSpecificationProperty(
            predefined_metric_type=self._scalable.metric
        )
        self._track("Concurrency", self._settings.concurrency, predefined_metric_specification=specification)

    def follow_backlog(self, endpoint: str) -> None:
        """Hold the asynchronous calls that wait or run, for each machine, near the configured number."""
        settings = self._settings
        specification = scaling.CfnScalingPolicy.CustomizedMetricSpecificationProperty(
            namespace=SERVICE,
            metric_name="ApproximateBacklogSizePerInstance",
            dimensions=[scaling.CfnScalingPolicy.MetricDimensionProperty(name="EndpointName", value=endpoint)],
            statistic="Average",
        )
        self._track("Backlog", settings.backlog, customized_metric_specification=specification)

    def _track(self, id: str, target: float, **metric: Any) -> None:
        settings = self._settings
        scaling.CfnScalingPolicy(
            self,
            id,
            policy_name=f"{self.node.path}/{id.lower()}",
            policy_type="TargetTrackingScaling",
            scaling_target_id=self.target.ref,
            target_tracking_scaling_policy_configuration=(
                scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
                    target_value=target,
                    scale_out_cooldown=settings.scale_out_cooldown_s,
                    scale_in_cooldown=settings.scale_in_cooldown_s,
                    **metric,
                )
            ),
        )

    def step_out(self, cooldown_s: int) -> scaling.CfnScalingPolicy:
        """Return a policy that an alarm uses to add one."""
        return scaling.CfnScalingPolicy(
            self,
            "FirstOne",
            policy_name=f"{self.node.path}/first-one",
            policy_type="StepScaling",
            scaling_target_id=self.target.ref,
            step_scaling_policy_configuration=scaling.CfnScalingPolicy.StepScalingPolicyConfigurationProperty(
                adjustment_type="ChangeInCapacity",
                metric_aggregation_type="Maximum",
                cooldown=cooldown_s,
                step_adjustments=[
                    scaling.CfnScalingPolicy.StepAdjustmentProperty(metric_interval_lower_bound=0, scaling_adjustment=1)
                ],
            ),
        )


def _service_linked_role() -> str:
    """Return the role that AWS makes and owns for this; naming it keeps the CDK from making one."""
    role = "sagemaker.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    return f"arn:{Aws.PARTITION}:iam::{Aws.ACCOUNT_ID}:role/aws-service-role/{role}"
