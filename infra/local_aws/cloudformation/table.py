"""Which resource types, and which of their properties, this CloudFormation takes: the only place to declare them.

``modelled`` properties reach the service's API; ``recorded`` ones are accepted and kept with the stack, to be looked
at, without any effect; a change of a ``replaced_by`` property makes a new resource, as AWS's reference of the type
says; ``name`` is the property that names it. A type or a property that is not here fails the deployment.

Only data is here: what is done with it is in ``kinds``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceType:
    """One row of the table."""

    modelled: frozenset[str]
    recorded: frozenset[str]
    replaced_by: frozenset[str]
    attributes: frozenset[str]
    name: str


def _row(
    modelled: str, *, recorded: str = "", replaced_by: str = "", attributes: str = "", name: str = ""
) -> ResourceType:
    return ResourceType(
        modelled=frozenset(modelled.split()),
        recorded=frozenset(recorded.split()),
        replaced_by=frozenset(replaced_by.split()),
        attributes=frozenset(attributes.split()),
        name=name,
    )


RESOURCE_TYPES: Final[dict[str, ResourceType]] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": _row(
        "MaxCapacity MinCapacity ResourceId RoleARN ScalableDimension ServiceNamespace SuspendedState",
        recorded="Tags",  # moto keeps none
        replaced_by="ResourceId ScalableDimension ServiceNamespace",
        attributes="Id",
    ),
    "AWS::ApplicationAutoScaling::ScalingPolicy": _row(
        "PolicyName PolicyType ResourceId ScalableDimension ScalingTargetId ServiceNamespace "
        "StepScalingPolicyConfiguration TargetTrackingScalingPolicyConfiguration",
        replaced_by="PolicyName ResourceId ScalableDimension ScalingTargetId ServiceNamespace",
        attributes="Arn",
        name="PolicyName",
    ),
    "AWS::Budgets::Budget": _row(
        "Budget NotificationsWithSubscribers",
        recorded="ResourceTags",  # moto keeps none
        replaced_by="NotificationsWithSubscribers",
    ),
    "AWS::CDK::Metadata": _row("", recorded="Analytics"),
    "AWS::CloudWatch::Alarm": _row(
        "ActionsEnabled AlarmActions AlarmDescription AlarmName ComparisonOperator DatapointsToAlarm Dimensions "
        "EvaluateLowSampleCountPercentile EvaluationPeriods ExtendedStatistic InsufficientDataActions MetricName "
        "Metrics Namespace OKActions Period Statistic Tags Threshold ThresholdMetricId TreatMissingData Unit",
        replaced_by="AlarmName",
        attributes="Arn",
        name="AlarmName",
    ),
    "AWS::CloudWatch::Dashboard": _row(
        "DashboardBody DashboardName",
        recorded="Tags",  # moto keeps none
        replaced_by="DashboardName",
        name="DashboardName",
    ),
    "AWS::CodeBuild::Project": _row(
        "Artifacts Cache ConcurrentBuildLimit Description EncryptionKey Environment LogsConfig Name "
        "QueuedTimeoutInMinutes ServiceRole Source SourceVersion Tags TimeoutInMinutes VpcConfig",
        recorded="BadgeEnabled Visibility",
        replaced_by="Name",
        attributes="Arn",
        name="Name",
    ),
    "AWS::EC2::FlowLog": _row(
        "DeliverLogsPermissionArn LogDestination LogDestinationType LogFormat LogGroupName MaxAggregationInterval "
        "ResourceId ResourceType Tags TrafficType",
        replaced_by="DeliverLogsPermissionArn LogDestination LogDestinationType LogFormat LogGroupName "
        "MaxAggregationInterval ResourceId ResourceType TrafficType",
        attributes="Id",
    ),
    "AWS::EC2::RouteTable": _row("Tags VpcId", replaced_by="VpcId", attributes="RouteTableId"),
    "AWS::EC2::SecurityGroup": _row(
        "GroupDescription GroupName SecurityGroupEgress SecurityGroupIngress Tags VpcId",
        replaced_by="GroupDescription GroupName VpcId",
        attributes="GroupId VpcId",
        name="GroupName",
    ),
    "AWS::EC2::SecurityGroupEgress": _row(
        "CidrIp CidrIpv6 Description DestinationPrefixListId DestinationSecurityGroupId FromPort GroupId IpProtocol "
        "ToPort",
        replaced_by="CidrIp CidrIpv6 Description DestinationPrefixListId DestinationSecurityGroupId FromPort GroupId "
        "IpProtocol ToPort",
        attributes="Id",
    ),
    "AWS::EC2::SecurityGroupIngress": _row(
        "CidrIp CidrIpv6 Description FromPort GroupId IpProtocol SourcePrefixListId SourceSecurityGroupId ToPort",
        replaced_by="CidrIp CidrIpv6 Description FromPort GroupId IpProtocol SourcePrefixListId SourceSecurityGroupId "
        "ToPort",
        attributes="Id",
    ),
    "AWS::EC2::Subnet": _row(
        "AvailabilityZone CidrBlock MapPublicIpOnLaunch Tags VpcId",
        replaced_by="AvailabilityZone CidrBlock VpcId",
        attributes="AvailabilityZone CidrBlock SubnetId VpcId",
    ),
    "AWS::EC2::SubnetRouteTableAssociation": _row(
        "RouteTableId SubnetId", replaced_by="RouteTableId SubnetId", attributes="Id"
    ),
    "AWS::EC2::VPC": _row(
        "CidrBlock EnableDnsHostnames EnableDnsSupport InstanceTenancy Tags",
        replaced_by="CidrBlock InstanceTenancy",
        attributes="CidrBlock DefaultNetworkAcl DefaultSecurityGroup VpcId",
    ),
    "AWS::EC2::VPCEndpoint": _row(
        "PolicyDocument PrivateDnsEnabled RouteTableIds SecurityGroupIds ServiceName SubnetIds Tags "
        "VpcEndpointType VpcId",
        replaced_by="ServiceName VpcEndpointType VpcId",
        attributes="Id",
    ),
    "AWS::ECR::Repository": _row(
        "EmptyOnDelete EncryptionConfiguration ImageScanningConfiguration ImageTagMutability LifecyclePolicy "
        "RepositoryName RepositoryPolicyText Tags",
        replaced_by="EncryptionConfiguration RepositoryName",
        attributes="Arn RepositoryUri",
        name="RepositoryName",
    ),
    "AWS::Events::Rule": _row(
        "Description EventPattern Name ScheduleExpression State Tags Targets",
        replaced_by="Name",
        attributes="Arn",
        name="Name",
    ),
    "AWS::IAM::ManagedPolicy": _row(
        "Description ManagedPolicyName Path PolicyDocument Roles",
        replaced_by="Description ManagedPolicyName Path",
        attributes="PolicyArn",
        name="ManagedPolicyName",
    ),
    "AWS::IAM::Policy": _row("PolicyDocument PolicyName Roles", replaced_by="PolicyName", attributes="Id"),
    "AWS::IAM::Role": _row(
        "AssumeRolePolicyDocument Description ManagedPolicyArns MaxSessionDuration Path PermissionsBoundary Policies "
        "RoleName Tags",
        replaced_by="Path RoleName",
        attributes="Arn RoleId",
        name="RoleName",
    ),
    "AWS::KMS::Alias": _row("AliasName TargetKeyId", replaced_by="AliasName", name="AliasName"),
    "AWS::KMS::Key": _row(
        "Description EnableKeyRotation KeyPolicy KeySpec KeyUsage MultiRegion PendingWindowInDays RotationPeriodInDays "
        "Tags",
        replaced_by="KeySpec KeyUsage MultiRegion",
        attributes="Arn KeyId",
    ),
    "AWS::Lambda::Function": _row(
        "Architectures Code Description Environment EphemeralStorage FunctionName Handler KmsKeyArn LoggingConfig "
        "MemorySize ReservedConcurrentExecutions Role Runtime Tags Timeout TracingConfig",
        replaced_by="FunctionName",
        attributes="Arn",
        name="FunctionName",
    ),
    "AWS::Lambda::Permission": _row(
        "Action FunctionName Principal SourceAccount SourceArn",
        replaced_by="Action FunctionName Principal SourceAccount SourceArn",
        attributes="Id",
    ),
    "AWS::Logs::LogGroup": _row(
        "KmsKeyId LogGroupClass LogGroupName RetentionInDays Tags",
        replaced_by="LogGroupName",
        attributes="Arn",
        name="LogGroupName",
    ),
    "AWS::Logs::MetricFilter": _row(
        "FilterName FilterPattern LogGroupName MetricTransformations",
        replaced_by="FilterName LogGroupName",
        name="FilterName",
    ),
    "AWS::S3::Bucket": _row(
        "BucketEncryption BucketName LifecycleConfiguration NotificationConfiguration OwnershipControls "
        "PublicAccessBlockConfiguration Tags VersioningConfiguration",
        recorded="AccessControl",
        replaced_by="BucketName",
        attributes="Arn DomainName RegionalDomainName",
        name="BucketName",
    ),
    "AWS::S3::BucketPolicy": _row("Bucket PolicyDocument", replaced_by="Bucket"),
    "AWS::SNS::Subscription": _row(
        "Endpoint FilterPolicy Protocol RawMessageDelivery TopicArn",
        replaced_by="Endpoint Protocol TopicArn",
        attributes="Arn",
    ),
    "AWS::SNS::Topic": _row(
        "DisplayName KmsMasterKeyId Tags TopicName",
        replaced_by="TopicName",
        attributes="TopicArn TopicName",
        name="TopicName",
    ),
    "AWS::SNS::TopicPolicy": _row("PolicyDocument Topics", attributes="Id"),
    "AWS::SSM::Parameter": _row(
        "AllowedPattern Description Name Tags Tier Type Value",
        replaced_by="Name",
        attributes="Type Value",
        name="Name",
    ),
    "AWS::SageMaker::Endpoint": _row(
        "DeploymentConfig EndpointConfigName EndpointName ExcludeRetainedVariantProperties RetainAllVariantProperties "
        "RetainDeploymentConfig Tags",
        replaced_by="EndpointName",
        attributes="EndpointArn EndpointName",
        name="EndpointName",
    ),
    "AWS::SageMaker::EndpointConfig": _row(
        "AsyncInferenceConfig DataCaptureConfig EnableNetworkIsolation EndpointConfigName ExecutionRoleArn "
        "ExplainerConfig KmsKeyId MetricsConfig ProductionVariants ShadowProductionVariants Tags VpcConfig",
        replaced_by="AsyncInferenceConfig DataCaptureConfig EnableNetworkIsolation EndpointConfigName ExecutionRoleArn "
        "ExplainerConfig KmsKeyId MetricsConfig ProductionVariants ShadowProductionVariants VpcConfig",
        attributes="EndpointConfigArn EndpointConfigName",
        name="EndpointConfigName",
    ),
    "AWS::SageMaker::InferenceComponent": _row(
        "DeploymentConfig EndpointName InferenceComponentName RuntimeConfig Specification Tags VariantName",
        replaced_by="EndpointName InferenceComponentName VariantName",
        attributes="CreationTime InferenceComponentArn InferenceComponentStatus LastModifiedTime "
        "RuntimeConfig.CurrentCopyCount RuntimeConfig.DesiredCopyCount",
        name="InferenceComponentName",
    ),
    "AWS::SageMaker::Model": _row(
        "Containers EnableNetworkIsolation ExecutionRoleArn InferenceExecutionConfig ModelName PrimaryContainer Tags "
        "VpcConfig",
        replaced_by="Containers EnableNetworkIsolation ExecutionRoleArn InferenceExecutionConfig ModelName "
        "PrimaryContainer VpcConfig",
        attributes="ModelArn ModelName",
        name="ModelName",
    ),
    "AWS::Scheduler::Schedule": _row(
        "Description FlexibleTimeWindow GroupName KmsKeyArn Name ScheduleExpression ScheduleExpressionTimezone State "
        "Target",
        replaced_by="GroupName Name",
        attributes="Arn",
        name="Name",
    ),
    "AWS::Scheduler::ScheduleGroup": _row("Name Tags", replaced_by="Name", attributes="Arn", name="Name"),
    "AWS::StepFunctions::StateMachine": _row(
        "Definition DefinitionS3Location DefinitionString DefinitionSubstitutions EncryptionConfiguration "
        "LoggingConfiguration RoleArn StateMachineName StateMachineType Tags TracingConfiguration",
        replaced_by="StateMachineName StateMachineType",
        attributes="Arn Name",
        name="StateMachineName",
    ),
}
