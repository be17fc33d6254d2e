"""A small CDK app for the tests of the local AWS: what `-c` says is what changes between two deployments."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns


class Foundation(cdk.Stack):
    """A bucket with a key, and a parameter that comes from the context."""

    def __init__(self, scope, name, **keywords):
        super().__init__(scope, name, **keywords)
        key = kms.Key(self, "Key", enable_key_rotation=True, removal_policy=cdk.RemovalPolicy.DESTROY)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            enforce_ssl=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            removal_policy=cdk.RemovalPolicy.DESTROY,
            versioned=True,
        )


class Serving(cdk.Stack):
    """A model, its configuration and an endpoint: a new model replaces the first two, the third stays."""

    def __init__(self, scope, name, *, bucket, revision, **keywords):
        super().__init__(scope, name, **keywords)
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
        bucket.grant_read(role)
        topic = sns.Topic(self, "Topic", enforce_ssl=True)
        container = sagemaker.CfnModel.ContainerDefinitionProperty(
            image=f"123456789012.dkr.ecr.{self.region}.amazonaws.com/model:{revision}",
            model_data_url=f"s3://{bucket.bucket_name}/models/{revision}/model.tar.gz",
        )
        model = sagemaker.CfnModel(
            self, "Model", execution_role_arn=role.role_arn, primary_container=container, enable_network_isolation=True
        )
        config = sagemaker.CfnEndpointConfig(
            self,
            "Config",
            production_variants=[
                sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                    variant_name="AllTraffic",
                    model_name=model.attr_model_name,
                    initial_instance_count=1,
                    initial_variant_weight=1.0,
                    instance_type="ml.m5.large",
                )
            ],
        )
        endpoint = sagemaker.CfnEndpoint(
            self, "Endpoint", endpoint_config_name=config.attr_endpoint_config_name, endpoint_name="serving"
        )
        if revision == "strange":
            cdk.CfnResource(self, "Strange", type="AWS::Timestream::Database", properties={"DatabaseName": "strange"})
        cdk.CfnOutput(self, "EndpointName", value=endpoint.attr_endpoint_name)
        cdk.CfnOutput(self, "ModelName", value=model.attr_model_name)
        cdk.CfnOutput(self, "TopicArn", value=topic.topic_arn)


app = cdk.App()
where = cdk.Environment(account="123456789012", region=app.node.try_get_context("region") or "us-east-1")
foundation = Foundation(app, "try-foundation", env=where)
Serving(
    app,
    "try-serving",
    bucket=foundation.bucket,
    revision=app.node.try_get_context("revision") or "one",
    env=where,
)
cdk.Tags.of(app).add("project", "try")
app.synth()
