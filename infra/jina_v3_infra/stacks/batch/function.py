"""The function that does the steps of a run: its code, what it knows of the deployment, and what it may touch."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Final

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

import jina_v3_batch
from jina_v3_infra.config import BatchSettings, Deployment, transform_ami
from jina_v3_infra.config.instances import instance_type
from jina_v3_infra.log_groups import batch_function_log_group
from jina_v3_infra.stacks.batch.places import BatchPlaces, allow_keys, allow_listing, objects
from jina_v3_infra.stacks.log_group import log_group
from jina_v3_infra.stacks.permissions import accept, accept_wildcards, allow
from jina_v3_infra.stacks.storage import bucket_arn
from jina_v3_infra.stacks.tags import all_tags
from jina_v3_infra.throughput import tokens_per_s

_HANDLER: Final = "jina_v3_batch.function.handler"
_MEMORY_MB: Final = 2048
_TIMEOUT_S: Final = 900
"""The longest there is: a group of files is verified, and a piece is cut, within it."""


class BatchFunction(Construct):
    """One function for all steps, on no network of ours: it calls S3 alone."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment: Deployment,
        settings: BatchSettings,
        places: BatchPlaces,
        model_name: str,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, id)
        log = log_group(self, "Log", batch_function_log_group(deployment), key, deployment)
        with tempfile.TemporaryDirectory() as folder:
            code = s3_assets.Asset(self, "Code", path=str(_pack(Path(folder))))  # copied at once
        role = _role(self, settings, places, key, log)
        self.function = lambda_.CfnFunction(
            self,
            "Function",
            description=f"Steps of batch runs of {deployment.name}",
            code=lambda_.CfnFunction.CodeProperty(s3_bucket=code.s3_bucket_name, s3_key=code.s3_object_key),
            handler=_HANDLER,
            runtime="python3.13",
            architectures=["arm64"],
            memory_size=_MEMORY_MB,
            timeout=_TIMEOUT_S,
            role=role.role_arn,
            logging_config=lambda_.CfnFunction.LoggingConfigProperty(log_group=log.log_group_name),
            environment=lambda_.CfnFunction.EnvironmentProperty(
                variables=_environment(deployment, settings, places, model_name, key)
            ),
        )
        accept(self.function, {"AwsSolutions-L1": "the tests run the steps with this Python"})


def _pack(folder: Path) -> Path:
    """Copy the package's modules, and nothing of what lies beside them."""
    package = Path(jina_v3_batch.__file__).parent
    target = folder / package.name
    target.mkdir()
    for module in package.glob("*.py"):
        shutil.copyfile(module, target / module.name)
    return folder


def _environment(
    deployment: Deployment, settings: BatchSettings, places: BatchPlaces, model_name: str, key: kms.IKey
) -> dict[str, str]:
    machine = instance_type(settings.instance_type)
    speed = tokens_per_s(machine)
    assert speed is not None, f"the GPU of {machine.name} has no speed in config.instances"
    values: dict[str, object] = {
        "NAME": deployment.name,
        "BUCKET": places.bucket,
        "MODEL": model_name,
        "INSTANCE_TYPE": settings.instance_type,
        "INSTANCES": settings.instances,
        "JOBS": settings.jobs,
        "AMI": transform_ami(settings),
        "KMS_KEY": key.key_arn,
        "USD_PER_HOUR": machine.usd_per_hour,
        "TOKENS_PER_S": round(speed),
        "MAX_USD": settings.most_usd,
        "ATTEMPTS": settings.attempts,
        "DATASETS": json.dumps(settings.datasets),
        "RESULTS": json.dumps(settings.results),
        "TAGS": json.dumps(all_tags(deployment), ensure_ascii=False),
    }
    return {f"JINA_V3_BATCH_{name}": "" if value is None else str(value) for name, value in values.items()}


def _role(
    scope: Construct, settings: BatchSettings, places: BatchPlaces, key: kms.IKey, log: logs.ILogGroup
) -> iam.Role:
    everywhere = [places.runs, *places.datasets, *places.results]
    statements = [
        # all of the own bucket: with a condition on prefixes, S3 says of an absent object that it is forbidden
        allow("ListOwnBucket", ["s3:ListBucket"], [bucket_arn(places.bucket)]),
        *allow_listing([*places.given_datasets, *places.given_results]),
        allow("ReadPlaces", ["s3:GetObject"], [objects(place) for place in everywhere]),
        allow("WriteRuns", ["s3:AbortMultipartUpload", "s3:PutObject"], [objects(places.runs)]),
        # what a failed attempt left there is not taken for the next one's
        allow("DeleteStaleVectors", ["s3:DeleteObject"], [objects(place) for place in places.results]),
        allow_keys(settings, key),
        allow("WriteLog", ["logs:CreateLogStream", "logs:PutLogEvents"], [log.log_group_arn]),
    ]
    role = iam.Role(
        scope,
        "Role",
        # no condition on the account: Lambda takes roles of its function's own account alone, and names none
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        inline_policies={"steps": iam.PolicyDocument(statements=statements)},
    )
    accept_wildcards(role, statements)
    return role
