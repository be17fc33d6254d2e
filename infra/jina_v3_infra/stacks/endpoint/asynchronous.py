"""What an asynchronous endpoint has beside its machines: the topics it tells, and how it wakes from none."""

from __future__ import annotations

from aws_cdk import CfnOutput
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms
from constructs import Construct

from jina_v3_infra.config import AsynchronousSettings, Deployment
from jina_v3_infra.outputs import Output
from jina_v3_infra.stacks.endpoint.autoscaling import Scaling
from jina_v3_infra.stacks.operations.runbook import Page, describe_alarm
from jina_v3_infra.stacks.operations.watched import SERVICE
from jina_v3_infra.stacks.topic import encrypted_topic


class ResultTopics(Construct):
    """Who is told of outputs and failures: topics that are given, or that are made here. Their ARNs are outputs."""

    def __init__(
        self, scope: Construct, id: str, *, deployment: Deployment, settings: AsynchronousSettings, key: kms.IKey
    ) -> None:
        super().__init__(scope, id)
        name = deployment.endpoint_name
        self.success = (
            settings.success_topic or encrypted_topic(self, "Success", key=key, title=f"{name}: outputs").topic_arn
        )
        self.failure = (
            settings.failure_topic or encrypted_topic(self, "Failure", key=key, title=f"{name}: failures").topic_arn
        )
        CfnOutput(scope, Output.SUCCESS_TOPIC, value=self.success)
        CfnOutput(scope, Output.FAILURE_TOPIC, value=self.failure)

    @property
    def arns(self) -> list[str]:
        """Both, or one where they are the same."""
        return list(dict.fromkeys((self.success, self.failure)))


def follow_backlog(scope: Construct, endpoint: str, scaling: Scaling, *, from_zero: bool, cooldown_s: int) -> None:
    """Scale by the calls that wait and run: the first machine by an alarm, the others by the backlog of each.

    **Source**: docs.aws.amazon.com/sagemaker/latest/dg/async-inference-autoscale.html
    """
    scaling.follow_backlog(endpoint)
    if not from_zero:
        return
    policy = scaling.step_out(cooldown_s)
    cloudwatch.CfnAlarm(
        scope,
        "FirstMachine",
        alarm_description=describe_alarm(
            endpoint, "a call waits and there is no machine, so that one is started", "two minutes", Page.FIRST_MACHINE
        ),
        namespace=SERVICE,
        metric_name="HasBacklogWithoutCapacity",
        dimensions=[cloudwatch.CfnAlarm.DimensionProperty(name="EndpointName", value=endpoint)],
        statistic="Average",
        period=60,
        evaluation_periods=2,
        datapoints_to_alarm=2,
        threshold=1,
        comparison_operator="GreaterThanOrEqualToThreshold",
        treat_missing_data="notBreaching",
        alarm_actions=[policy.ref],
    )
