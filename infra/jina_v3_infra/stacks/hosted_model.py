"""SageMaker's Model: the image, the artifact's prefix, the settings, and the isolation of the container."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from jina_v3_infra.config import Deployment
from jina_v3_infra.stacks.network import Placement


class HostedModel(Construct):
    """A model without a name of its own, so that a change can put a new one beside it."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment: Deployment,
        image: str,
        model_uri: str,
        role: iam.IRole,
        placement: Placement | None,
    ) -> None:
        super().__init__(scope, id)
        source = sagemaker.CfnModel.S3DataSourceProperty(
            s3_data_type="S3Prefix", compression_type="None", s3_uri=model_uri
        )
        self.model = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=role.role_arn,
            enable_network_isolation=True,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=image,
                model_data_source=sagemaker.CfnModel.ModelDataSourceProperty(s3_data_source=source),
                environment=deployment.endpoint.environment or None,
            ),
            vpc_config=None if placement is None else placement.vpc_config(),
        )
