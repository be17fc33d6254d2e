"""The stack that embeds datasets: model, function, state machine, topic, and what starts runs by itself."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from jina_v3_infra.config import BatchSettings, Deployment
from jina_v3_infra.log_groups import batch_flow_log_group
from jina_v3_infra.outputs import Output
from jina_v3_infra.release import Release
from jina_v3_infra.stacks.batch.alarms import BatchAlarms
from jina_v3_infra.stacks.batch.dashboard import BatchDashboard
from jina_v3_infra.stacks.batch.function import BatchFunction
from jina_v3_infra.stacks.batch.places import BatchPlaces
from jina_v3_infra.stacks.batch.state_machine import BatchStateMachine
from jina_v3_infra.stacks.batch.transform_role import TransformRole
from jina_v3_infra.stacks.batch.triggers import Schedules, SuccessFileRule
from jina_v3_infra.stacks.foundation import imported
from jina_v3_infra.stacks.image_repository import image_uri
from jina_v3_infra.stacks.network import first_zones, place_machines
from jina_v3_infra.stacks.operations.notices import told_topics
from jina_v3_infra.stacks.topic import encrypted_topic


class BatchStack(Stack):
    """Batch transform with one release. It stands by itself: nothing in it knows whether there is an endpoint.

    A new VPC is not the endpoint's: a shared one would tie the stacks together, and nothing in it costs by the hour, as
    jobs need S3's gateway only.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment: Deployment,
        settings: BatchSettings,
        release: Release,
        **stack: Any,
    ) -> None:
        super().__init__(scope, id, **stack)
        self._deployment, self._settings = deployment, settings
        self._key = kms.Key.from_key_arn(self, "Key", imported(deployment, Output.KEY))
        places = BatchPlaces.of(settings, release, imported(deployment, Output.BUCKET))
        placement = place_machines(
            self,
            deployment=deployment,
            buckets=places.buckets,
            key=self._key,
            log_name=batch_flow_log_group(deployment),
            machines_of="transform jobs",
            callers=False,
        )
        transform_role = TransformRole(
            self,
            "TransformRole",
            deployment=deployment,
            settings=settings,
            places=places,
            key=self._key,
            placement=placement,
        ).role
        archive_bucket, archive_key = places.archive
        model = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=transform_role.role_arn,
            enable_network_isolation=True,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=image_uri(deployment, release.image_tag),
                model_data_url=f"s3://{archive_bucket}/{archive_key}",  # transform jobs take no prefix
                environment=settings.environment or None,
            ),
            vpc_config=None if placement is None else placement.vpc_config(),
        )
        function = BatchFunction(
            self,
            "Steps",
            deployment=deployment,
            settings=settings,
            places=places,
            model_name=model.attr_model_name,
            key=self._key,
        ).function
        topic = encrypted_topic(self, "Topic", key=self._key, title=f"Batch runs of {deployment.name}")
        machine = BatchStateMachine(
            self,
            "Runs",
            deployment=deployment,
            places=places,
            function_arn=function.attr_arn,
            topic=topic,
            transform_role=transform_role,
            key=self._key,
        ).machine
        rule = None
        if settings.on_success_file:
            rule = SuccessFileRule(self, "SuccessFile", bucket=places.bucket, machine=machine).rule.ref
        if settings.schedules:
            Schedules(
                self, "Schedules", deployment=deployment, settings=settings, bucket=places.bucket, machine=machine
            )
        self._watch(machine.attr_arn, function.ref, rule)
        CfnOutput(self, Output.STATE_MACHINE, value=machine.attr_arn)
        CfnOutput(self, Output.BATCH_TOPIC, value=topic.topic_arn)
        CfnOutput(self, Output.BATCH_MODEL, value=model.attr_model_name)

    def _watch(self, machine_arn: str, function: str, rule: str | None) -> None:
        deployment = self._deployment
        told = told_topics(self, deployment, imported(deployment, Output.TOPIC))
        BatchAlarms(self, "Alarms", deployment=deployment, machine_arn=machine_arn, rule=rule, told=told)
        if deployment.operations.dashboard:
            BatchDashboard(
                self,
                "Overview",
                deployment=deployment,
                settings=self._settings,
                machine_arn=machine_arn,
                function=function,
                rule=rule,
            )

    @property
    def availability_zones(self) -> list[str]:
        """The zones of a new VPC."""
        return first_zones(self._deployment.network)
