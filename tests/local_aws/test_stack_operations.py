"""Stacks as AWS moves them: asynchronous, in order, rolled back as a whole, retained where asked."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.fake_endpoints import FakeEndpoints
from tests.support.stack_operations import Stacks

from local_aws.server import LocalAws


def _of(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def _serving(revision: str, *, endpoint: str = "held") -> dict[str, Any]:
    trust = {"Version": "2012-10-17", "Statement": []}
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    image = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/some:{revision}"
    return {
        "Role": _of("IAM::Role", AssumeRolePolicyDocument=trust),
        "Model": _of(
            "SageMaker::Model", ExecutionRoleArn={"Fn::GetAtt": ["Role", "Arn"]}, PrimaryContainer={"Image": image}
        ),
        "Config": _of(
            "SageMaker::EndpointConfig", EndpointConfigName=f"config-{revision}", ProductionVariants=[variant]
        ),
        "Endpoint": _of(
            "SageMaker::Endpoint",
            EndpointName=endpoint,
            EndpointConfigName={"Fn::GetAtt": ["Config", "EndpointConfigName"]},
            RetainAllVariantProperties="true",
        ),
    }


def _statuses(stacks: Stacks, name: str, logical_id: str) -> list[str]:
    return [event["ResourceStatus"] for event in stacks.events(name) if event["LogicalResourceId"] == logical_id]


# --- endpoints


def test_a_stack_waits_for_its_endpoint_and_others_are_answered_meanwhile(
    stacks: Stacks, endpoints: FakeEndpoints, aws: LocalAws
) -> None:
    endpoints.held = True
    stacks.create("waiting", _serving("one"), wait=False)
    deadline = time.monotonic() + 60
    while "Endpoint" not in stacks.physical("waiting"):
        assert time.monotonic() < deadline
    elsewhere = Stacks(aws, "eu-west-1")
    try:
        assert elsewhere.create("waiting", {"Topic": _of("SNS::Topic")}) == "CREATE_COMPLETE"
    finally:
        elsewhere.delete_all()
    assert stacks.status("waiting") == "CREATE_IN_PROGRESS"
    assert _statuses(stacks, "waiting", "Endpoint")[-1] == "CREATE_IN_PROGRESS"
    with pytest.raises(ClientError, match="CREATE_IN_PROGRESS state and can not be updated"):
        stacks.update("waiting", _serving("two"))
    endpoints.held = False
    assert stacks.wait("waiting") == "CREATE_COMPLETE"
    assert stacks.physical("waiting")["Endpoint"].endswith(":endpoint/held")


def test_who_asks_by_a_stacks_id_is_answered_when_its_operation_ends(stacks: Stacks, endpoints: FakeEndpoints) -> None:
    endpoints.held = True
    stacks.create("asked", _serving("one"), wait=False)
    identifier = stacks.describe("asked")["StackId"]
    with ThreadPoolExecutor(1) as other:
        answer = other.submit(stacks.status, identifier)
        for _ in range(5):  # other requests are answered, and none of them ends the wait
            assert stacks.status("asked") == "CREATE_IN_PROGRESS"
        assert not answer.done()
        endpoints.held = False
        assert answer.result(60) == "CREATE_COMPLETE"
    assert stacks.status(identifier) == "CREATE_COMPLETE"  # nothing to wait for


def test_an_endpoint_that_fails_takes_the_stack_back(stacks: Stacks, endpoints: FakeEndpoints) -> None:
    assert stacks.create("failing", _serving("broken")) == "ROLLBACK_COMPLETE"
    assert "the container does not answer its ping" in stacks.reasons("failing")["Endpoint"]
    assert not endpoints.endpoints
    assert not stacks.client("sagemaker").list_models()["Models"]
    with pytest.raises(ClientError, match="ROLLBACK_COMPLETE state and can not be updated"):
        stacks.update("failing", _serving("one"))


def test_a_failed_stack_is_left_as_it_is_where_asked(stacks: Stacks, endpoints: FakeEndpoints) -> None:
    assert stacks.create("kept", _serving("broken"), DisableRollback=True) == "CREATE_FAILED"
    assert endpoints.endpoints["us-east-1", "held"]["EndpointStatus"] == "Failed"


def test_a_new_revision_replaces_model_and_configuration_and_updates_the_endpoint(
    stacks: Stacks, endpoints: FakeEndpoints
) -> None:
    stacks.create("moving", _serving("one"))
    before = stacks.physical("moving")
    endpoints.updates.clear()
    assert stacks.update("moving", _serving("two")) == "UPDATE_COMPLETE"
    after = stacks.physical("moving")
    assert before["Endpoint"] == after["Endpoint"]
    assert before["Role"] == after["Role"]
    assert before["Model"] != after["Model"]
    assert before["Config"] != after["Config"]
    assert endpoints.updates == [
        {"EndpointName": "held", "EndpointConfigName": "config-two", "RetainAllVariantProperties": True}
    ]
    models = [model["ModelArn"] for model in stacks.client("sagemaker").list_models()["Models"]]
    assert models == [after["Model"]]
    order = [(event["LogicalResourceId"], event["ResourceStatus"]) for event in stacks.events("moving")]
    assert order.index(("Endpoint", "UPDATE_COMPLETE")) < order.index(("Config", "DELETE_IN_PROGRESS"))


def test_an_update_that_is_rolled_back_by_sagemaker_takes_the_stack_back(
    stacks: Stacks, endpoints: FakeEndpoints
) -> None:
    stacks.create("canary", _serving("one"), Outputs={"Name": {"Value": {"Fn::GetAtt": ["Model", "ModelName"]}}})
    before, outputs = stacks.physical("canary"), stacks.outputs("canary")
    template = stacks.api.get_template(StackName="canary")["TemplateBody"]
    assert stacks.update("canary", _serving("broken")) == "UPDATE_ROLLBACK_COMPLETE"
    assert "the alarm went off" in stacks.reasons("canary")["Endpoint"]
    assert stacks.physical("canary") == before
    assert stacks.outputs("canary") == outputs
    assert stacks.api.get_template(StackName="canary")["TemplateBody"] == template
    assert len(stacks.client("sagemaker").list_models()["Models"]) == 1
    assert stacks.update("canary", _serving("two")) == "UPDATE_COMPLETE"


def test_the_waiting_for_an_endpoint_ends_with_the_local_aws() -> None:
    import threading

    from local_aws.cloudformation.kinds.base import Calls, ResourceError

    stopping = threading.Event()
    stopping.set()
    calls = Calls(aws=None, region="us-east-1", stack_name="s", logical_id="l", stopping=stopping)  # type: ignore[arg-type]
    with pytest.raises(ResourceError, match="was stopped while waiting"):
        calls.wait(lambda: False, "waiting", 60)


# --- failure, retention


def test_what_fails_half_made_is_deleted(stacks: Stacks) -> None:
    wrong = {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "rot13"}}]}
    bucket = _of("S3::Bucket", BucketName="half-made-bucket", BucketEncryption=wrong)
    assert stacks.create("half", {"Bucket": bucket}) == "ROLLBACK_COMPLETE"
    assert "rot13" in stacks.reasons("half")["Bucket"]
    assert "half-made-bucket" not in {one["Name"] for one in stacks.client("s3").list_buckets()["Buckets"]}


def test_an_update_that_fails_late_is_undone_from_the_start(stacks: Stacks) -> None:
    def resources(text: str, kind: str) -> dict[str, Any]:
        return {
            "Changed": _of("SSM::Parameter", Name="/undone", Type="String", Value=text),
            "Late": {"DependsOn": "Changed", **_of("SSM::Parameter", Type=kind, Value=text)},
            **({"Added": _of("SNS::Topic", TopicName="added")} if text == "second" else {}),
        }

    stacks.create("undone", resources("first", "String"))
    assert stacks.update("undone", resources("second", "Wrong")) == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.client("ssm").get_parameter(Name="/undone")["Parameter"]["Value"] == "first"
    assert not stacks.client("sns").list_topics()["Topics"]
    assert stacks.physical("undone").keys() == {"Changed", "Late"}


def test_what_is_to_be_retained_is(stacks: Stacks) -> None:
    kept = {"DeletionPolicy": "Retain", **_of("S3::Bucket", BucketName="a-retained-bucket")}
    gone = _of("SNS::Topic", TopicName="gone")
    stacks.create("retaining", {"Kept": kept, "Gone": gone})
    identifier = stacks.describe("retaining")["StackId"]
    assert stacks.delete("retaining") == "DELETE_COMPLETE"
    assert _statuses(stacks, identifier, "Kept")[-1] == "DELETE_SKIPPED"
    stacks.client("s3").delete_bucket(Bucket="a-retained-bucket")
    assert not stacks.client("sns").list_topics()["Topics"]


def test_a_replaced_resource_is_retained_by_its_own_policy(stacks: Stacks) -> None:
    def bucket(name: str) -> dict[str, Any]:
        return {"Bucket": {"UpdateReplacePolicy": "Retain", **_of("S3::Bucket", BucketName=name)}}

    stacks.create("replacing", bucket("the-first-bucket"))
    assert stacks.update("replacing", bucket("the-second-bucket")) == "UPDATE_COMPLETE"
    stacks.client("s3").delete_bucket(Bucket="the-first-bucket")
    assert stacks.physical("replacing") == {"Bucket": "the-second-bucket"}


def test_a_bucket_that_is_not_empty_keeps_the_stack(stacks: Stacks) -> None:
    resources = {"Bucket": _of("S3::Bucket", BucketName="a-full-bucket"), "Topic": _of("SNS::Topic")}
    stacks.create("full", resources)
    stacks.client("s3").put_object(Bucket="a-full-bucket", Key="one", Body=b"1")
    assert stacks.delete("full") == "DELETE_FAILED"
    assert "The bucket you tried to delete is not empty" in stacks.reasons("full")["Bucket"]
    assert "[Bucket]" in stacks.describe("full")["StackStatusReason"]
    assert stacks.physical("full") == {"Bucket": "a-full-bucket"}
    stacks.empty("a-full-bucket")
    assert stacks.delete("full") == "DELETE_COMPLETE"


def test_a_custom_name_stands_against_replacement(stacks: Stacks) -> None:
    def target(path: str) -> dict[str, Any]:
        trust = {"Version": "2012-10-17", "Statement": []}
        return {"Role": _of("IAM::Role", RoleName="named-role", Path=path, AssumeRolePolicyDocument=trust)}

    stacks.create("named", target("/one/"))
    assert stacks.update("named", target("/two/")) == "UPDATE_ROLLBACK_COMPLETE"
    assert "custom-named resource requires replacing" in stacks.reasons("named")["Role"]


def test_termination_protection_holds(stacks: Stacks) -> None:
    stacks.create("protected", {"Topic": _of("SNS::Topic")}, EnableTerminationProtection=True)
    with pytest.raises(ClientError, match="TerminationProtection"):
        stacks.api.delete_stack(StackName="protected")
    stacks.api.update_termination_protection(StackName="protected", EnableTerminationProtection=False)


# --- exports, parameters, functions


def test_an_export_in_use_stays(stacks: Stacks) -> None:
    topic = {"Topic": _of("SNS::Topic")}
    export = {"Topic": {"Value": {"Ref": "Topic"}, "Export": {"Name": "the-topic"}}}
    stacks.create(
        "importing-before", {"P": _of("SSM::Parameter", Type="String", Value={"Fn::ImportValue": "the-topic"})}
    )
    assert stacks.status("importing-before") == "ROLLBACK_COMPLETE"
    assert "No export named the-topic" in stacks.reasons("importing-before")["P"]
    stacks.create("importing", topic | {"Other": _of("SNS::Topic")})
    stacks.create("exporting", topic, Outputs=export)
    importer = {"P": _of("SSM::Parameter", Type="String", Value={"Fn::ImportValue": "the-topic"})}
    assert stacks.update("importing", importer) == "UPDATE_COMPLETE"
    assert stacks.update("exporting", topic, Outputs={}) == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.delete("exporting") == "DELETE_FAILED"
    assert "in use by importing" in stacks.describe("exporting")["StackStatusReason"]
    assert stacks.update("importing", topic) == "UPDATE_COMPLETE"
    assert stacks.delete("exporting") == "DELETE_COMPLETE"


def test_parameters_keep_their_previous_values(stacks: Stacks) -> None:
    declared = {"Given": {"Type": "String"}, "Defaulted": {"Type": "String", "Default": "default"}}
    value = {"Fn::Sub": "${Given}-${Defaulted}"}
    resources = {"P": _of("SSM::Parameter", Name="/p", Type="String", Value=value)}
    given = [{"ParameterKey": "Given", "ParameterValue": "one"}]
    stacks.create("parameters", resources, Parameters_=declared, Parameters=given)
    previous = [{"ParameterKey": key, "UsePreviousValue": True} for key in ("Given", "Defaulted")]
    resources["P"]["Properties"]["Description"] = "changed"
    assert stacks.update("parameters", resources, Parameters_=declared, Parameters=previous) == "UPDATE_COMPLETE"
    assert stacks.client("ssm").get_parameter(Name="/p")["Parameter"]["Value"] == "one-default"
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stacks.update("parameters", resources, Parameters_=declared, Parameters=previous)
    with pytest.raises(ClientError, match=r"\[Given\] must have values"):
        stacks.update("parameters", resources, Parameters_=declared)


def test_functions_conditions_and_rules(stacks: Stacks) -> None:
    stacks.client("ssm").put_parameter(Name="/version", Type="String", Value="21")
    no_value = {"Ref": "AWS::NoValue"}
    template: dict[str, Any] = {
        "Parameters_": {
            "Version": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/version"},
            "List": {"Type": "CommaDelimitedList", "Default": "a, b"},
        },
        "Conditions": {
            "Here": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]},
            "There": {"Fn::Not": [{"Condition": "Here"}]},
        },
        "Mappings": {"Words": {"us-east-1": {"word": "mapped"}}},
        "Rules": {
            "New": {"Assertions": [{"Assert": {"Fn::Not": [{"Fn::Contains": [["1", "2"], {"Ref": "Version"}]}]}}]}
        },
    }
    parts = [
        {"Fn::FindInMap": ["Words", {"Ref": "AWS::Region"}, "word"]},
        {"Fn::If": ["There", "no", "yes"]},
        {"Fn::Select": ["1", {"Ref": "List"}]},
        {"Fn::Select": [1, {"Fn::Split": ["/", "x/y"]}]},
        {"Fn::Sub": ["${Word}-${!Kept}-${AWS::AccountId}", {"Word": {"Ref": "Version"}}]},
        {"Fn::Base64": "z"},
        {"Fn::ToJsonString": {"a": [1]}},
    ]
    value = {"Fn::Join": ["|", parts]}
    resources = {
        "P": _of(
            "SSM::Parameter", Name="/all", Type="String", Value=value, Description={"Fn::If": ["There", "d", no_value]}
        ),
        "Never": {"Condition": "There", **_of("SNS::Topic")},
    }
    assert stacks.create("functions", resources, **template) == "CREATE_COMPLETE", stacks.reasons("functions")
    found = stacks.client("ssm").get_parameter(Name="/all")["Parameter"]["Value"]
    assert found == 'mapped|yes|b|y|21-${Kept}-123456789012|eg==|{"a": [1]}'
    assert stacks.physical("functions").keys() == {"P"}
    stacks.client("ssm").delete_parameter(Name="/version")


def test_yaml_with_short_forms_is_read(stacks: Stacks) -> None:
    body = """
    Resources:
      Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: !Sub "${AWS::StackName}-topic"}}
      P:
        Type: AWS::SSM::Parameter
        Properties: {Type: String, Name: /yaml, Value: !Join ["-", [!GetAtt Topic.TopicName, !Ref AWS::Region]]}
    """
    stacks.create("from-yaml", {"Topic": _of("SNS::Topic")})
    stacks.api.update_stack(StackName="from-yaml", TemplateBody=body)
    assert stacks.wait("from-yaml") == "UPDATE_COMPLETE"
    assert stacks.client("ssm").get_parameter(Name="/yaml")["Parameter"]["Value"] == "from-yaml-topic-us-east-1"


def test_two_regions_have_their_own_stacks(stacks: Stacks, aws: LocalAws) -> None:
    elsewhere = Stacks(aws, "eu-west-1")
    resources = {"Group": _of("Logs::LogGroup", LogGroupName="/regional")}
    try:
        assert stacks.create("regional", resources) == elsewhere.create("regional", resources) == "CREATE_COMPLETE"
        assert stacks.delete("regional") == "DELETE_COMPLETE"
        assert elsewhere.client("logs").describe_log_groups()["logGroups"][0]["arn"].split(":")[3] == "eu-west-1"
        assert elsewhere.status("regional") == "CREATE_COMPLETE"
    finally:
        elsewhere.delete_all()


# --- change sets


def _change_set(stacks: Stacks, name: str, kind: str, resources: dict[str, Any]) -> dict[str, Any]:
    made = stacks.api.create_change_set(
        StackName=name, ChangeSetName="changes", ChangeSetType=kind, TemplateBody=json.dumps({"Resources": resources})
    )
    described: dict[str, Any] = stacks.api.describe_change_set(ChangeSetName=made["Id"])
    return described


def test_change_sets_make_and_move_a_stack(stacks: Stacks) -> None:
    described = _change_set(stacks, "by-changes", "CREATE", _serving("one"))
    assert stacks.status("by-changes") == "REVIEW_IN_PROGRESS"
    assert {change["ResourceChange"]["Action"] for change in described["Changes"]} == {"Add"}
    stacks.api.execute_change_set(StackName="by-changes", ChangeSetName="changes")
    stacks._ids.append(described["StackId"])
    assert stacks.wait("by-changes") == "CREATE_COMPLETE"

    moved = _serving("two") | {"Topic": _of("SNS::Topic")}
    described = _change_set(stacks, "by-changes", "UPDATE", moved)
    changes = {one["ResourceChange"]["LogicalResourceId"]: one["ResourceChange"] for one in described["Changes"]}
    assert {name: (change["Action"], change.get("Replacement")) for name, change in changes.items()} == {
        "Model": ("Modify", "True"),
        "Config": ("Modify", "True"),
        "Endpoint": ("Modify", "False"),
        "Topic": ("Add", None),
    }
    stacks.api.execute_change_set(StackName="by-changes", ChangeSetName=described["ChangeSetId"])
    assert stacks.wait("by-changes") == "UPDATE_COMPLETE"
    assert set(changes) <= stacks.physical("by-changes").keys()

    described = _change_set(stacks, "by-changes", "UPDATE", moved)
    assert described["Status"] == "FAILED"
    assert "didn't contain changes" in described["StatusReason"]
    stacks.api.delete_change_set(StackName="by-changes", ChangeSetName="changes")
    with pytest.raises(stacks.api.exceptions.ChangeSetNotFoundException):
        stacks.api.describe_change_set(StackName="by-changes", ChangeSetName="changes")


def test_a_change_set_that_is_not_wanted_leaves_nothing(stacks: Stacks) -> None:
    made = _change_set(stacks, "unwanted", "CREATE", {"Topic": _of("SNS::Topic")})
    stacks.api.delete_change_set(StackName="unwanted", ChangeSetName="changes")
    stacks.api.delete_stack(StackName="unwanted")
    assert stacks.wait(made["StackId"]) == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="Stack with id unwanted does not exist"):
        stacks.status("unwanted")


def test_a_strange_type_fails_at_the_execution_of_its_change_set(stacks: Stacks) -> None:
    made = _change_set(stacks, "strange", "CREATE", {"Group": _of("Athena::WorkGroup")})
    stacks._ids.append(made["StackId"])
    stacks.api.execute_change_set(StackName="strange", ChangeSetName="changes")
    assert stacks.wait("strange") == "ROLLBACK_COMPLETE"
    assert "table.py" in stacks.reasons("strange")["Group"]


def test_what_cloudformation_lacks_here_is_said(stacks: Stacks) -> None:
    with pytest.raises(ClientError, match="does not model cloudformation's ListTypes"):
        stacks.api.list_types()
    with pytest.raises(ClientError, match="has not been implemented in the local AWS"):
        stacks.client("cloudtrail").lookup_events()
