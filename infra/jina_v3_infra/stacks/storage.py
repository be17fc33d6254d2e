"""Where in S3 an endpoint's model and its callers' data are, as SageMaker takes it and as permissions name it."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Aws

from jina_v3_infra.config import Deployment
from jina_v3_infra.prefixes import folder
from jina_v3_infra.release import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """The places of one release; ``model_bucket`` is another one than ``bucket`` for a model that came by S3."""

    bucket: str
    model_bucket: str
    model_prefix: str

    @classmethod
    def of(cls, deployment: Deployment, release: Release, bucket: str) -> Storage:
        """Say where a release is: under its name, or where the configuration says."""
        source = deployment.model.source
        if source.startswith("s3://"):
            name, _, prefix = source.removeprefix("s3://").partition("/")
            return cls(bucket=bucket, model_bucket=name, model_prefix=prefix)
        return cls(bucket=bucket, model_bucket=bucket, model_prefix=release.model_prefix)

    @property
    def model_uri(self) -> str:
        """The prefix with the model's files."""
        return f"s3://{self.model_bucket}/{self.model_prefix}"

    def uri(self, prefix: str) -> str:
        """Return a folder of the artifact bucket as SageMaker takes it."""
        return f"s3://{self.bucket}/{folder(prefix)}"

    def objects(self, prefix: str) -> str:
        """Return the ARN of everything in a folder of the artifact bucket."""
        return f"{bucket_arn(self.bucket)}/{folder(prefix)}*"


def bucket_arn(name: str) -> str:
    """Return a bucket's ARN."""
    return f"arn:{Aws.PARTITION}:s3:::{name}"
