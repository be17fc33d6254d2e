"""The stack that embeds datasets: model, function, state machine, topic, and what starts runs by itself."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from jina_v3_infra.config import BatchSettings, Deployment
from jina_v3_infra.log_groups import batch_flow_log_group
from jina_v3_infra.outputs import Output
from jina_v3_infra.release import Release
from jina_v3_infra.stacks.batch_alarms import BatchAlarms
from jina_v3_infra.stacks.batch_function import BatchFunction
from jina_v3_infra.stacks.batch_places import BatchPlaces
from jina_v3_infra.stacks.batch_triggers import Schedules, SuccessFileRule
from jina_v3_infra.stacks.foundation import imported
from jina_v3_infra.stacks.image_repository import image_uri
from jina_v3_infra.stacks.network import Network, Placement, first_zones, given_placement
from jina_v3_infra.stacks.notices import told_topics
from jina_v3_infra.stacks.state_machine import BatchStateMachine
from jina_v3_infra.stacks.transform_role import TransformRole


class BatchStack(Stack):
    """Batch transform with one release. It stands by itself: nothing in it knows whether there is an endpoint."""

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
        placement = self._place(places)
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
        topic = sns.Topic(self, "Topic", master_key=self._key, enforce_ssl=True)
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
        BatchAlarms(
            self,
            "Alarms",
            machine_arn=machine.attr_arn,
            machine_name=deployment.batch_stack,
            rule=rule,
            told=told_topics(self, deployment, imported(deployment, Output.TOPIC)),
        )
        CfnOutput(self, Output.STATE_MACHINE, value=machine.attr_arn)
        CfnOutput(self, Output.BATCH_TOPIC, value=topic.topic_arn)
        CfnOutput(self, Output.BATCH_MODEL, value=model.attr_model_name)

    @property
    def availability_zones(self) -> list[str]:
        """The zones of a new VPC."""
        return first_zones(self._deployment.network)

    def _place(self, places: BatchPlaces) -> Placement | None:
        """Return where jobs run: in the VPC that is given, or a new one that is not the endpoint's.

        A shared one would tie the stacks together, and nothing in it costs by the hour: jobs need S3's gateway only.
        """
        settings = self._deployment.network
        if settings.vpc is None:
            return None
        if settings.vpc != "create":
            return given_placement(settings)
        return Network(
            self,
            "Network",
            deployment=self._deployment,
            buckets=places.buckets,
            key=self._key,
            log_name=batch_flow_log_group(self._deployment),
            machines_of="transform jobs",
            callers=False,
        ).placement
