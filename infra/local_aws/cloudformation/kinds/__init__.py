"""How each type of resource in the table is made, changed and deleted, by calls to this AWS's own services."""

from __future__ import annotations

from typing import Final

from local_aws.cloudformation.kinds import (
    flow,
    functions,
    identity,
    network,
    sagemaker,
    spending,
    storage,
    watching,
    working,
)
from local_aws.cloudformation.kinds.base import Calls, Kind, Physical, ResourceError

KINDS: Final[dict[str, Kind]] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": working.ScalableTarget(),
    "AWS::ApplicationAutoScaling::ScalingPolicy": working.ScalingPolicy(),
    "AWS::Budgets::Budget": spending.Budget(),
    "AWS::CDK::Metadata": working.Metadata(),
    "AWS::CloudWatch::Alarm": watching.Alarm(),
    "AWS::CloudWatch::Dashboard": watching.Dashboard(),
    "AWS::CodeBuild::Project": working.BuildProject(),
    "AWS::EC2::FlowLog": network.FlowLog(),
    "AWS::EC2::RouteTable": network.RouteTable(),
    "AWS::EC2::SecurityGroup": network.SecurityGroup(),
    "AWS::EC2::SecurityGroupEgress": network.SecurityGroupRule("Egress"),
    "AWS::EC2::SecurityGroupIngress": network.SecurityGroupRule("Ingress"),
    "AWS::EC2::Subnet": network.Subnet(),
    "AWS::EC2::SubnetRouteTableAssociation": network.RouteTableAssociation(),
    "AWS::EC2::VPC": network.Vpc(),
    "AWS::EC2::VPCEndpoint": network.VpcEndpoint(),
    "AWS::ECR::Repository": storage.Repository(),
    "AWS::Events::Rule": flow.Rule(),
    "AWS::IAM::ManagedPolicy": identity.ManagedPolicy(),
    "AWS::IAM::Policy": identity.Policy(),
    "AWS::IAM::Role": identity.Role(),
    "AWS::KMS::Alias": storage.Alias(),
    "AWS::KMS::Key": storage.Key(),
    "AWS::Lambda::Function": functions.Function(),
    "AWS::Lambda::Permission": functions.Permission(),
    "AWS::Logs::LogGroup": watching.LogGroup(),
    "AWS::Logs::MetricFilter": watching.MetricFilter(),
    "AWS::S3::Bucket": storage.Bucket(),
    "AWS::S3::BucketPolicy": storage.BucketPolicy(),
    "AWS::SNS::Subscription": watching.Subscription(),
    "AWS::SNS::Topic": watching.Topic(),
    "AWS::SNS::TopicPolicy": watching.TopicPolicy(),
    "AWS::SSM::Parameter": storage.Parameter(),
    "AWS::SageMaker::Endpoint": sagemaker.Endpoint(),
    "AWS::SageMaker::EndpointConfig": sagemaker.EndpointConfig(),
    "AWS::SageMaker::InferenceComponent": sagemaker.InferenceComponent(),
    "AWS::SageMaker::Model": sagemaker.Model(),
    "AWS::Scheduler::Schedule": flow.Schedule(),
    "AWS::Scheduler::ScheduleGroup": flow.ScheduleGroup(),
    "AWS::StepFunctions::StateMachine": flow.StateMachine(),
}

__all__ = ["KINDS", "Calls", "Kind", "Physical", "ResourceError"]
