"""SageMaker's EndpointConfig: on which machines the variants run, and what is kept of the calls."""

from __future__ import annotations

from typing import Any, Final

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from jina_v3_infra.config import Deployment, VariantSettings, variant_ami
from jina_v3_infra.prefixes import asynchronous_prefixes
from jina_v3_infra.stacks.endpoint.asynchronous import ResultTopics
from jina_v3_infra.stacks.network import Placement
from jina_v3_infra.stacks.storage import Storage

_Config = sagemaker.CfnEndpointConfig
_ROUTING: Final = "LEAST_OUTSTANDING_REQUESTS"


class EndpointConfig(Construct):
    """A configuration without a name of its own: SageMaker never changes one, so each change makes another."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment: Deployment,
        model: sagemaker.CfnModel,
        role: iam.IRole,
        storage: Storage,
        key: kms.IKey,
        placement: Placement | None,
        topics: ResultTopics | None,
    ) -> None:
        super().__init__(scope, id)
        endpoint = deployment.endpoint
        component = endpoint.inference_component is not None
        self.config = _Config(
            self,
            "Config",
            production_variants=[
                _variant(deployment, variant, None if component else model.attr_model_name)
                for variant in endpoint.variants
            ],
            kms_key_id=endpoint.volume_kms_key,
            data_capture_config=_capture(deployment, storage, key),
            async_inference_config=_asynchronous(deployment, storage, key, topics),
            metrics_config=_metrics(deployment),
            **(_for_components(role, placement) if component else {}),
        )


def _variant(deployment: Deployment, variant: VariantSettings, model: str | None) -> _Config.ProductionVariantProperty:
    """Return a variant; without a model it is room for inference components, and SageMaker counts its machines."""
    endpoint, scaling = deployment.endpoint, variant.scaling
    own: dict[str, Any] = {}
    if model is None:
        own["managed_instance_scaling"] = _Config.ManagedInstanceScalingProperty(
            status="ENABLED", min_instance_count=scaling.min, max_instance_count=scaling.max
        )
    else:
        own["model_name"] = model
        own["initial_variant_weight"] = variant.weight
        own["container_startup_health_check_timeout_in_seconds"] = endpoint.startup_timeout_s
        own["model_data_download_timeout_in_seconds"] = endpoint.download_timeout_s
    if variant.instance_pool:
        own["instance_pools"] = [
            _Config.InstancePoolProperty(instance_type=machine.name, priority=priority)
            for priority, machine in enumerate(variant.instance_types, start=1)
        ]
    else:
        own["instance_type"] = variant.instance_type
    return _Config.ProductionVariantProperty(
        variant_name=variant.name,
        initial_instance_count=variant.initial_instances,
        inference_ami_version=variant_ami(variant),
        routing_config=_Config.RoutingConfigProperty(routing_strategy=_ROUTING),
        **own,
    )


def _for_components(role: iam.IRole, placement: Placement | None) -> dict[str, Any]:
    """Return what an endpoint says itself where no model of its variants does."""
    vpc = (
        None
        if placement is None
        else _Config.VpcConfigProperty(subnets=[*placement.subnets], security_group_ids=[*placement.security_groups])
    )
    return {"execution_role_arn": role.role_arn, "enable_network_isolation": True, "vpc_config": vpc}


def _capture(deployment: Deployment, storage: Storage, key: kms.IKey) -> _Config.DataCaptureConfigProperty | None:
    settings = deployment.endpoint.capture
    if settings is None:
        return None
    return _Config.DataCaptureConfigProperty(
        enable_capture=True,
        initial_sampling_percentage=settings.percent,
        destination_s3_uri=storage.uri(settings.prefix),
        kms_key_id=key.key_arn,
        capture_options=[_Config.CaptureOptionProperty(capture_mode=mode) for mode in ("Input", "Output")],
        # others are kept as base64
        capture_content_type_header=_Config.CaptureContentTypeHeaderProperty(
            json_content_types=["application/json", "application/jsonlines"], csv_content_types=["text/csv"]
        ),
    )


def _asynchronous(
    deployment: Deployment, storage: Storage, key: kms.IKey, topics: ResultTopics | None
) -> _Config.AsyncInferenceConfigProperty | None:
    settings = deployment.endpoint.asynchronous
    if settings is None or topics is None:
        return None
    _, outputs, failures = asynchronous_prefixes(settings)
    return _Config.AsyncInferenceConfigProperty(
        client_config=_Config.AsyncInferenceClientConfigProperty(
            max_concurrent_invocations_per_instance=settings.concurrency
        ),
        output_config=_Config.AsyncInferenceOutputConfigProperty(
            s3_output_path=storage.uri(outputs),
            s3_failure_path=storage.uri(failures),
            kms_key_id=key.key_arn,
            notification_config=_Config.AsyncInferenceNotificationConfigProperty(
                success_topic=topics.success, error_topic=topics.failure
            ),
        ),
    )


def _metrics(deployment: Deployment) -> _Config.MetricsConfigProperty | None:
    """Say what SageMaker publishes of the machines and scrapes of the container: ``/metrics`` on 8080, its default.

    It is said even where nothing is wanted, since SageMaker's own default is to scrape.
    """
    settings = deployment.operations
    if deployment.endpoint.asynchronous is not None:
        return None  # these are of real-time endpoints
    return _Config.MetricsConfigProperty(
        enable_detailed_observability=settings.detailed_metrics,
        enable_enhanced_metrics=settings.enhanced_metrics,
        metric_publish_frequency_in_seconds=settings.metrics_every_s,
    )
