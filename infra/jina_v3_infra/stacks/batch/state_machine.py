"""The state machine that takes a dataset through transform jobs to a report; its states are in jina_v3_batch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

import jina_v3_batch
from jina_v3_infra.config import Deployment
from jina_v3_infra.log_groups import state_machine_log_group
from jina_v3_infra.stacks.batch.places import BatchPlaces, objects
from jina_v3_infra.stacks.log_group import log_group
from jina_v3_infra.stacks.permissions import accept_wildcards, allow, allow_without_resource, service_principal
from jina_v3_infra.stacks.tags import all_tags

_DEFINITION: Final = "state_machine.asl.json"
_EVENTS_RULE: Final = "StepFunctionsGetEventsForSageMakerTransformJobsRule"
"""Step Functions' own rule of the account, by which it learns that a job has ended."""
_LOG_DELIVERY: Final = (
    "CreateLogDelivery",
    "DeleteLogDelivery",
    "DescribeLogGroups",
    "DescribeResourcePolicies",
    "GetLogDelivery",
    "ListLogDeliveries",
    "PutResourcePolicy",
    "UpdateLogDelivery",
)
_TRACES: Final = ("GetSamplingRules", "GetSamplingTargets", "PutTelemetryRecords", "PutTraceSegments")


def read_definition() -> str:
    """Return the states, without the white space of the file."""
    text = Path(jina_v3_batch.__file__).with_name(_DEFINITION).read_text(encoding="utf-8")
    return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)


class BatchStateMachine(Construct):
    """A machine whose log has every event, and nothing of what runs carry: their places name data."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment: Deployment,
        places: BatchPlaces,
        function_arn: str,
        topic: sns.ITopic,
        transform_role: iam.IRole,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, id)
        name = deployment.batch_stack
        log = log_group(self, "Log", state_machine_log_group(deployment), key, deployment)
        statements = [
            allow("CallSteps", ["lambda:InvokeFunction"], [function_arn]),
            *_jobs(deployment, transform_role),
            *_children(name),
            allow("ReadItems", ["s3:GetObject"], [objects(places.runs)]),
            allow(
                "WriteResults",
                ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject"],
                [objects(places.runs)],
            ),
            allow("Notify", ["sns:Publish"], [topic.topic_arn]),
            allow("UseKey", ["kms:Decrypt", "kms:GenerateDataKey"], [key.key_arn]),
            allow_without_resource("DeliverLog", [f"logs:{action}" for action in _LOG_DELIVERY]),
            allow_without_resource("Trace", [f"xray:{action}" for action in _TRACES]),
        ]
        role = iam.Role(
            self,
            "Role",
            assumed_by=service_principal("states"),
            inline_policies={"run": iam.PolicyDocument(statements=statements)},
        )
        accept_wildcards(role, statements)
        self.machine = sfn.CfnStateMachine(
            self,
            "Machine",
            state_machine_name=name,  # its role names its own executions
            state_machine_type="STANDARD",
            role_arn=role.role_arn,
            definition_string=read_definition(),
            definition_substitutions={
                "Function": function_arn,
                "Topic": topic.topic_arn,
                "Bucket": places.bucket,
            },
            logging_configuration=sfn.CfnStateMachine.LoggingConfigurationProperty(
                level="ALL",
                include_execution_data=False,
                destinations=[
                    sfn.CfnStateMachine.LogDestinationProperty(
                        cloud_watch_logs_log_group=sfn.CfnStateMachine.CloudWatchLogsLogGroupProperty(
                            log_group_arn=log.log_group_arn
                        )
                    )
                ],
            ),
            tracing_configuration=sfn.CfnStateMachine.TracingConfigurationProperty(enabled=True),
        )


def _jobs(deployment: Deployment, transform_role: iam.IRole) -> Iterator[iam.PolicyStatement]:
    """Let it start jobs with the deployment's tag, wait for them and stop them."""
    jobs = f"arn:{Aws.PARTITION}:sagemaker:{Aws.REGION}:{Aws.ACCOUNT_ID}:transform-job/*"
    tag = all_tags(deployment)["deployment"]
    yield allow(
        "StartJobs",
        ["sagemaker:AddTags", "sagemaker:CreateTransformJob"],
        [jobs],
        {"StringEquals": {"aws:RequestTag/deployment": tag}},
    )
    yield allow(
        "FollowJobs",
        ["sagemaker:DescribeTransformJob", "sagemaker:ListTags", "sagemaker:StopTransformJob"],
        [jobs],
        {"StringEquals": {"aws:ResourceTag/deployment": tag}},
    )
    passed = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    yield allow("PassRole", ["iam:PassRole"], [transform_role.role_arn], passed)
    events = f"arn:{Aws.PARTITION}:events:{Aws.REGION}:{Aws.ACCOUNT_ID}"
    yield allow(
        "LearnOfEnds",
        ["events:DescribeRule", "events:PutRule", "events:PutTargets"],
        [f"{events}:rule/{_EVENTS_RULE}"],
    )


def _children(name: str) -> Iterator[iam.PolicyStatement]:
    """Let a distributed map start, follow and stop the executions that it consists of."""
    states = f"arn:{Aws.PARTITION}:states:{Aws.REGION}:{Aws.ACCOUNT_ID}"
    yield allow("StartChildren", ["states:StartExecution"], [f"{states}:stateMachine:{name}"])
    yield allow(
        "FollowChildren",
        ["states:DescribeExecution", "states:StopExecution"],
        [f"{states}:execution:{name}:*", f"{states}:execution:{name}/*"],
    )
