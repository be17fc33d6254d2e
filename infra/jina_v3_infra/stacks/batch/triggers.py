"""What starts runs by itself: a success file that arrives, and the clock."""

from __future__ import annotations

import json
from typing import Final

from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from jina_v3_infra.config import BatchScheduleSettings, BatchSettings, Deployment
from jina_v3_infra.prefixes import BATCH_DATASETS, folder
from jina_v3_infra.stacks.permissions import allow, service_principal

_SUCCESS: Final = "_SUCCESS"
"""What Spark and Hadoop write last into a folder that is whole."""


class SuccessFileRule(Construct):
    """Starts a run of a folder under the datasets when its success file arrives."""

    def __init__(self, scope: Construct, id: str, *, bucket: str, machine: sfn.CfnStateMachine) -> None:
        super().__init__(scope, id)
        role = _starter(self, "events", machine)
        self.rule = events.CfnRule(
            self,
            "Rule",
            description="a dataset is whole",
            state="ENABLED",
            event_pattern={
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {
                    "bucket": {"name": [bucket]},
                    "object": {"key": [{"wildcard": f"{BATCH_DATASETS}*/{_SUCCESS}"}]},
                },
            },
            targets=[
                events.CfnRule.TargetProperty(
                    id="run",
                    arn=machine.attr_arn,
                    role_arn=role.role_arn,
                    input_transformer=events.CfnRule.InputTransformerProperty(
                        input_paths_map={"bucket": "$.detail.bucket.name", "key": "$.detail.object.key"},
                        # EventBridge puts the quotation marks around texts
                        input_template='{"success_file": {"bucket": <bucket>, "key": <key>}}',
                    ),
                )
            ],
        )


class Schedules(Construct):
    """Starts runs by the clock."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment: Deployment,
        settings: BatchSettings,
        bucket: str,
        machine: sfn.CfnStateMachine,
    ) -> None:
        super().__init__(scope, id)
        role = _starter(self, "scheduler", machine)
        for schedule in settings.schedules:
            scheduler.CfnSchedule(
                self,
                schedule.name,
                name=f"{deployment.name}-{schedule.name}",
                description=f"A batch run of {deployment.name}",
                schedule_expression=schedule.expression,
                schedule_expression_timezone=schedule.timezone,
                flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
                state="ENABLED",
                target=scheduler.CfnSchedule.TargetProperty(
                    arn=machine.attr_arn, role_arn=role.role_arn, input=json.dumps(_run_input(schedule, bucket))
                ),
            )


def _run_input(schedule: BatchScheduleSettings, bucket: str) -> dict[str, object]:
    own = f"s3://{bucket}/{BATCH_DATASETS}{folder(schedule.dataset)}"
    given = {
        "dataset": schedule.dataset if schedule.dataset.startswith("s3://") else own,
        "output": schedule.output,
        "task": schedule.task,
        "dimensions": schedule.dimensions,
        "embedding_type": schedule.embedding_type,
        "text_field": schedule.text_field,
        "id_field": schedule.id_field,
    }
    return {name: value for name, value in given.items() if value is not None}


def _starter(scope: Construct, service: str, machine: sfn.CfnStateMachine) -> iam.Role:
    """Make a role by which a service can start runs, and do nothing else."""
    statement = allow("StartRuns", ["states:StartExecution"], [machine.attr_arn])
    return iam.Role(
        scope,
        "Role",
        assumed_by=service_principal(service),
        inline_policies={"start": iam.PolicyDocument(statements=[statement])},
    )
