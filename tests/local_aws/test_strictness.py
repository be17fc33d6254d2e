"""What the local CloudFormation does not take fails the deployment, and says why and where to change that."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.stack_operations import Stacks

from local_aws.cloudformation.strictness import check_resources
from local_aws.cloudformation.table import RESOURCE_TYPES

GROUP = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/strict"}}
ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
}


def _of(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        (_of("AWS::Athena::WorkGroup", Name="a"), ["AWS::Athena::WorkGroup", "table.py"]),
        (_of("AWS::Logs::LogGroup", DataProtectionPolicy={}), ["DataProtectionPolicy", "recorded only", "table.py"]),
        (_of("AWS::SageMaker::Model", Colour="red"), ["Colour", "AWS::SageMaker::Model", "table.py"]),
        (_of("Custom::Emptier", ServiceToken="arn"), ["Custom::Emptier", "custom resources"]),
        (_of("AWS::CloudFormation::CustomResource", ServiceToken="arn"), ["custom resources"]),
        (_of("AWS::Lambda::Function", Layers=["arn"]), ["AWS::Lambda::Function", "Layers", "table.py"]),
        (_of("AWS::Lambda::LayerVersion", Content={}), ["AWS::Lambda::LayerVersion", "table.py"]),
        (_of("AWS::SSM::Parameter", Type="String", Value={"Fn::GetAtt": ["Group", "Colour"]}), ["Group", "Colour"]),
    ],
)
def test_what_is_not_declared_is_refused_before_anything_is_made(
    resource: dict[str, Any], words: list[str], stacks: Stacks
) -> None:
    assert stacks.create("refused", {"Group": GROUP, "Strange": resource}) == "ROLLBACK_COMPLETE"
    reasons = stacks.reasons("refused")
    assert reasons.keys() == {"Strange"}
    for word in ["Strange", *words]:
        assert word in reasons["Strange"]
    assert not stacks.client("logs").describe_log_groups(logGroupNamePrefix="/strict")["logGroups"]


@given(kind=st.sampled_from(sorted(RESOURCE_TYPES)), name=st.from_regex(r"[A-Z][A-Za-z]{0,20}", fullmatch=True))
@settings(max_examples=200, deadline=None)
def test_a_property_is_refused_unless_it_is_declared(kind: str, name: str) -> None:
    row = RESOURCE_TYPES[kind]
    refused = check_resources({"One": {"Type": kind, "Properties": {name: "value"}}})
    assert bool(refused) == (name not in row.modelled | row.recorded)


ROLE_ARN = "arn:aws:iam::123456789012:role/some-role"
TASKS = "arn:aws:ecs:us-east-1:123456789012:cluster/tasks"


def _function(**properties: Any) -> dict[str, Any]:
    code = {"ZipFile": "handler = None"}
    given = {"Code": code, "Handler": "index.handler", "Role": ROLE_ARN, "Runtime": "python3.13"}
    return _of("AWS::Lambda::Function", **given | properties)


def _machine(definition: str) -> dict[str, Any]:
    return _of("AWS::StepFunctions::StateMachine", DefinitionString=definition, RoleArn=ROLE_ARN)


def _schedule(expression: str) -> dict[str, Any]:
    target = {"Arn": "arn:aws:states:us-east-1:123456789012:stateMachine:any", "RoleArn": ROLE_ARN}
    window = {"Mode": "OFF"}
    return _of("AWS::Scheduler::Schedule", ScheduleExpression=expression, FlexibleTimeWindow=window, Target=target)


def _config(**variant: Any) -> dict[str, Any]:
    whole = {
        "VariantName": "AllTraffic",
        "ModelName": "some",
        "InstanceType": "ml.g6.xlarge",
        "InitialInstanceCount": "1",
        "InitialVariantWeight": "1.0",
        **variant,
    }
    return _of("AWS::SageMaker::EndpointConfig", ProductionVariants=[whole])


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        (_config(InstanceType="ml.g6.huge"), ["ProductionVariants[0].InstanceType", "ml.g6.huge", "enum value set"]),
        (_config(VariantName="v" * 64), ["VariantName", "less than or equal to 63"]),
        (_config(VariantName="under_score"), ["VariantName", "regular expression pattern"]),
        (_config(InitialInstanceCount="many"), ["InitialInstanceCount", "is not a integer"]),
        (_config(ModelDataDownloadTimeoutInSeconds="5"), ["greater than or equal to 60"]),
        (_config(InstanceTyp="ml.g6.xlarge"), ["InstanceTyp", "did you mean InstanceType"]),
        (_of("AWS::SageMaker::EndpointConfig"), ["ProductionVariants is missing"]),
        (_of("AWS::SageMaker::Model", ModelName="m" * 64, ExecutionRoleArn="arn"), ["ModelName", "ExecutionRoleArn"]),
        (_of("AWS::Logs::LogGroup", LogGroupName="what?"), ["ogGroupName", "regular expression pattern"]),
        (_of("AWS::SSM::Parameter", Type="Number", Value="1"), ["Type", "Number"]),
        (_of("AWS::S3::Bucket", BucketName="Has-Capitals"), ["Has-Capitals", "lowercase"]),
        (
            _of(
                "AWS::ApplicationAutoScaling::ScalableTarget",
                MinCapacity=1,
                MaxCapacity=2,
                ResourceId="endpoint/a/variant/b",
                ScalableDimension="sagemaker:variant:Wish",
                ServiceNamespace="sagemaker",
            ),
            ["sagemaker:variant:Wish"],
        ),
        (_function(Runtime="nodejs22.x"), ["nodejs22.x", "python3.x"]),
        (_function(Timeout="901"), ["901", "less than or equal to 900"]),
        (_function(Code={"S3Bucket": "absent", "S3Key": "code.zip"}), ["s3://absent/code.zip"]),
        (_function(Code={"ImageUri": "some/image"}), ["ImageUri", "from a zip"]),
        (_machine("{}"), ["there are no states"]),
        (_machine('{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}'), ["MISSING_TRANSITION_TARGET"]),
        (_machine('{"StartAt": "A", "Comment": "${Place}"}'), ["${Place}", "no substitution"]),
        (_of("AWS::StepFunctions::StateMachine", RoleArn=ROLE_ARN), ["DefinitionString", "none"]),
        (_of("AWS::Events::Rule", State="ENABLED"), ["EventPattern", "ScheduleExpression"]),
        (
            _of("AWS::Events::Rule", EventPattern={"source": ["a"]}, Targets=[{"Id": "one", "Arn": TASKS}]),
            ["delivers to state machines", TASKS],
        ),
        (_schedule("cron(0 25 * * ? *)"), ["cron(0 25 * * ? *)", "'25' is no hours"]),
        (
            _of("AWS::S3::Bucket", NotificationConfiguration={"LambdaConfigurations": []}),
            ["NotificationConfiguration.LambdaConfigurations", "EventBridgeConfiguration"],
        ),
    ],
)
def test_values_are_checked_as_the_service_checks_them(
    resource: dict[str, Any], words: list[str], stacks: Stacks
) -> None:
    assert stacks.create("wrong", {"Wrong": resource}) == "ROLLBACK_COMPLETE"
    for word in words:
        assert word in stacks.reasons("wrong")["Wrong"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "Template format error"),
        ('{"Resources": {}}', "At least one Resources member"),
        ('{"Resources": {"A": {"Properties": {}}}}', "Type member"),
        ('{"Resources": {"A": {"Type": "AWS::SNS::Topic", "Propertys": {}}}}', "Propertys"),
        ('{"Resources": {"A": {"Type": "AWS::SNS::Topic"}}, "Transform": "Macro"}', "Transform"),
        ('{"Resources": {"A": {"Type": "AWS::SNS::Topic", "DependsOn": "B"}}}', "[B]"),
        ('{"Resources": {"A": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Ref": "C"}}}}}', "[C]"),
        ('{"Resources": {"A": {"Type": "AWS::SNS::Topic", "DeletionPolicy": "Snapshot"}}}', "Snapshot"),
    ],
)
def test_a_template_that_is_none_is_refused_at_once(body: str, words: str, stacks: Stacks) -> None:
    with pytest.raises(ClientError) as error:
        stacks.api.create_stack(StackName="none", TemplateBody=body)
    assert error.value.response["Error"]["Code"] == "ValidationError"
    assert words in error.value.response["Error"]["Message"]


def test_a_ring_of_resources_is_named(stacks: Stacks) -> None:
    ring = {
        "A": _of("AWS::SNS::Topic", DisplayName={"Ref": "B"}),
        "B": _of("AWS::SNS::Topic", DisplayName={"Ref": "A"}),
    }
    assert stacks.create("ring", ring) == "ROLLBACK_COMPLETE"
    assert any("Circular dependency" in event.get("ResourceStatusReason", "") for event in stacks.events("ring"))


@given(text=st.text(max_size=70))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_names_are_held_to_the_models_pattern(text: str) -> None:
    from local_aws import shapes

    shape = shapes.input_shape("sagemaker", "CreateEndpoint").members["EndpointName"]
    plain = text.isascii() and all(letter.isalnum() or letter == "-" for letter in text)
    right = plain and 0 < len(text) <= 63 and text[0] != "-" and text[-1] != "-"
    assert bool(list(shapes.problems(shape, text))) == (not right)
