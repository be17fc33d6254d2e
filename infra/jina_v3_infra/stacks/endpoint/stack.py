"""The stack that serves: model, endpoint, scaling, alarms, and a network of its own where one is asked for."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from jina_v3_infra.config import Deployment
from jina_v3_infra.log_groups import endpoint_log_group, flow_log_group
from jina_v3_infra.outputs import Output
from jina_v3_infra.release import Release
from jina_v3_infra.stacks.endpoint.alarms import EndpointAlarms
from jina_v3_infra.stacks.endpoint.asynchronous import ResultTopics, follow_backlog
from jina_v3_infra.stacks.endpoint.autoscaling import Scaling, variant_of
from jina_v3_infra.stacks.endpoint.container_metrics import ContainerMetrics
from jina_v3_infra.stacks.endpoint.dashboard import EndpointDashboard
from jina_v3_infra.stacks.endpoint.endpoint import Endpoint
from jina_v3_infra.stacks.endpoint.endpoint_config import EndpointConfig
from jina_v3_infra.stacks.endpoint.execution_role import ExecutionRole
from jina_v3_infra.stacks.endpoint.hosted_model import HostedModel
from jina_v3_infra.stacks.endpoint.inference_component import InferenceComponent, component_name
from jina_v3_infra.stacks.endpoint.rollback_alarms import RollbackAlarms
from jina_v3_infra.stacks.foundation import imported
from jina_v3_infra.stacks.image_repository import image_uri
from jina_v3_infra.stacks.log_group import log_group
from jina_v3_infra.stacks.network import first_zones, place_machines
from jina_v3_infra.stacks.operations.notices import told_topics
from jina_v3_infra.stacks.storage import Storage


class RealTimeStack(Stack):
    """One endpoint of one release."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment: Deployment,
        release: Release,
        **stack: Any,
    ) -> None:
        super().__init__(scope, id, **stack)
        self._deployment = deployment
        self._key = kms.Key.from_key_arn(self, "Key", imported(deployment, Output.KEY))
        storage = Storage.of(deployment, release, imported(deployment, Output.BUCKET))
        placement = place_machines(
            self,
            deployment=deployment,
            buckets=[storage.bucket, storage.model_bucket],
            key=self._key,
            log_name=flow_log_group(deployment),
            machines_of="the endpoint",
            callers=True,
        )
        log = log_group(self, "Log", endpoint_log_group(deployment), self._key, deployment)
        topics = self._result_topics()
        role = ExecutionRole(
            self,
            "Role",
            deployment=deployment,
            storage=storage,
            key=self._key,
            log=log,
            placement=placement,
            topics=[] if topics is None else topics.arns,
        ).role
        model = HostedModel(
            self,
            "Model",
            deployment=deployment,
            image=image_uri(deployment, release.image_tag),
            model_uri=storage.model_uri,
            role=role,
            placement=placement,
        ).model
        config = EndpointConfig(
            self,
            "Config",
            deployment=deployment,
            model=model,
            role=role,
            storage=storage,
            key=self._key,
            placement=placement,
            topics=topics,
        ).config
        self._told = told_topics(self, deployment, imported(deployment, Output.TOPIC))
        alarms = self._alarms()
        endpoint = Endpoint(self, "Endpoint", deployment=deployment, config=config, alarms=alarms).endpoint
        endpoint.node.add_dependency(log)  # the first container writes to it
        CfnOutput(self, Output.ENDPOINT, value=endpoint.attr_endpoint_name)
        self._scale(endpoint)
        self._place_component(endpoint, model, alarms)
        self._watch(log, endpoint)

    @property
    def availability_zones(self) -> list[str]:
        """The zones of a new VPC."""
        return first_zones(self._deployment.network)

    def _result_topics(self) -> ResultTopics | None:
        settings = self._deployment.endpoint.asynchronous
        if settings is None:
            return None
        return ResultTopics(self, "Results", deployment=self._deployment, settings=settings, key=self._key)

    def _watch(self, log: logs.ILogGroup, endpoint: sagemaker.CfnEndpoint) -> None:
        deployment = self._deployment
        container = ContainerMetrics(self, "Container", deployment=deployment, log=log)
        EndpointAlarms(self, "Watch", deployment=deployment, container=container, endpoint=endpoint, told=self._told)
        if deployment.operations.dashboard:
            EndpointDashboard(self, "Overview", deployment=deployment, container=container)

    def _alarms(self) -> list[cloudwatch.Alarm]:
        endpoint, name = self._deployment.endpoint, self._deployment.endpoint_name
        if endpoint.inference_component is not None:
            component = component_name(self._deployment)
            watched = [("ComponentAlarms", component, {"InferenceComponentName": component})]
        else:
            watched = [
                (
                    f"Alarms-{variant.name}",
                    f"{name}/{variant.name}",
                    {"EndpointName": name, "VariantName": variant.name},
                )
                for variant in endpoint.variants
            ]
        return [
            alarm
            for id, subject, dimensions in watched
            for alarm in RollbackAlarms(
                self,
                id,
                subject=subject,
                dimensions=dimensions,
                update=endpoint.update,
                asynchronous=endpoint.asynchronous is not None,
                told=self._told,
            ).alarms
        ]

    def _scale(self, endpoint: sagemaker.CfnEndpoint) -> None:
        """Scale the variants' machines; those of an inference component are SageMaker's to count."""
        settings = self._deployment.endpoint
        if settings.inference_component is not None:
            return
        for variant in settings.variants:
            if not variant.scaling.scales:
                continue
            scaling = Scaling(
                self,
                f"Scaling-{variant.name}",
                scalable=variant_of(self._deployment.endpoint_name, variant.name),
                settings=variant.scaling,
            )
            scaling.target.add_resource_dependency(endpoint)
            if settings.asynchronous is None:
                scaling.follow_concurrency()
            else:
                follow_backlog(
                    self,
                    self._deployment.endpoint_name,
                    scaling,
                    from_zero=variant.scaling.min == 0,
                    cooldown_s=variant.scaling.scale_out_cooldown_s,
                )

    def _place_component(
        self, endpoint: sagemaker.CfnEndpoint, model: sagemaker.CfnModel, alarms: list[cloudwatch.Alarm]
    ) -> None:
        settings = self._deployment.endpoint.inference_component
        if settings is None:
            return
        InferenceComponent(
            self,
            "Component",
            deployment=self._deployment,
            settings=settings,
            endpoint=endpoint,
            model=model,
            alarms=alarms,
        )
        CfnOutput(self, Output.INFERENCE_COMPONENT, value=component_name(self._deployment))
