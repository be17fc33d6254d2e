"""What the endpoint's stack makes of each setting."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

import botocore.session
import pytest
from tests.support.templates import CASES, RELEASE, THEIR_KEY, Resource, Templates, case, plain

from jina_v3.config import Config
from jina_v3_infra.config import check_deployment
from jina_v3_infra.deploy.calls import example_asynchronous_call
from jina_v3_infra.deploy.scaling import without_scaling
from jina_v3_infra.outputs import Output
from jina_v3_infra.stacks.endpoint.endpoint import update_timeout_s


def variants(name: str) -> list[dict[str, Any]]:
    return case(name).one("SageMaker::EndpointConfig")["ProductionVariants"]


def execution_role(templates: Templates) -> dict[str, Any]:
    (role,) = [
        each
        for each in templates.resources("IAM::Role")
        if "sagemaker" in str(each.properties["AssumeRolePolicyDocument"])
    ]
    (policy,) = role.properties["Policies"]
    return {each["Sid"]: each for each in policy["PolicyDocument"]["Statement"]}


BUCKET = "arn:${AWS::Partition}:s3:::${jina-v3-foundation:ArtifactBucket}"
HOSTING = {"ReadModel", "ListModel", "PullImage", "LogInToRegistry", "WriteLog", "PutMetrics", "UseKey"}


def test_the_model() -> None:
    container = case("default").one("SageMaker::Model")["PrimaryContainer"]
    assert container == {
        "Image": "${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}/jina-v3:cu128-0123456789ab",
        "ModelDataSource": {
            "S3DataSource": {
                "CompressionType": "None",
                "S3DataType": "S3Prefix",
                "S3Uri": "s3://${jina-v3-foundation:ArtifactBucket}/models/0123456789ab-ba9876543210/",
            }
        },
    }


def test_what_exports_and_imports_are_called() -> None:
    exported = {each["Export"]["Name"] for each in case("default").foundation["Outputs"].values() if "Export" in each}
    assert exported == {
        "jina-v3-foundation:ArtifactBucket",
        "jina-v3-foundation:ArtifactKey",
        "jina-v3-foundation:OperationsTopic",
    }


def test_a_model_and_an_image_from_elsewhere() -> None:
    templates = case("given")
    container = templates.one("SageMaker::Model")["PrimaryContainer"]
    assert container["ModelDataSource"]["S3DataSource"]["S3Uri"] == "s3://their-models/jina/v3/"
    assert container["Environment"] == {"JINA_V3_MAX_QUEUE_S": "9"}
    allowed = execution_role(templates)
    assert allowed["ReadModel"]["Resource"] == "arn:${AWS::Partition}:s3:::their-models/jina/v3/*"
    assert allowed["ListModel"]["Condition"] == {"StringLike": {"s3:prefix": ["jina/v3/*"]}}
    assert allowed["PullImage"]["Resource"] == "arn:${AWS::Partition}:ecr:us-east-1:210987654321:repository/team/jina"


def test_only_the_endpoint_and_what_lasts_have_names() -> None:
    templates = case("given")
    assert templates.one("SageMaker::Endpoint")["EndpointName"] == "Another"
    assert "ModelName" not in templates.one("SageMaker::Model")
    assert "EndpointConfigName" not in templates.one("SageMaker::EndpointConfig")
    assert plain(templates.endpoint["Outputs"][Output.ENDPOINT]["Value"]).endswith(".EndpointName}")


def test_a_variant() -> None:
    (variant,) = variants("default")
    assert variant.pop("ModelName").endswith(".ModelName}")
    assert variant == {
        "VariantName": "main",
        "InstanceType": "ml.g6.xlarge",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1,
        "InferenceAmiVersion": "al2023-ami-sagemaker-inference-gpu-4-1",
        "ContainerStartupHealthCheckTimeoutInSeconds": 600,
        "ModelDataDownloadTimeoutInSeconds": 1200,
        "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
    }


def test_several_variants_with_weights() -> None:
    assert [
        (each["VariantName"], each["InitialVariantWeight"], each["InstanceType"]) for each in variants("variants")
    ] == [
        ("old", 9, "ml.g6.xlarge"),
        ("new", 1, "ml.g5.xlarge"),
    ]


def test_a_pool_is_tried_in_order() -> None:
    (variant,) = variants("docker")
    assert variant["InstancePools"] == [
        {"InstanceType": "ml.g6.xlarge", "Priority": 1},
        {"InstanceType": "ml.g5.xlarge", "Priority": 2},
        {"InstanceType": "ml.g6e.xlarge", "Priority": 3},
    ]
    assert "InstanceType" not in variant


def test_machines_without_gpu_have_no_host_image_and_may_have_a_volume_key() -> None:
    config = case("cpu").one("SageMaker::EndpointConfig")
    assert "InferenceAmiVersion" not in config["ProductionVariants"][0]
    key = CASES["cpu"]["endpoint"]["volume_kms_key"]
    assert config["KmsKeyId"] == key
    assert execution_role(case("cpu"))["EncryptVolumes"]["Resource"] == key
    assert "KmsKeyId" not in case("default").one("SageMaker::EndpointConfig")


def excluded(endpoint: dict[str, Any]) -> set[str]:
    return {each["VariantPropertyType"] for each in endpoint["ExcludeRetainedVariantProperties"]}


def test_updates_set_counts_where_nothing_scales() -> None:
    endpoint = case("default").one("SageMaker::Endpoint")
    assert endpoint["RetainAllVariantProperties"] is True
    assert excluded(endpoint) == {"DesiredWeight", "DataCaptureConfig", "DesiredInstanceCount"}


def test_updates_start_with_a_canary_and_keep_what_scaling_has_done() -> None:
    endpoint = case("variants").one("SageMaker::Endpoint")
    assert endpoint["RetainAllVariantProperties"] is True
    assert excluded(endpoint) == {"DesiredWeight", "DataCaptureConfig"}
    policy = endpoint["DeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"] == {
        "Type": "CANARY",
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 25},
        "WaitIntervalInSeconds": 200,
    }
    assert policy["TerminationWaitInSeconds"] == 100


def test_one_machine_alone_cannot_be_a_canary() -> None:
    policy = case("default").one("SageMaker::Endpoint")["DeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"] == {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 300}


@pytest.mark.parametrize("settings", [{}, {"canary_wait_s": 3600, "termination_wait_s": 3600}, {"canary_wait_s": 0}])
def test_an_update_has_the_time_that_it_takes(settings: dict[str, int]) -> None:
    deployment = check_deployment({"endpoint": {"update": settings, "download_timeout_s": 60, "startup_timeout_s": 60}})
    update = deployment.endpoint.update
    timeout_s = update_timeout_s(deployment)
    shape = botocore.session.get_session().get_service_model("sagemaker").shape_for("MaximumExecutionTimeoutInSeconds")
    assert shape.metadata["min"] <= timeout_s <= shape.metadata["max"]
    assert timeout_s > 2 * update.canary_wait_s + update.termination_wait_s


def test_alarms_of_every_variant_roll_back(every: Templates) -> None:
    if "endpoint" not in every.stacks:
        pytest.skip("no endpoint here")
    guards = [
        each.properties["DeploymentConfig"]["AutoRollbackConfiguration"]
        for kind in ("SageMaker::Endpoint", "SageMaker::InferenceComponent")
        for each in every.resources(kind)
        if "DeploymentConfig" in each.properties
    ]
    (guard,) = guards
    named = {alarm["AlarmName"] for alarm in guard["Alarms"]}
    guarding = {
        f"${{{each.name}}}"
        for each in every.resources("CloudWatch::Alarm")
        if each.stack == "endpoint" and each.name.startswith(("Alarms", "ComponentAlarms"))
    }
    assert named == guarding
    config = every.one("SageMaker::EndpointConfig")
    each_has = 1 if "AsyncInferenceConfig" in config else 2  # asynchronous calls may be slow
    assert len(named) == each_has * len(config["ProductionVariants"])
    for alarm in every.resources("CloudWatch::Alarm"):
        assert "AlarmName" not in alarm.properties
        if f"${{{alarm.name}}}" in named:
            assert alarm.properties["TreatMissingData"] == "notBreaching"


def test_what_the_alarms_watch() -> None:
    errors, latency, *others = guards("variants")
    assert len(others) == 2
    of_old = [{"Name": "EndpointName", "Value": "jina-v3"}, {"Name": "VariantName", "Value": "old"}]
    rate, failed, calls = errors.properties["Metrics"]
    assert (rate["Expression"], rate["ReturnData"]) == ("IF(calls > 0, 100 * errors / calls, 0)", True)
    for metric, name in ((failed, "Invocation5XXErrors"), (calls, "Invocations")):
        assert metric["MetricStat"]["Metric"] == {
            "Namespace": "AWS/SageMaker",
            "MetricName": name,
            "Dimensions": of_old,
        }
        assert (metric["MetricStat"]["Stat"], metric["MetricStat"]["Period"]) == ("Sum", 60)
    assert errors.properties["Threshold"] == 1
    assert latency.properties["Dimensions"] == of_old
    assert (latency.properties["MetricName"], latency.properties["ExtendedStatistic"]) == ("ModelLatency", "p99")
    assert latency.properties["Threshold"] == 10_000_000  # microseconds


def guards(name: str) -> list[Resource]:
    """The alarms that roll an update back."""
    return [each for each in case(name).resources("CloudWatch::Alarm") if each.name.startswith("Alarms")]


def test_failures_of_asynchronous_calls_are_counted_without_a_count_of_calls() -> None:
    """An asynchronous endpoint publishes no Invocations; the average of its failures is their share."""
    (errors,) = guards("asynchronous")  # how long one takes rolls nothing back
    share, failed = errors.properties["Metrics"]
    assert (share["Expression"], failed["MetricStat"]["Stat"]) == ("100 * errors", "Average")
    assert failed["MetricStat"]["Metric"]["MetricName"] == "Invocation5XXErrors"


def test_only_what_can_change_its_count_scales() -> None:
    assert not case("default").resources("ApplicationAutoScaling::ScalableTarget")
    target = case("variants").one("ApplicationAutoScaling::ScalableTarget")
    assert target["ResourceId"] == "endpoint/jina-v3/variant/old"
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 8)
    assert target["ScalableDimension"] == "sagemaker:variant:DesiredInstanceCount"
    assert target["RoleARN"].endswith("/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint")
    policy = case("variants").one("ApplicationAutoScaling::ScalingPolicy")
    assert policy["TargetTrackingScalingPolicyConfiguration"] == {
        "TargetValue": 12,
        "ScaleOutCooldown": 20,
        "ScaleInCooldown": 400,
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
        },
    }


def test_targets_wait_for_what_they_scale(every: Templates) -> None:
    for target in every.resources("ApplicationAutoScaling::ScalableTarget"):
        (waits_for,) = target.raw["DependsOn"]
        scaled = every.endpoint["Resources"][waits_for]["Type"]
        assert scaled in ("AWS::SageMaker::Endpoint", "AWS::SageMaker::InferenceComponent")


def test_capture() -> None:
    capture = case("china").one("SageMaker::EndpointConfig")["DataCaptureConfig"]
    assert (capture["EnableCapture"], capture["InitialSamplingPercentage"]) == (True, 20)
    assert capture["DestinationS3Uri"] == "s3://${jina-v3-foundation:ArtifactBucket}/kept/"
    assert [each["CaptureMode"] for each in capture["CaptureOptions"]] == ["Input", "Output"]
    allowed = execution_role(case("china"))
    assert allowed.keys() == HOSTING | {"WriteCapture"}
    assert allowed["WriteCapture"]["Action"] == "s3:PutObject"
    assert allowed["WriteCapture"]["Resource"] == f"{BUCKET}/kept/*"
    assert allowed["UseKey"]["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]


def test_asynchronous_calls() -> None:
    templates = case("asynchronous")
    config = templates.one("SageMaker::EndpointConfig")
    settings = config["AsyncInferenceConfig"]
    assert settings["ClientConfig"] == {"MaxConcurrentInvocationsPerInstance": 3}
    uri = "s3://${jina-v3-foundation:ArtifactBucket}/later"
    assert settings["OutputConfig"]["S3OutputPath"] == f"{uri}/outputs/"
    assert settings["OutputConfig"]["S3FailurePath"] == f"{uri}/failures/"
    assert config["ProductionVariants"][0]["InitialInstanceCount"] == 2
    assert not templates.resources("ApplicationAutoScaling::ScalableTarget")
    allowed = execution_role(templates)
    assert allowed.keys() == HOSTING | {"ReadInputs", "WriteOutputs", "TellOfResults"}
    made = {topic.name for topic in templates.resources("SNS::Topic") if topic.stack == "endpoint"}
    assert set(allowed["TellOfResults"]["Resource"]) == {f"${{{name}}}" for name in made}
    notified = settings["OutputConfig"]["NotificationConfig"]
    assert {notified["SuccessTopic"], notified["ErrorTopic"]} == set(allowed["TellOfResults"]["Resource"])
    outputs = templates.endpoint["Outputs"]
    assert plain(outputs[Output.SUCCESS_TOPIC]["Value"]) == notified["SuccessTopic"]
    assert plain(outputs[Output.FAILURE_TOPIC]["Value"]) == notified["ErrorTopic"]
    assert allowed["ReadInputs"]["Resource"] == f"{BUCKET}/later/inputs/*"
    assert allowed["WriteOutputs"]["Resource"] == [f"{BUCKET}/later/outputs/*", f"{BUCKET}/later/failures/*"]


def test_a_topic_of_another_is_told_and_its_key_used() -> None:
    templates = case("asynchronous-zero")
    theirs = "arn:aws:sns:us-east-1:123456789012:theirs"
    notified = templates.one("SageMaker::EndpointConfig")["AsyncInferenceConfig"]["OutputConfig"]["NotificationConfig"]
    assert notified["SuccessTopic"] == theirs
    allowed = execution_role(templates)
    assert theirs in allowed["TellOfResults"]["Resource"]
    assert allowed["UseKeyOfTopics"]["Resource"] == THEIR_KEY
    assert len([topic for topic in templates.resources("SNS::Topic") if topic.stack == "endpoint"]) == 1


def test_a_backlog_starts_the_first_machine_and_scales_the_others() -> None:
    templates = case("asynchronous-zero")
    target = templates.one("ApplicationAutoScaling::ScalableTarget")
    assert (target["ResourceId"], target["MinCapacity"], target["MaxCapacity"]) == (
        "endpoint/jina-v3/variant/main",
        0,
        5,
    )
    backlog, first = templates.resources("ApplicationAutoScaling::ScalingPolicy")
    endpoint = [{"Name": "EndpointName", "Value": "jina-v3"}]
    assert backlog.properties["PolicyType"] == "TargetTrackingScaling"
    assert backlog.properties["TargetTrackingScalingPolicyConfiguration"] == {
        "TargetValue": 7,
        "ScaleOutCooldown": 90,
        "ScaleInCooldown": 300,
        "CustomizedMetricSpecification": {
            "Namespace": "AWS/SageMaker",
            "MetricName": "ApproximateBacklogSizePerInstance",
            "Dimensions": endpoint,
            "Statistic": "Average",
        },
    }
    step = first.properties["StepScalingPolicyConfiguration"]
    assert (step["AdjustmentType"], step["Cooldown"]) == ("ChangeInCapacity", 90)
    assert step["StepAdjustments"] == [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]
    (alarm,) = [
        each.properties
        for each in templates.resources("CloudWatch::Alarm")
        if each.properties["AlarmActions"] == [f"${{{first.name}}}"]
    ]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SageMaker", "HasBacklogWithoutCapacity")
    assert (alarm["Dimensions"], alarm["Statistic"], alarm["Period"]) == (endpoint, "Average", 60)
    assert (alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (2, 2)
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")
    (variant,) = variants("asynchronous-zero")
    assert variant["InitialInstanceCount"] == 1  # SageMaker creates no endpoint with none
    assert "DesiredInstanceCount" not in excluded(templates.one("SageMaker::Endpoint"))


def test_autoscaling_by_backlog_can_be_taken_out_of_the_template() -> None:
    """As ``deploy`` does for a change of the machine; the alarm stays, and has nothing to do meanwhile."""
    whole = case("asynchronous-zero").endpoint
    less = without_scaling(whole)
    gone = whole["Resources"].keys() - less["Resources"].keys()
    assert {whole["Resources"][name]["Type"].split("::")[1] for name in gone} == {"ApplicationAutoScaling"}
    assert len(gone) == 3
    assert not any(f'"{name}"' in json.dumps(less) for name in gone)
    assert less["Resources"]["FirstMachine"]["Properties"]["AlarmActions"] == []


def test_without_a_way_to_none_no_first_machine_is_waited_for() -> None:
    alarms = case("asynchronous").resources("CloudWatch::Alarm")
    assert not [each for each in alarms if each.name == "FirstMachine"]


def test_a_container_behind_a_queue_is_patient_unless_told_otherwise() -> None:
    environment = case("asynchronous").one("SageMaker::Model")["PrimaryContainer"]["Environment"]
    settings = Config.from_environment(environment)
    assert settings.request_timeout_s == settings.max_queue_s == 3600
    assert settings.limits.max_body_bytes == 100 * 2**20
    assert "Environment" not in case("default").one("SageMaker::Model")["PrimaryContainer"]


def test_the_printed_asynchronous_call_puts_its_input_where_the_role_may_read() -> None:
    asynchronous = check_deployment(CASES["asynchronous"]).endpoint.asynchronous
    assert asynchronous is not None
    lines = example_asynchronous_call("jina-v3", "jina-v3", "us-east-1", "BUCKET", asynchronous).split()
    written, read, *_ = (word for word in lines if word.startswith("s3://BUCKET/"))
    allowed = execution_role(case("asynchronous"))["ReadInputs"]["Resource"].replace(BUCKET, "s3://BUCKET")
    assert fnmatchcase(read, allowed)
    assert written == read


def test_the_execution_role_reads_this_release_alone() -> None:
    allowed = execution_role(case("default"))
    assert allowed.keys() == HOSTING
    assert allowed["ReadModel"]["Resource"] == f"{BUCKET}/{RELEASE.model_prefix}*"
    assert allowed["ListModel"]["Resource"] == BUCKET
    assert allowed["ListModel"]["Condition"] == {"StringLike": {"s3:prefix": [f"{RELEASE.model_prefix}*"]}}
    assert allowed["UseKey"] == {
        "Sid": "UseKey",
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": "${jina-v3-foundation:ArtifactKey}",
    }
    assert allowed["PullImage"]["Resource"].endswith(":repository/jina-v3")
    assert allowed["PutMetrics"]["Condition"]["StringEquals"]["cloudwatch:namespace"][0] == "AWS/SageMaker"


def test_the_execution_role_may_decrypt_a_model_of_another_key() -> None:
    allowed = execution_role(case("given"))
    assert allowed.keys() == HOSTING | {"DecryptModel"}
    assert (allowed["DecryptModel"]["Action"], allowed["DecryptModel"]["Resource"]) == ("kms:Decrypt", THEIR_KEY)


def test_network_interfaces_stay_in_the_subnets() -> None:
    allowed = execution_role(case("variants"))
    ec2 = "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}"
    subnets = [f"{ec2}:subnet/subnet-0123456789abcdef0", f"{ec2}:subnet/subnet-0123456789abcdef1"]
    assert allowed["AttachToNetwork"]["Resource"] == [*subnets, f"{ec2}:security-group/sg-0123456789abcdef0"]
    assert allowed["HandleInterfaces"]["Condition"] == {"ArnEquals": {"ec2:Subnet": subnets}}


def test_a_new_network() -> None:
    templates = case("vpc-create")
    assert templates.one("EC2::VPC")["CidrBlock"] == "10.9.0.0/16"
    zones = [subnet.properties["AvailabilityZone"] for subnet in templates.resources("EC2::Subnet")]
    assert zones == [{"Fn::Select": [number, {"Fn::GetAZs": ""}]} for number in range(3)]
    s3, runtime = templates.resources("EC2::VPCEndpoint")
    assert s3.properties["VpcEndpointType"] == "Gateway"
    assert len(s3.properties["RouteTableIds"]) == 3
    assert runtime.properties["ServiceName"] == "com.amazonaws.eu-west-1.sagemaker.runtime"
    assert runtime.properties["PrivateDnsEnabled"] is True
    (statement,) = runtime.properties["PolicyDocument"]["Statement"]
    assert statement["Resource"][0] == "arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}:endpoint/invpc"
    machines, callers = templates.resources("EC2::SecurityGroup")
    assert "SecurityGroupIngress" not in machines.properties
    assert [rule["CidrIp"] for rule in callers.properties["SecurityGroupIngress"]] == ["10.9.0.0/16"]


def test_an_inference_component() -> None:
    templates = case("component")
    (variant,) = variants("component")
    assert variant["ManagedInstanceScaling"] == {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 3}
    assert variant["InitialInstanceCount"] == 1
    assert variant.keys().isdisjoint({"ModelName", "InitialVariantWeight"})
    config = templates.one("SageMaker::EndpointConfig")
    assert config["ExecutionRoleArn"] == templates.one("SageMaker::Model")["ExecutionRoleArn"]
    component = templates.one("SageMaker::InferenceComponent")
    assert component["InferenceComponentName"] == "jina-v3"
    assert component["RuntimeConfig"] == {"CopyCount": 1}
    assert component["Specification"]["ComputeResourceRequirements"] == {
        "NumberOfAcceleratorDevicesRequired": 1,
        "MinMemoryRequiredInMb": 5000,
    }
    assert component["Specification"]["StartupParameters"] == {
        "ContainerStartupHealthCheckTimeoutInSeconds": 600,
        "ModelDataDownloadTimeoutInSeconds": 1200,
    }
    assert templates.endpoint["Outputs"][Output.INFERENCE_COMPONENT]["Value"] == "jina-v3"


def test_an_inference_component_is_updated_by_itself() -> None:
    templates = case("component")
    assert "DeploymentConfig" not in templates.one("SageMaker::Endpoint")
    policy = templates.one("SageMaker::InferenceComponent")["DeploymentConfig"]["RollingUpdatePolicy"]
    assert policy["MaximumBatchSize"] == {"Type": "CAPACITY_PERCENT", "Value": 50}


def test_a_call_that_finds_no_copy_wakes_one() -> None:
    templates = case("component")
    target = templates.one("ApplicationAutoScaling::ScalableTarget")
    assert (target["ResourceId"], target["MinCapacity"], target["MaxCapacity"]) == ("inference-component/jina-v3", 0, 3)
    follow, wake = templates.resources("ApplicationAutoScaling::ScalingPolicy")
    tracked = follow.properties["TargetTrackingScalingPolicyConfiguration"]
    assert tracked["TargetValue"] == 7
    assert tracked["PredefinedMetricSpecification"]["PredefinedMetricType"] == (
        "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
    )
    assert wake.properties["StepScalingPolicyConfiguration"]["StepAdjustments"] == [
        {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}
    ]
    (alarm,) = [
        each
        for each in templates.resources("CloudWatch::Alarm")
        if each.properties["AlarmActions"] == [f"${{{wake.name}}}"]
    ]
    assert alarm.properties["MetricName"] == "NoCapacityInvocationFailures"
    assert alarm.properties["Dimensions"] == [{"Name": "InferenceComponentName", "Value": "jina-v3"}]


def test_a_component_of_one_copy_does_not_scale() -> None:
    templates = case("component-fixed")
    assert not templates.resources("ApplicationAutoScaling::ScalableTarget")
    assert len([each for each in templates.resources("CloudWatch::Alarm") if "ComponentAlarms" in each.name]) == 2


def test_own_tags_win() -> None:
    tags = {tag["Key"]: tag["Value"] for tag in case("given").one("SageMaker::Endpoint")["Tags"]}
    assert tags == {"deployment": "jina-v3", "project": "another", "team": "search"}
