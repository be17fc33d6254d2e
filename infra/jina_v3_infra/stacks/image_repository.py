"""The repository of the container's images, what an image's address says about where it is, and who may pull it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from jina_v3_infra.config import Deployment
from jina_v3_infra.ecr_image import parse_ecr
from jina_v3_infra.stacks.permissions import allow, allow_without_resource

_KEPT_IMAGES: Final = 10


class ImageRepository(Construct):
    """A private repository that scans what is pushed and lets no tag be moved."""

    def __init__(self, scope: Construct, id: str, *, deployment: Deployment, key: kms.IKey) -> None:
        super().__init__(scope, id)
        self.repository = ecr.Repository(
            self,
            "Repository",
            repository_name=repository_name(deployment),
            encryption=ecr.RepositoryEncryption.KMS,
            encryption_key=key,
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            lifecycle_rules=[
                ecr.LifecycleRule(
                    description="what a failed push left",
                    tag_status=ecr.TagStatus.UNTAGGED,
                    max_image_age=Duration.days(1),
                ),
                ecr.LifecycleRule(description=f"the newest {_KEPT_IMAGES}", max_image_count=_KEPT_IMAGES),
            ],
            # as with the bucket: CloudFormation keeps it while images are in it, and `destroy` empties it
            removal_policy=RemovalPolicy.DESTROY,
        )


def repository_name(deployment: Deployment) -> str:
    """Return the name of a deployment's own repository; ECR takes small letters only."""
    return deployment.name.lower()


def image_uri(deployment: Deployment, tag: str | None) -> str:
    """Return the image that is served: the one of the configuration, or the tag in the own repository."""
    if deployment.image.uri is not None:
        return deployment.image.uri
    assert tag is not None
    return f"{Aws.ACCOUNT_ID}.dkr.ecr.{Aws.REGION}.{Aws.URL_SUFFIX}/{repository_name(deployment)}:{tag}"


def repository_arn(deployment: Deployment) -> str:
    """Return the repository that the image is pulled from.

    The own one by its name rather than by reference: an export that the endpoint's stack uses could not go when the
    configuration comes to name an image that exists.
    """
    account, region, name = Aws.ACCOUNT_ID, Aws.REGION, repository_name(deployment)
    if deployment.image.uri is not None:
        image = parse_ecr(deployment.image.uri)
        account, region, name = image.account, image.region, image.repository
    return f"arn:{Aws.PARTITION}:ecr:{region}:{account}:repository/{name}"


def pull_image(deployment: Deployment) -> Iterator[iam.PolicyStatement]:
    """Let a role have the container's image pulled."""
    pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    yield allow("PullImage", pull, [repository_arn(deployment)])
    yield allow_without_resource("LogInToRegistry", ["ecr:GetAuthorizationToken"])
