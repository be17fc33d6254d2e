"""Where in S3 an endpoint's model, captured data and asynchronous calls are; one place for paths and permissions."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_s3 as s3

from jina_v3_infra.config import AsynchronousSettings, Deployment
from jina_v3_infra.release import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """The places of one release; ``model_bucket`` is another one than ``bucket`` for a model that came by S3."""

    bucket: s3.IBucket
    model_bucket: str
    model_prefix: str

    @classmethod
    def of(cls, deployment: Deployment, release: Release, bucket: s3.IBucket) -> Storage:
        """Say where a release is: under its name, or where the configuration says."""
        source = deployment.model.source
        if source.startswith("s3://"):
            name, _, prefix = source.removeprefix("s3://").partition("/")
            return cls(bucket=bucket, model_bucket=name, model_prefix=prefix)
        return cls(bucket=bucket, model_bucket=bucket.bucket_name, model_prefix=release.model_prefix)

    @property
    def model_uri(self) -> str:
        """The prefix with the model's files."""
        return f"s3://{self.model_bucket}/{self.model_prefix}"

    def uri(self, prefix: str) -> str:
        """Return a prefix of the artifact bucket as SageMaker takes it."""
        return f"s3://{self.bucket.bucket_name}/{prefix}"

    def objects(self, prefix: str) -> str:
        """Return the ARN of everything under a prefix of the artifact bucket."""
        return self.bucket.arn_for_objects(f"{prefix.rstrip('/')}/*")

    @staticmethod
    def asynchronous_prefixes(settings: AsynchronousSettings) -> tuple[str, str, str]:
        """Return where the inputs, outputs and failures of asynchronous calls are."""
        prefix = settings.output_prefix.rstrip("/")
        return f"{prefix}/inputs/", f"{prefix}/outputs/", f"{prefix}/failures/"
