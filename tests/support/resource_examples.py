"""For every resource type of the local AWS's table: a template with each of its modelled properties, and a change.

``before`` and ``after`` are the template's resources; ``check`` looks, by the service's own API, whether the change has
arrived. Together the two templates use every modelled property, which a test holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Resources = dict[str, Any]
Client = Callable[[str], Any]


@dataclass(frozen=True)
class Example:
    before: Resources
    after: Resources
    check: Callable[[Client, dict[str, str]], bool]


def _resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def _tags(value: str) -> list[dict[str, str]]:
    return [{"Key": "project", "Value": value}]


def _has_tag(tags: list[dict[str, str]], value: str) -> bool:
    return {tag.get("Key", tag.get("key")): tag.get("Value", tag.get("value")) for tag in tags}["project"] == value


REF = lambda name: {"Ref": name}  # noqa: E731  # shorter where it is read
ATTRIBUTE = lambda name, attribute: {"Fn::GetAtt": [name, attribute]}  # noqa: E731
DEFINITIONS = "definitions-of-examples"  # with first.json and second.json
ROLE_ARN = "arn:aws:iam::123456789012:role/some-role"


def _policy(action: str, **more: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*", **more}]}


def _trust(service: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _role(**properties: Any) -> dict[str, Any]:
    return _resource("IAM::Role", AssumeRolePolicyDocument=_trust("sagemaker.amazonaws.com"), **properties)


# --- scaling


def _scaling(maximum: int, target: float) -> Resources:
    return {
        "Target": _resource(
            "ApplicationAutoScaling::ScalableTarget",
            MinCapacity="1",
            MaxCapacity=str(maximum),
            ResourceId="endpoint/some/variant/AllTraffic",
            ScalableDimension="sagemaker:variant:DesiredInstanceCount",
            ServiceNamespace="sagemaker",
            RoleARN=ROLE_ARN,
            SuspendedState={"DynamicScalingInSuspended": "true"},
            Tags=_tags(str(maximum)),
        ),
        "Tracking": _resource(
            "ApplicationAutoScaling::ScalingPolicy",
            PolicyName="tracking",
            PolicyType="TargetTrackingScaling",
            ScalingTargetId=REF("Target"),
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": str(target),
                "ScaleInCooldown": "300",
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
                },
            },
        ),
    }


def _step_scaling(adjustment: int) -> Resources:
    parts = {
        "ResourceId": "inference-component/some",
        "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
        "ServiceNamespace": "sagemaker",
    }
    return {
        "Target": _resource("ApplicationAutoScaling::ScalableTarget", MinCapacity=0, MaxCapacity=2, **parts),
        "Steps": {
            "DependsOn": "Target",
            **_resource(
                "ApplicationAutoScaling::ScalingPolicy",
                PolicyName="steps",
                PolicyType="StepScaling",
                StepScalingPolicyConfiguration={
                    "AdjustmentType": "ChangeInCapacity",
                    "MetricAggregationType": "Maximum",
                    "Cooldown": "60",
                    "StepAdjustments": [{"MetricIntervalLowerBound": "0", "ScalingAdjustment": str(adjustment)}],
                },
                **parts,
            ),
        },
    }


def _tracks(target: float, maximum: int) -> Callable[[Client, dict[str, str]], bool]:
    def check(client: Client, _physical: dict[str, str]) -> bool:
        api = client("application-autoscaling")
        (policy,) = api.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
        (found,) = api.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
        return (
            policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == target
            and found["MaxCapacity"] == maximum
        )

    return check


def _steps(adjustment: int) -> Callable[[Client, dict[str, str]], bool]:
    def check(client: Client, _physical: dict[str, str]) -> bool:
        api = client("application-autoscaling")
        (policy,) = api.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
        (step,) = policy["StepScalingPolicyConfiguration"]["StepAdjustments"]
        return bool(step["ScalingAdjustment"] == adjustment)

    return check


# --- watching


def _alarm(threshold: float, tag: str) -> Resources:
    return {
        "Topic": _resource("SNS::Topic"),
        "Alarm": _resource(
            "CloudWatch::Alarm",
            AlarmName="slow",
            AlarmDescription="it is slow",
            ActionsEnabled="true",
            AlarmActions=[REF("Topic")],
            OKActions=[REF("Topic")],
            InsufficientDataActions=[REF("Topic")],
            ComparisonOperator="GreaterThanThreshold",
            DatapointsToAlarm="1",
            Dimensions=[{"Name": "EndpointName", "Value": "some"}],
            EvaluateLowSampleCountPercentile="ignore",
            EvaluationPeriods="2",
            ExtendedStatistic="p99",
            MetricName="ModelLatency",
            Namespace="AWS/SageMaker",
            Period="60",
            Tags=_tags(tag),
            Threshold=str(threshold),
            TreatMissingData="notBreaching",
            Unit="Microseconds",
        ),
    }


def _expression_alarm(threshold: int) -> Resources:
    metric = {"Namespace": "AWS/SageMaker", "MetricName": "Invocations"}
    return {
        "Math": _resource(
            "CloudWatch::Alarm",
            ComparisonOperator="LessThanLowerThreshold",
            EvaluationPeriods=3,
            Metrics=[
                {"Id": "calls", "MetricStat": {"Metric": metric, "Period": "60", "Stat": "Sum"}, "ReturnData": "true"},
                {"Id": "band", "Expression": f"ANOMALY_DETECTION_BAND(calls, {threshold})"},
            ],
            ThresholdMetricId="band",
        ),
        "Plain": _resource(
            "CloudWatch::Alarm",
            ComparisonOperator="GreaterThanThreshold",
            EvaluationPeriods=1,
            Statistic="Sum",
            MetricName="Errors",
            Namespace="AWS/SageMaker",
            Period=60,
            Threshold=threshold,
        ),
    }


def _alarms_at(threshold: float) -> Callable[[Client, dict[str, str]], bool]:
    def check(client: Client, physical: dict[str, str]) -> bool:
        found = client("cloudwatch").describe_alarms(AlarmNames=[physical["Alarm"]])["MetricAlarms"]
        return found[0]["Threshold"] == threshold and found[0]["AlarmActions"] == [physical["Topic"]]

    return check


def _computes(threshold: int) -> Callable[[Client, dict[str, str]], bool]:
    def check(client: Client, physical: dict[str, str]) -> bool:
        (found,) = client("cloudwatch").describe_alarms(AlarmNames=[physical["Math"]])["MetricAlarms"]
        return {metric.get("Expression") for metric in found["Metrics"]} == {
            None,
            f"ANOMALY_DETECTION_BAND(calls, {threshold})",
        }

    return check


def _dashboard(title: str) -> Resources:
    body = f'{{"widgets": [{{"type": "text", "properties": {{"markdown": "{title}"}}}}]}}'
    return {"Board": _resource("CloudWatch::Dashboard", DashboardName="board", DashboardBody=body, Tags=_tags("board"))}


def _log_group(days: int, tag: str, *, with_key: bool) -> Resources:
    return {
        "Key": _resource("KMS::Key", KeyPolicy=_policy("kms:*", Principal="*")),
        "Group": _resource(
            "Logs::LogGroup",
            LogGroupName="/some/group",
            LogGroupClass="STANDARD",
            RetentionInDays=str(days),
            Tags=_tags(tag),
            **({"KmsKeyId": ATTRIBUTE("Key", "Arn")} if with_key else {}),
        ),
    }


def _retains(days: int) -> Callable[[Client, dict[str, str]], bool]:
    def check(client: Client, _physical: dict[str, str]) -> bool:
        (group,) = client("logs").describe_log_groups(logGroupNamePrefix="/some/group")["logGroups"]
        return bool(group["retentionInDays"] == days)

    return check


def _topic(name: str, raw: str) -> Resources:
    return {
        "Topic": _resource(
            "SNS::Topic", TopicName="told", DisplayName=name, KmsMasterKeyId="alias/aws/sns", Tags=_tags(name)
        ),
        "Policy": _resource(
            "SNS::TopicPolicy",
            Topics=[REF("Topic")],
            PolicyDocument=_policy("sns:Publish", Principal={"Service": "cloudwatch.amazonaws.com"}, Sid=name),
        ),
        "Someone": _resource(
            "SNS::Subscription",
            TopicArn=REF("Topic"),
            Protocol="https",
            Endpoint="https://localhost/told",
            FilterPolicy={"kind": [name]},
            RawMessageDelivery=raw,
        ),
    }


def _told(name: str) -> Callable[[Client, dict[str, str]], bool]:
    def check(client: Client, physical: dict[str, str]) -> bool:
        api = client("sns")
        attributes = api.get_topic_attributes(TopicArn=physical["Topic"])["Attributes"]
        someone = api.get_subscription_attributes(SubscriptionArn=physical["Someone"])["Attributes"]
        return attributes["DisplayName"] == name and name in attributes["Policy"] and name in someone["FilterPolicy"]

    return check


# --- functions and flows


def _function(tag: str, *, settled: bool) -> Resources:
    code = f"handler = lambda event, context: {tag!r}"
    more = {
        "Architectures": ["arm64"],
        "Description": "does it",
        "EphemeralStorage": {"Size": "1024"},
        "KmsKeyArn": ATTRIBUTE("Key", "Arn"),
        "LoggingConfig": {"LogGroup": REF("Group")},
        "MemorySize": "256",
        "ReservedConcurrentExecutions": "5",
        "TracingConfig": {"Mode": "Active"},
    }
    return {
        "Key": _resource("KMS::Key", KeyPolicy=_policy("kms:*", Principal="*")),
        "Group": _resource("Logs::LogGroup"),
        "Role": _role(),
        "Function": _resource(
            "Lambda::Function",
            FunctionName="some-function",
            Code={"ZipFile": code},
            Environment={"Variables": {"STATE": tag}},
            Handler="index.handler",
            Role=ATTRIBUTE("Role", "Arn"),
            Runtime="python3.13",
            Tags=_tags(tag),
            Timeout="30" if settled else "20",
            **(more if settled else {}),
        ),
        "Permission": _resource(
            "Lambda::Permission",
            Action="lambda:InvokeFunction",
            FunctionName=REF("Function"),
            Principal="events.amazonaws.com",
            SourceAccount="123456789012",
            SourceArn=f"arn:aws:events:us-east-1:123456789012:rule/{tag}",
        ),
    }


def _answers(tag: str) -> Callable[[Client, dict[str, str]], bool]:
    def check(client: Client, physical: dict[str, str]) -> bool:
        api, name = client("lambda"), physical["Function"]
        found = api.get_function(FunctionName=name)
        settings = found["Configuration"]
        policy = api.get_policy(FunctionName=name)["Policy"]
        return (
            settings["Environment"]["Variables"] == {"STATE": tag}
            and (settings["Timeout"], settings["MemorySize"], settings["Architectures"]) == (30, 256, ["arm64"])
            and settings["LoggingConfig"]["LogGroup"] == physical["Group"]
            and physical["Key"] in settings["KMSKeyArn"]
            and settings["TracingConfig"]["Mode"] == "Active"
            and settings["EphemeralStorage"] == {"Size": 1024}
            and found["Concurrency"]["ReservedConcurrentExecutions"] == 5
            and found["Tags"]["project"] == tag
            and f"rule/{tag}" in policy
            and api.invoke(FunctionName=name)["Payload"].read().decode() == f'"{tag}"'
        )

    return check


def _machines(result: str) -> Resources:
    state = {"Type": "Pass", "Result": "${Result}", "End": True}
    definition = {"StartAt": "Say", "States": {"Say": state}}
    log = {"Level": "ERROR", "IncludeExecutionData": "true"}
    destination = {"CloudWatchLogsLogGroup": {"LogGroupArn": ATTRIBUTE("Group", "Arn")}}
    return {
        "Group": _resource("Logs::LogGroup"),
        "Machine": _resource(
            "StepFunctions::StateMachine",
            StateMachineName="some-machine",
            StateMachineType="STANDARD",
            DefinitionString=json.dumps(definition),
            DefinitionSubstitutions={"Result": result},
            RoleArn=ROLE_ARN,
            LoggingConfiguration={**log, "Destinations": [destination]},
            TracingConfiguration={"Enabled": str(result == "second").lower()},
            EncryptionConfiguration={"Type": "AWS_OWNED_KEY"},
            Tags=_tags(result),
        ),
        "Object": _resource(
            "StepFunctions::StateMachine",
            Definition=definition,
            DefinitionSubstitutions={"Result": result},
            RoleArn=ROLE_ARN,
        ),
        "Rule": _resource(
            "Events::Rule",
            Name="some-rule",
            Description=result,
            EventPattern={"source": ["test"], "detail": {"what": [result]}},
            State="DISABLED" if result == "second" else "ENABLED",
            Tags=_tags("same"),
            Targets=[{"Id": result, "Arn": REF("Machine"), "RoleArn": ROLE_ARN, "Input": "{}"}],
        ),
        "Daily": _resource(
            "Events::Rule",
            ScheduleExpression="rate(1 day)",
            Targets=[{"Id": "it", "Arn": ATTRIBUTE("Machine", "Arn"), "RoleArn": ROLE_ARN}],
        ),
        "Schedules": _resource("Scheduler::ScheduleGroup", Name="some-schedules", Tags=_tags(result)),
        "Nightly": _resource(
            "Scheduler::Schedule",
            Name="nightly",
            GroupName=REF("Schedules"),
            Description=result,
            FlexibleTimeWindow={"Mode": "OFF"},
            KmsKeyArn="arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000",
            ScheduleExpression="cron(0 3 * * ? *)",
            ScheduleExpressionTimezone="Europe/Berlin",
            State="ENABLED",
            Target={"Arn": REF("Machine"), "RoleArn": ROLE_ARN, "Input": f'{{"is": "{result}"}}'},
        ),
    }


def _says(result: str) -> Callable[[Client, dict[str, str]], bool]:
    def check(client: Client, physical: dict[str, str]) -> bool:
        flows, events, scheduler = client("stepfunctions"), client("events"), client("scheduler")
        found = [flows.describe_state_machine(stateMachineArn=physical[name]) for name in ("Machine", "Object")]
        rule = events.describe_rule(Name="some-rule")
        (target,) = events.list_targets_by_rule(Rule="some-rule")["Targets"]
        nightly = scheduler.get_schedule(Name="nightly", GroupName="some-schedules")
        group = scheduler.list_tags_for_resource(ResourceArn=scheduler.get_schedule_group(Name="some-schedules")["Arn"])
        return (
            all(json.loads(one["definition"])["States"]["Say"]["Result"] == result for one in found)
            and found[0]["loggingConfiguration"]["includeExecutionData"]
            and found[0]["tracingConfiguration"]["enabled"] == (result == "second")
            and _has_tag(flows.list_tags_for_resource(resourceArn=physical["Machine"])["tags"], result)
            and (rule["State"], rule["Description"]) == ("DISABLED", result)
            and result in rule["EventPattern"]
            and target["Id"] == result
            and nightly["Target"]["Input"] == f'{{"is": "{result}"}}'
            and _has_tag(group["Tags"], result)
        )

    return check


def _stored_definition(tag: str) -> Resources:
    return {
        "Machine": _resource(
            "StepFunctions::StateMachine",
            DefinitionS3Location={"Bucket": DEFINITIONS, "Key": f"{tag}.json"},
            RoleArn=ROLE_ARN,
        )
    }


def _is_stored(tag: str) -> Callable[[Client, dict[str, str]], bool]:
    def check(client: Client, physical: dict[str, str]) -> bool:
        found = client("stepfunctions").describe_state_machine(stateMachineArn=physical["Machine"])
        return tag in found["definition"]

    return check


# --- storage


def _bucket(days: int, tag: str, *, versioned: bool) -> Resources:
    rules = [
        {"Id": "leftovers", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days}},
        {
            "Id": "old",
            "Status": "Enabled",
            "Prefix": "old/",
            "ExpirationInDays": "30",
            "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
        },
    ]
    return {
        "Key": _resource("KMS::Key", KeyPolicy=_policy("kms:*", Principal="*")),
        "Private": _resource("S3::Bucket", AccessControl="Private"),
        "Bucket": {
            "DependsOn": ["Private"],
            **_resource(
                "S3::Bucket",
                BucketName="a-bucket-of-examples",
                BucketEncryption={
                    "ServerSideEncryptionConfiguration": [
                        {
                            "BucketKeyEnabled": "true",
                            "ServerSideEncryptionByDefault": {
                                "SSEAlgorithm": "aws:kms",
                                "KMSMasterKeyID": ATTRIBUTE("Key", "Arn"),
                            },
                        }
                    ]
                },
                LifecycleConfiguration={"Rules": rules},
                OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                PublicAccessBlockConfiguration={
                    "BlockPublicAcls": "true",
                    "BlockPublicPolicy": "true",
                    "IgnorePublicAcls": "true",
                    "RestrictPublicBuckets": "true",
                },
                Tags=_tags(tag),
                **({} if versioned else {"NotificationConfiguration": {"EventBridgeConfiguration": {}}}),
                **({"VersioningConfiguration": {"Status": "Enabled"}} if versioned else {}),
            ),
        },
        "Policy": _resource(
            "S3::BucketPolicy",
            Bucket=REF("Bucket"),
            PolicyDocument={
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": tag,
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "s3:*",
                        "Resource": [ATTRIBUTE("Bucket", "Arn"), {"Fn::Sub": "${Bucket.Arn}/*"}],
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    }
                ],
            },
        ),
    }


def _keeps(days: int, tag: str) -> Callable[[Client, dict[str, str]], bool]:
    def check(client: Client, physical: dict[str, str]) -> bool:
        api, name = client("s3"), physical["Bucket"]
        rules = {rule["ID"]: rule for rule in api.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]}
        (encryption,) = api.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
        return (
            rules["leftovers"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": days}
            and rules["old"]["Expiration"] == {"Days": 30}
            and physical["Key"] in encryption["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
            and all(api.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values())
            and api.get_bucket_versioning(Bucket=name)["Status"] == "Suspended"
            and _has_tag(api.get_bucket_tagging(Bucket=name)["TagSet"], tag)
            and tag in api.get_bucket_policy(Bucket=name)["Policy"]
            and "EventBridgeConfiguration" in api.get_bucket_notification_configuration(Bucket=name)
        )

    return check


def _repository(mutability: str, count: int) -> Resources:
    rule = (
        '{"rules": [{"rulePriority": 1, "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", '
        f'"countNumber": {count}}}, "action": {{"type": "expire"}}}}]}}'
    )
    return {
        "Repository": _resource(
            "ECR::Repository",
            RepositoryName="some/repository",
            EmptyOnDelete="true",
            EncryptionConfiguration={"EncryptionType": "KMS"},
            ImageScanningConfiguration={"ScanOnPush": str(count == 1).lower()},
            ImageTagMutability=mutability,
            LifecyclePolicy={"LifecyclePolicyText": rule},
            RepositoryPolicyText=_policy("ecr:BatchGetImage", Principal="*", Sid=mutability),
            Tags=_tags(mutability),
        )
    }


def _is_mutable(client: Client, _physical: dict[str, str]) -> bool:
    api = client("ecr")
    (found,) = api.describe_repositories(repositoryNames=["some/repository"])["repositories"]
    policy = api.get_repository_policy(repositoryName="some/repository")["policyText"]
    lifecycle = api.get_lifecycle_policy(repositoryName="some/repository")["lifecyclePolicyText"]
    return (
        found["imageTagMutability"] == "MUTABLE"
        and not found["imageScanningConfiguration"]["scanOnPush"]
        and "MUTABLE" in policy
        and '"countNumber": 2' in lifecycle
    )


def _key(description: str, *, rotating: bool, target: str) -> Resources:
    return {
        "Key": _resource(
            "KMS::Key",
            Description=description,
            EnableKeyRotation=str(rotating).lower(),
            KeyPolicy=_policy("kms:*", Principal="*", Sid=description),
            KeySpec="SYMMETRIC_DEFAULT",
            KeyUsage="ENCRYPT_DECRYPT",
            MultiRegion="false",
            PendingWindowInDays="7",
            RotationPeriodInDays="180",
            Tags=_tags(description),
        ),
        "Other": _resource("KMS::Key", KeyPolicy=_policy("kms:*", Principal="*")),
        "Alias": _resource("KMS::Alias", AliasName="alias/some", TargetKeyId=REF(target)),
    }


def _names_other(client: Client, physical: dict[str, str]) -> bool:
    api = client("kms")
    aliases = {alias["AliasName"]: alias.get("TargetKeyId") for alias in api.list_aliases()["Aliases"]}
    policy = api.get_key_policy(KeyId=physical["Key"], PolicyName="default")["Policy"]
    return (
        aliases["alias/some"] == physical["Other"]
        and "second" in policy
        and api.describe_key(KeyId=physical["Key"])["KeyMetadata"]["Description"] == "second"
        and not api.get_key_rotation_status(KeyId=physical["Key"])["KeyRotationEnabled"]
    )


def _parameter(value: str) -> Resources:
    return {
        "Parameter": _resource(
            "SSM::Parameter",
            AllowedPattern="[a-z]+",
            Description=f"a {value}",
            Name="/some/parameter",
            Tags=_tags(value),
            Tier="Standard",
            Type="String",
            Value=value,
        )
    }


# --- identity


def _identity(action: str, *, roles: list[str]) -> Resources:
    return {
        "First": _role(
            Description=action,
            ManagedPolicyArns=["arn:aws:iam::aws:policy/ReadOnlyAccess"] if roles == ["First"] else [],
            MaxSessionDuration="7200",
            Path="/some/",
            PermissionsBoundary="arn:aws:iam::aws:policy/AdministratorAccess",
            Policies=[{"PolicyName": action.replace(":", "-"), "PolicyDocument": _policy(action)}],
            RoleName="first-role",
            Tags=_tags(action),
        ),
        "Second": _role(),
        "Inline": _resource(
            "IAM::Policy", PolicyName="inline", PolicyDocument=_policy(action), Roles=[REF(role) for role in roles]
        ),
        "Managed": _resource(
            "IAM::ManagedPolicy",
            Description="managed",
            ManagedPolicyName="managed",
            Path="/",
            PolicyDocument=_policy(action),
            Roles=[REF(role) for role in roles],
        ),
    }


def _is_moved(client: Client, physical: dict[str, str]) -> bool:
    api = client("iam")
    first = set(api.list_role_policies(RoleName="first-role")["PolicyNames"])
    second = set(api.list_role_policies(RoleName=physical["Second"])["PolicyNames"])
    attached = api.list_attached_role_policies(RoleName=physical["Second"])["AttachedPolicies"]
    version = api.get_policy(PolicyArn=physical["Managed"])["Policy"]["DefaultVersionId"]
    document = api.get_policy_version(PolicyArn=physical["Managed"], VersionId=version)["PolicyVersion"]["Document"]
    return (
        first == {"s3-ListBucket"}
        and second == {"inline"}
        and [policy["PolicyName"] for policy in attached] == ["managed"]
        and not api.list_attached_role_policies(RoleName="first-role")["AttachedPolicies"]
        and document["Statement"][0]["Action"] == "s3:ListBucket"
        and api.get_role(RoleName="first-role")["Role"]["Description"] == "s3:ListBucket"
    )


# --- network


def _network(tag: str, port: int) -> Resources:
    tags = _tags(tag)
    rule = {"IpProtocol": "tcp", "FromPort": str(port), "ToPort": str(port), "CidrIp": "10.0.0.0/16"}
    return {
        "Vpc": _resource(
            "EC2::VPC",
            CidrBlock="10.0.0.0/16",
            EnableDnsHostnames="true",
            EnableDnsSupport="true",
            InstanceTenancy="default",
            Tags=tags,
        ),
        "Subnet": _resource(
            "EC2::Subnet",
            AvailabilityZone={"Fn::Select": [0, {"Fn::GetAZs": ""}]},
            CidrBlock={"Fn::Select": ["0", {"Fn::Cidr": [ATTRIBUTE("Vpc", "CidrBlock"), 2, 8]}]},
            MapPublicIpOnLaunch="false",
            Tags=tags,
            VpcId=REF("Vpc"),
        ),
        "Routes": _resource("EC2::RouteTable", VpcId=REF("Vpc"), Tags=tags),
        "Association": _resource(
            "EC2::SubnetRouteTableAssociation", RouteTableId=REF("Routes"), SubnetId=REF("Subnet")
        ),
        "Group": _resource(
            "EC2::SecurityGroup",
            GroupDescription="of the machines",
            GroupName="machines",
            SecurityGroupEgress=[{**rule, "Description": "to callers"}],
            SecurityGroupIngress=[rule],
            Tags=tags,
            VpcId=REF("Vpc"),
        ),
        "In": _resource(
            "EC2::SecurityGroupIngress",
            Description="from itself",
            FromPort=str(port + 1),
            GroupId=ATTRIBUTE("Group", "GroupId"),
            IpProtocol="tcp",
            SourceSecurityGroupId=ATTRIBUTE("Group", "GroupId"),
            ToPort=str(port + 1),
        ),
        "InV4": _resource(
            "EC2::SecurityGroupIngress",
            CidrIp="10.1.0.0/16",
            FromPort=1,
            ToPort=1,
            GroupId=ATTRIBUTE("Group", "GroupId"),
            IpProtocol="tcp",
        ),
        "InV6": _resource(
            "EC2::SecurityGroupIngress",
            CidrIpv6="2001:db8::/32",
            FromPort=2,
            ToPort=2,
            GroupId=ATTRIBUTE("Group", "GroupId"),
            IpProtocol="tcp",
        ),
        "InList": _resource(
            "EC2::SecurityGroupIngress",
            SourcePrefixListId="pl-12345678",
            FromPort=3,
            ToPort=3,
            GroupId=ATTRIBUTE("Group", "GroupId"),
            IpProtocol="tcp",
        ),
        "Out": _resource(
            "EC2::SecurityGroupEgress",
            Description="to itself",
            DestinationSecurityGroupId=ATTRIBUTE("Group", "GroupId"),
            FromPort=str(port + 2),
            GroupId=ATTRIBUTE("Group", "GroupId"),
            IpProtocol="tcp",
            ToPort=str(port + 2),
        ),
        "OutV4": _resource(
            "EC2::SecurityGroupEgress",
            CidrIp="10.1.0.0/16",
            FromPort=1,
            ToPort=1,
            GroupId=ATTRIBUTE("Group", "GroupId"),
            IpProtocol="tcp",
        ),
        "OutV6": _resource(
            "EC2::SecurityGroupEgress",
            CidrIpv6="2001:db8::/32",
            FromPort=2,
            ToPort=2,
            GroupId=ATTRIBUTE("Group", "GroupId"),
            IpProtocol="tcp",
        ),
        "OutList": _resource(
            "EC2::SecurityGroupEgress",
            DestinationPrefixListId="pl-12345678",
            FromPort=3,
            ToPort=3,
            GroupId=ATTRIBUTE("Group", "GroupId"),
            IpProtocol="tcp",
        ),
        "Interface": _resource(
            "EC2::VPCEndpoint",
            PolicyDocument=_policy("sagemaker:InvokeEndpoint", Principal="*", Sid=tag),
            PrivateDnsEnabled="true",
            SecurityGroupIds=[ATTRIBUTE("Group", "GroupId")],
            ServiceName={"Fn::Sub": "com.amazonaws.${AWS::Region}.sagemaker.runtime"},
            SubnetIds=[REF("Subnet")],
            Tags=tags,
            VpcEndpointType="Interface",
            VpcId=REF("Vpc"),
        ),
        "Gateway": _resource(
            "EC2::VPCEndpoint",
            RouteTableIds=[REF("Routes")],
            ServiceName={"Fn::Join": ["", ["com.amazonaws.", REF("AWS::Region"), ".s3"]]},
            VpcEndpointType="Gateway",
            VpcId=REF("Vpc"),
        ),
        "FlowGroup": _resource("Logs::LogGroup"),
        "FlowRole": _role(),
        "Flow": _resource(
            "EC2::FlowLog",
            DeliverLogsPermissionArn=ATTRIBUTE("FlowRole", "Arn"),
            LogDestinationType="cloud-watch-logs",
            LogFormat="${srcaddr} ${dstaddr}",
            LogGroupName=REF("FlowGroup"),
            MaxAggregationInterval="60",
            ResourceId=REF("Vpc"),
            ResourceType="VPC",
            Tags=tags,
            TrafficType="REJECT",
        ),
        "FlowBucket": _resource("S3::Bucket"),
        "FlowToBucket": _resource(
            "EC2::FlowLog",
            LogDestination=ATTRIBUTE("FlowBucket", "Arn"),
            LogDestinationType="s3",
            ResourceId=REF("Vpc"),
            ResourceType="VPC",
            TrafficType="ALL",
        ),
    }


def _is_open(port: int, tag: str) -> Callable[[Client, dict[str, str]], bool]:
    def check(client: Client, physical: dict[str, str]) -> bool:
        api = client("ec2")
        (group,) = api.describe_security_groups(GroupIds=[physical["Group"]])["SecurityGroups"]
        (vpc,) = api.describe_vpcs(VpcIds=[physical["Vpc"]])["Vpcs"]
        opened = {rule["FromPort"] for rule in group["IpPermissions"]}
        out = {rule.get("FromPort") for rule in group["IpPermissionsEgress"]}
        return opened == {port, port + 1, 1, 2, 3} and out == {port, port + 2, 1, 2, 3} and _has_tag(vpc["Tags"], tag)

    return check


# --- building and serving


def _project(description: str) -> Resources:
    return {
        "Role": _role(),
        "Project": _resource(
            "CodeBuild::Project",
            Artifacts={"Type": "NO_ARTIFACTS"},
            BadgeEnabled="false",
            Cache={"Type": "NO_CACHE"},
            ConcurrentBuildLimit="2",
            Description=description,
            EncryptionKey="alias/aws/s3",
            Environment={
                "Type": "LINUX_CONTAINER",
                "ComputeType": "BUILD_GENERAL1_LARGE",
                "Image": "aws/codebuild/standard:7.0",
                "PrivilegedMode": "true",
                "EnvironmentVariables": [{"Name": "TORCH", "Value": "cpu", "Type": "PLAINTEXT"}],
            },
            LogsConfig={"CloudWatchLogs": {"Status": "ENABLED", "GroupName": "/builds"}},
            Name="builder",
            QueuedTimeoutInMinutes="60",
            ServiceRole=ATTRIBUTE("Role", "Arn"),
            Source={"Type": "NO_SOURCE", "BuildSpec": "version: 0.2"},
            SourceVersion="one",
            Tags=_tags(description),
            TimeoutInMinutes="30",
            Visibility="PRIVATE",
            VpcConfig={"VpcId": "vpc-1", "Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        ),
    }


def _is_described(text: str) -> Callable[[Client, dict[str, str]], bool]:
    def check(client: Client, _physical: dict[str, str]) -> bool:
        (project,) = client("codebuild").batch_get_projects(names=["builder"])["projects"]
        return bool(project["description"] == text and project["environment"]["privilegedMode"] is True)

    return check


def _model(tag: str) -> Resources:
    container = {
        "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/some:one",
        "ModelDataUrl": "s3://some/model.tar.gz",
    }
    vpc = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    return {
        "Role": _role(),
        "Model": _resource(
            "SageMaker::Model",
            EnableNetworkIsolation="true",
            ExecutionRoleArn=ATTRIBUTE("Role", "Arn"),
            ModelName="some-model",
            PrimaryContainer=container,
            Tags=_tags(tag),
            VpcConfig=vpc,
        ),
        "Pipeline": _resource(
            "SageMaker::Model",
            Containers=[container, container],
            ExecutionRoleArn=ATTRIBUTE("Role", "Arn"),
            InferenceExecutionConfig={"Mode": "Serial"},
        ),
    }


def _variant(**more: Any) -> dict[str, Any]:
    return {
        "VariantName": "AllTraffic",
        "ModelName": ATTRIBUTE("Model", "ModelName"),
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": "1",
        "InitialVariantWeight": "1.0",
        **more,
    }


def _serving(revision: str, tag: str, copies: int) -> Resources:
    container = {
        "Image": f"123456789012.dkr.ecr.us-east-1.amazonaws.com/some:{revision}",
        "ModelDataUrl": "s3://some/model.tar.gz",
    }
    return {
        "Role": _role(),
        "Model": _resource("SageMaker::Model", ExecutionRoleArn=ATTRIBUTE("Role", "Arn"), PrimaryContainer=container),
        "Config": _resource(
            "SageMaker::EndpointConfig",
            DataCaptureConfig={
                "EnableCapture": "true",
                "InitialSamplingPercentage": "10",
                "DestinationS3Uri": "s3://some/captured",
                "CaptureOptions": [{"CaptureMode": "Input"}],
            },
            EnableNetworkIsolation="false",
            ExecutionRoleArn=ATTRIBUTE("Role", "Arn"),
            KmsKeyId="some-key",
            ProductionVariants=[_variant(ContainerStartupHealthCheckTimeoutInSeconds="600")],
            Tags=_tags(tag),
            VpcConfig={"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        ),
        "Other": _resource(
            "SageMaker::EndpointConfig",
            EndpointConfigName=f"asynchronous-{revision}",
            AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": "s3://some/out"}},
            MetricsConfig={"EnableEnhancedMetrics": "true", "MetricPublishFrequencyInSeconds": "30"},
            ExplainerConfig={"ClarifyExplainerConfig": {"ShapConfig": {"ShapBaselineConfig": {"ShapBaseline": "1"}}}},
            ProductionVariants=[_variant()],
            ShadowProductionVariants=[_variant(VariantName="Shadow")],
        ),
        "Endpoint": _resource(
            "SageMaker::Endpoint",
            DeploymentConfig={
                "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "slow"}]},
                "BlueGreenUpdatePolicy": {
                    "TrafficRoutingConfiguration": {
                        "Type": "CANARY",
                        "WaitIntervalInSeconds": "60",
                        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": "50"},
                    }
                },
            },
            EndpointConfigName=ATTRIBUTE("Config", "EndpointConfigName"),
            EndpointName="some-endpoint",
            ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DataCaptureConfig"}],
            RetainAllVariantProperties="true",
            RetainDeploymentConfig="false",
            Tags=_tags("endpoint"),
        ),
        "Copies": {
            "DependsOn": ["Endpoint"],
            **_resource(
                "SageMaker::InferenceComponent",
                DeploymentConfig={
                    "RollingUpdatePolicy": {
                        "MaximumBatchSize": {"Type": "COPY_COUNT", "Value": "1"},
                        "WaitIntervalInSeconds": "60",
                    }
                },
                EndpointName=ATTRIBUTE("Endpoint", "EndpointName"),
                InferenceComponentName="some-copies",
                RuntimeConfig={"CopyCount": str(copies)},
                Specification={
                    "ModelName": ATTRIBUTE("Model", "ModelName"),
                    "ComputeResourceRequirements": {"MinMemoryRequiredInMb": "1024"},
                },
                Tags=_tags("copies"),
                VariantName="AllTraffic",
            ),
        },
    }


def _serves(copies: int) -> Callable[[Client, dict[str, str]], bool]:
    def check(client: Client, physical: dict[str, str]) -> bool:
        api = client("sagemaker")
        endpoint = api.describe_endpoint(EndpointName="some-endpoint")
        component = api.describe_inference_component(InferenceComponentName="some-copies")
        return (
            endpoint["EndpointStatus"] == "InService"
            and physical["Config"].lower().endswith(endpoint["EndpointConfigName"].lower())
            and component["RuntimeConfig"]["CurrentCopyCount"] == copies
        )

    return check


def _is_there(client: Client, physical: dict[str, str]) -> bool:
    found = client("sagemaker").describe_model(ModelName="some-model")
    return bool(found["ModelArn"] == physical["Model"])


def _dashboard_reads(client: Client, _physical: dict[str, str]) -> bool:
    return "second" in client("cloudwatch").get_dashboard(DashboardName="board")["DashboardBody"]


def _parameter_reads(client: Client, _physical: dict[str, str]) -> bool:
    return bool(client("ssm").get_parameter(Name="/some/parameter")["Parameter"]["Value"] == "second")


def _budget(usd: int, topic: str) -> Resources:
    return {
        "Budget": _resource(
            "Budgets::Budget",
            Budget={
                "BudgetName": f"budget-{topic}",
                "BudgetType": "COST",
                "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": usd, "Unit": "USD"},
                "CostFilters": {"TagKeyValue": ["user:deployment$jina-v3"]},
            },
            NotificationsWithSubscribers=[
                {
                    "Notification": {
                        "NotificationType": "ACTUAL",
                        "ComparisonOperator": "GREATER_THAN",
                        "Threshold": 80,
                        "ThresholdType": "PERCENTAGE",
                    },
                    "Subscribers": [
                        {"SubscriptionType": "SNS", "Address": f"arn:aws:sns:us-east-1:123456789012:{topic}"}
                    ],
                }
            ],
            ResourceTags=_tags("budget"),
        )
    }


def _is_limited(usd: int) -> Callable[[Client, dict[str, str]], bool]:
    def check(client: Client, physical: dict[str, str]) -> bool:
        api, named = client("budgets"), {"AccountId": "123456789012", "BudgetName": physical["Budget"]}
        limit = api.describe_budget(**named)["Budget"]["BudgetLimit"]["Amount"]
        (notification,) = api.describe_notifications_for_budget(**named)["Notifications"]
        return float(limit) == usd and notification["Threshold"] == 80

    return check


def _metric_filter(event: str) -> Resources:
    return {
        "Group": _resource("Logs::LogGroup", LogGroupName="filtered"),
        "Filter": _resource(
            "Logs::MetricFilter",
            FilterName="some-filter",
            FilterPattern=f'{{ $.event = "{event}" }}',
            LogGroupName=REF("Group"),
            MetricTransformations=[{"MetricName": "Waits", "MetricNamespace": "Mine", "MetricValue": "$.wait_ms"}],
        ),
    }


def _is_filtered(event: str) -> Callable[[Client, dict[str, str]], bool]:
    def check(client: Client, physical: dict[str, str]) -> bool:
        (found,) = client("logs").describe_metric_filters(logGroupName="filtered")["metricFilters"]
        return found["filterName"] == physical["Filter"] and event in found["filterPattern"]

    return check


def _metadata(text: str) -> Resources:
    return {"CDKMetadata": _resource("CDK::Metadata", Analytics=text)}


EXAMPLES = {
    "scaling": Example(_scaling(2, 5.0), _scaling(4, 7.5), _tracks(7.5, 4)),
    "step scaling": Example(_step_scaling(1), _step_scaling(2), _steps(2)),
    "alarm": Example(_alarm(5.0, "one"), _alarm(6.5, "two"), _alarms_at(6.5)),
    "alarm on an expression": Example(_expression_alarm(2), _expression_alarm(3), _computes(3)),
    "budget": Example(_budget(100, "one"), _budget(200, "two"), _is_limited(200)),
    "metric filter": Example(_metric_filter("one"), _metric_filter("two"), _is_filtered("two")),
    "dashboard": Example(_dashboard("first"), _dashboard("second"), _dashboard_reads),
    "logs": Example(_log_group(7, "one", with_key=True), _log_group(30, "two", with_key=False), _retains(30)),
    "function": Example(_function("one", settled=False), _function("two", settled=True), _answers("two")),
    "flow": Example(_machines("first"), _machines("second"), _says("second")),
    "stored definition": Example(_stored_definition("first"), _stored_definition("second"), _is_stored("second")),
    "topic": Example(_topic("one", "true"), _topic("two", "false"), _told("two")),
    "bucket": Example(_bucket(1, "one", versioned=True), _bucket(3, "two", versioned=False), _keeps(3, "two")),
    "repository": Example(_repository("IMMUTABLE", 1), _repository("MUTABLE", 2), _is_mutable),
    "key": Example(
        _key("first", rotating=True, target="Key"), _key("second", rotating=False, target="Other"), _names_other
    ),
    "parameter": Example(_parameter("first"), _parameter("second"), _parameter_reads),
    "identity": Example(
        _identity("s3:GetObject", roles=["First"]), _identity("s3:ListBucket", roles=["Second"]), _is_moved
    ),
    "network": Example(_network("one", 443), _network("two", 8443), _is_open(8443, "two")),
    "project": Example(_project("first"), _project("second"), _is_described("second")),
    "model": Example(_model("one"), _model("two"), _is_there),
    "serving": Example(_serving("one", "one", 1), _serving("two", "two", 2), _serves(2)),
    "metadata": Example(_metadata("one"), _metadata("two"), lambda _client, physical: "CDKMetadata" in physical),
}
