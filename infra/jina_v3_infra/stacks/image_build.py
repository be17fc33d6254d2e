"""The CodeBuild project that builds the container's image in the account, so that nobody needs Docker.

A build is started with ``sourceLocationOverride`` (the bundle of sources in the artifact bucket) and the variables
``IMAGE_URI``, ``TORCH`` and ``BASE_IMAGE``; docs/image.md explains the flags of the build.
"""

from __future__ import annotations

import json
from typing import Any, Final

from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from jina_v3_infra.config import Deployment
from jina_v3_infra.log_groups import build_log_group
from jina_v3_infra.release import SOURCES
from jina_v3_infra.stacks.artifact_bucket import ArtifactBucket
from jina_v3_infra.stacks.log_group import log_group
from jina_v3_infra.stacks.permissions import accept, accept_wildcards, allow, allow_without_resource, service_principal

_TIMEOUT_MINUTES: Final = 60
_PLACEHOLDER: Final = "given-at-start.zip"
_PULL_AND_PUSH: Final = (
    "BatchCheckLayerAvailability",
    "BatchGetImage",
    "CompleteLayerUpload",
    "DescribeImages",
    "GetDownloadUrlForLayer",
    "InitiateLayerUpload",
    "PutImage",
    "UploadLayerPart",
)

_LOG_IN: Final = (
    'aws ecr get-login-password | docker login --username AWS --password-stdin "${IMAGE_URI%%/*}"'  # the registry
)
_BUILD_AND_PUSH: Final = """\
tag="${IMAGE_URI##*:}"; repository="${IMAGE_URI#*/}"; repository="${repository%:*}"
if aws ecr describe-images --repository-name "$repository" --image-ids "imageTag=$tag" >/dev/null 2>&1; then
  echo "$IMAGE_URI is there already"
else
  docker build --platform linux/amd64 --provenance=false --output type=docker --tag "$IMAGE_URI" \\
    --build-arg "TORCH=$TORCH" ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"} . \\
  && docker push "$IMAGE_URI"
fi
"""

BUILD_SPEC: Final[dict[str, Any]] = {
    "version": 0.2,
    "phases": {
        "pre_build": {"on-failure": "ABORT", "commands": [_LOG_IN]},
        "build": {"on-failure": "ABORT", "commands": [_BUILD_AND_PUSH]},
    },
}


class ImageBuild(Construct):
    """A project that turns a bundle of sources into an image in the repository."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment: Deployment,
        artifacts: ArtifactBucket,
        repository: ecr.IRepository,
    ) -> None:
        super().__init__(scope, id)
        log = log_group(self, "Log", build_log_group(deployment), artifacts.key, deployment)
        role = _role(self, artifacts, repository, log)
        self.project = codebuild.CfnProject(
            self,
            "Project",
            description=f"Builds the container's image of {deployment.name}",
            service_role=role.role_arn,
            source=codebuild.CfnProject.SourceProperty(
                type="S3",
                location=f"{artifacts.bucket.bucket_name}/{SOURCES}{_PLACEHOLDER}",
                build_spec=json.dumps(BUILD_SPEC, indent=1),
            ),
            artifacts=codebuild.CfnProject.ArtifactsProperty(type="NO_ARTIFACTS"),
            environment=_environment(),
            encryption_key=artifacts.key.key_arn,
            logs_config=codebuild.CfnProject.LogsConfigProperty(
                cloud_watch_logs=codebuild.CfnProject.CloudWatchLogsConfigProperty(
                    status="ENABLED", group_name=log.log_group_name
                )
            ),
            timeout_in_minutes=_TIMEOUT_MINUTES,
            queued_timeout_in_minutes=_TIMEOUT_MINUTES,
        )
        accept(
            self.project,
            {"AwsSolutions-CB3": "docker build needs a privileged container; CodeBuild gives each build a machine"},
        )


def _environment() -> codebuild.CfnProject.EnvironmentProperty:
    variable = codebuild.CfnProject.EnvironmentVariableProperty
    return codebuild.CfnProject.EnvironmentProperty(
        type="LINUX_CONTAINER",  # x86-64
        compute_type="BUILD_GENERAL1_MEDIUM",  # 128 GB of disk: torch's wheels and layers fill the smaller one's
        image="aws/codebuild/standard:7.0",
        image_pull_credentials_type="CODEBUILD",
        privileged_mode=True,
        environment_variables=[variable(name=name, value="") for name in ("IMAGE_URI", "TORCH", "BASE_IMAGE")],
    )


def _role(scope: Construct, artifacts: ArtifactBucket, repository: ecr.IRepository, log: logs.ILogGroup) -> iam.Role:
    sources = artifacts.bucket.arn_for_objects(f"{SOURCES}*")
    statements = [
        allow("ReadSources", ["s3:GetObject", "s3:GetObjectVersion"], [sources]),
        allow("UseKey", ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"], [artifacts.key.key_arn]),
        allow("PushImage", [f"ecr:{action}" for action in _PULL_AND_PUSH], [repository.repository_arn]),
        allow_without_resource("LogInToRegistry", ["ecr:GetAuthorizationToken"]),
        allow("WriteLog", ["logs:CreateLogStream", "logs:PutLogEvents"], [log.log_group_arn]),
    ]
    policy = iam.PolicyDocument(statements=statements)
    role = iam.Role(scope, "Role", assumed_by=service_principal("codebuild"), inline_policies={"build": policy})
    accept_wildcards(role, statements)
    return role
