"""The bucket with sources, models and what callers send and get, and the key that encrypts all of a deployment."""

from __future__ import annotations

from typing import Final

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from jina_v3_infra.config import BatchSettings, CaptureSettings, Deployment
from jina_v3_infra.log_groups import former_log_group_names
from jina_v3_infra.prefixes import BATCH_RUNS, folder
from jina_v3_infra.stacks.operations.notices import TELLING
from jina_v3_infra.stacks.permissions import accept, service_principal

_LEFTOVERS_DAYS: Final = 7
_NONCURRENT_DAYS: Final = 30
_EXPIRED_NONCURRENT_DAYS: Final = 1
_USUAL: Final = folder(CaptureSettings().prefix)
_LOGS_USE: Final = (
    "Decrypt",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
)


class ArtifactBucket(Construct):
    """A private, versioned, encrypted bucket and its key.

    Both go with the stack. There is no custom resource that empties the bucket: CloudFormation refuses to delete one
    that holds anything, and the ``destroy`` command empties what can be published again, and nothing else.
    """

    def __init__(self, scope: Construct, id: str, *, deployment: Deployment) -> None:
        super().__init__(scope, id)
        self.key = kms.Key(
            self,
            "Key",
            alias=f"alias/{deployment.name}",
            description=f"Artifacts, images, logs and data of {deployment.name}",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.DESTROY,  # in 30 days, until when it can be had back
        )
        self.key.add_to_resource_policy(_logs_may_use_it(deployment))
        self.key.add_to_resource_policy(_notices_may_use_it())
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            lifecycle_rules=_lifecycle(deployment),
            removal_policy=RemovalPolicy.DESTROY,
        )
        if deployment.batch is not None and deployment.batch.on_success_file:
            _tell_event_bridge(self.bucket)
        accept(
            self.bucket,
            {"AwsSolutions-S1": "CloudTrail's data events log access where it is wanted, without a second bucket"},
        )


def _tell_event_bridge(bucket: s3.Bucket) -> None:
    """Have S3 tell EventBridge what is put there: the CDK's own way to say so is a custom resource."""
    low = bucket.node.default_child
    assert isinstance(low, s3.CfnBucket)
    low.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
        event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
    )


def _lifecycle(deployment: Deployment) -> list[s3.LifecycleRule]:
    """Let leftovers, captures and what runs worked with go.

    Where two rules hold for an object, S3 takes the one that deletes it sooner.
    """
    return [
        s3.LifecycleRule(
            id="leftovers",
            abort_incomplete_multipart_upload_after=Duration.days(_LEFTOVERS_DAYS),
            noncurrent_version_expiration=Duration.days(_NONCURRENT_DAYS),
        ),
        # a rule that expires by days takes no word on markers
        s3.LifecycleRule(id="delete-markers", expired_object_delete_marker=True),
        *(
            s3.LifecycleRule(
                id="capture" if prefix == _USUAL else "capture-elsewhere",
                prefix=prefix,
                expiration=Duration.days(days),  # in a versioned bucket this only hides the object
                noncurrent_version_expiration=Duration.days(_EXPIRED_NONCURRENT_DAYS),
            )
            for prefix, days in _captured(deployment.endpoint.capture).items()
        ),
        # of an earlier configuration too
        s3.LifecycleRule(
            id="batch-runs",
            prefix=BATCH_RUNS,
            expiration=Duration.days((deployment.batch or BatchSettings()).keep_days),
            noncurrent_version_expiration=Duration.days(_EXPIRED_NONCURRENT_DAYS),
        ),
    ]


def _captured(capture: CaptureSettings | None) -> dict[str, int]:
    """Return the days that captures stay, by prefix: the default one too, for those of an earlier configuration."""
    usual_days = CaptureSettings().keep_days
    if capture is None:
        return {_USUAL: usual_days}
    prefix = folder(capture.prefix)
    most = max(usual_days, capture.keep_days) if prefix.startswith(_USUAL) else usual_days
    return {_USUAL: most, prefix: capture.keep_days}


def _logs_may_use_it(deployment: Deployment) -> iam.PolicyStatement:
    """CloudWatch Logs encrypts with the key itself, for the log groups of this deployment only.

    Those of all its forms: the key changes before the endpoint does, and what serves until then goes on logging.
    """
    groups = f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:log-group:"
    return iam.PolicyStatement(
        sid="LogsOfThisDeployment",
        principals=[iam.ServicePrincipal(f"logs.{Aws.REGION}.amazonaws.com")],
        actions=[f"kms:{action}" for action in _LOGS_USE],
        resources=["*"],  # in a key's policy: this key
        conditions={
            "ArnEquals": {
                "kms:EncryptionContext:aws:logs:arn": [f"{groups}{name}" for name in former_log_group_names(deployment)]
            }
        },
    )


def _notices_may_use_it() -> iam.PolicyStatement:
    """Alarms and the budget of this account publish to the deployment's topic, which is encrypted with the key."""
    return iam.PolicyStatement(
        sid="NoticesOfThisAccount",
        principals=[service_principal(service) for service in TELLING],
        actions=["kms:Decrypt", "kms:GenerateDataKey"],
        resources=["*"],  # in a key's policy: this key
    )
