"""The stack that must be there before anything is published: bucket, key, repository, and the image's build.

The topic that alarms tell and the budget are here too: they are of all that the deployment has.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Fn, Stack
from constructs import Construct

from jina_v3_infra.config import Deployment
from jina_v3_infra.outputs import Output
from jina_v3_infra.stacks.artifact_bucket import ArtifactBucket
from jina_v3_infra.stacks.image_build import ImageBuild
from jina_v3_infra.stacks.image_repository import ImageRepository
from jina_v3_infra.stacks.operations.notices import Notices


class FoundationStack(Stack):
    """Bucket, key and topic always; the repository unless an image is given; the build unless Docker builds."""

    def __init__(self, scope: Construct, id: str, *, deployment: Deployment, **stack: Any) -> None:
        super().__init__(scope, id, **stack)
        artifacts = ArtifactBucket(self, "Artifacts", deployment=deployment)
        self._export(Output.BUCKET, artifacts.bucket.bucket_name)
        self._export(Output.KEY, artifacts.key.key_arn)
        notices = Notices(self, "Notices", deployment=deployment, key=artifacts.key)
        self._export(Output.TOPIC, notices.topic.topic_arn)
        if deployment.image.uri is not None:
            return
        repository = ImageRepository(self, "Images", deployment=deployment, key=artifacts.key).repository
        CfnOutput(self, Output.REPOSITORY, value=repository.repository_uri)
        if deployment.image.build == "codebuild":
            build = ImageBuild(self, "Build", deployment=deployment, artifacts=artifacts, repository=repository)
            CfnOutput(self, Output.BUILD_PROJECT, value=build.project.ref)

    def _export(self, output: Output, value: str) -> None:
        CfnOutput(self, output, value=value, export_name=f"{self.stack_name}:{output}")


def imported(deployment: Deployment, output: Output) -> str:
    """Return what the foundation of a deployment exports, for another stack.

    Bucket, key and topic alone, which never go: what a stack imports, the other cannot take away.
    """
    return Fn.import_value(f"{deployment.foundation_stack}:{output}")
