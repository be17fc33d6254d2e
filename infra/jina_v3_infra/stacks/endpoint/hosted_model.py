"""SageMaker's Model: the image, the artifact's prefix, the settings, and the isolation of the container."""

from __future__ import annotations

from typing import Final

from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from jina_v3_infra.config import Deployment
from jina_v3_infra.stacks.network import Placement

_ASYNCHRONOUS: Final = {
    "JINA_V3_MAX_BODY_BYTES": str(100 * 2**20),
    "JINA_V3_MAX_QUEUE_S": "3600",
    "JINA_V3_REQUEST_TIMEOUT_S": "3600",
}
"""Where calls come through S3: larger inputs, and none is refused for its time, which SageMaker limits."""


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
                environment=_environment(deployment) or None,
            ),
            vpc_config=None if placement is None else placement.vpc_config(),
        )


def _environment(deployment: Deployment) -> dict[str, str]:
    usual = {} if deployment.endpoint.asynchronous is None else _ASYNCHRONOUS
    return {**usual, **deployment.endpoint.environment}
