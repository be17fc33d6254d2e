"""What there is in a local AWS, by the services' own lists: for tests that nothing is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Inventory = Callable[[str], dict[str, set[str]]]
"""What there is in a region."""

LISTS: dict[str, tuple[str, str, str, str]] = {
    "alarms": ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    "aliases": ("kms", "list_aliases", "Aliases", "AliasName"),
    "buckets": ("s3", "list_buckets", "Buckets", "Name"),
    "dashboards": ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    "endpoint configs": ("sagemaker", "list_endpoint_configs", "EndpointConfigs", "EndpointConfigName"),
    "flow logs": ("ec2", "describe_flow_logs", "FlowLogs", "FlowLogId"),
    "functions": ("lambda", "list_functions", "Functions", "FunctionName"),
    "log groups": ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    "metric filters": ("logs", "describe_metric_filters", "metricFilters", "filterName"),
    "models": ("sagemaker", "list_models", "Models", "ModelName"),
    "parameters": ("ssm", "describe_parameters", "Parameters", "Name"),
    "projects": ("codebuild", "list_projects", "projects", ""),
    "repositories": ("ecr", "describe_repositories", "repositories", "repositoryName"),
    "roles": ("iam", "list_roles", "Roles", "RoleName"),
    "route tables": ("ec2", "describe_route_tables", "RouteTables", "RouteTableId"),
    "routers": ("sagemaker", "list_inference_routers", "InferenceRouters", "InferenceRouterName"),
    "rules": ("events", "list_rules", "Rules", "Name"),
    "schedule groups": ("scheduler", "list_schedule_groups", "ScheduleGroups", "Name"),
    "schedules": ("scheduler", "list_schedules", "Schedules", "Name"),
    "security groups": ("ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
    "state machines": ("stepfunctions", "list_state_machines", "stateMachines", "name"),
    "subnets": ("ec2", "describe_subnets", "Subnets", "SubnetId"),
    "subscriptions": ("sns", "list_subscriptions", "Subscriptions", "SubscriptionArn"),
    "topics": ("sns", "list_topics", "Topics", "TopicArn"),
    "vpcs": ("ec2", "describe_vpcs", "Vpcs", "VpcId"),
}


def take_inventory(client: Callable[[str], Any]) -> dict[str, set[str]]:
    """Return the names of all that there is, by what it is."""
    found = {
        what: {item[key] if key else item for item in getattr(client(service), operation)()[member]}
        for what, (service, operation, member, key) in LISTS.items()
    }
    kms, scaling = client("kms"), client("application-autoscaling")
    keys = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]]
    targets = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    policies = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    budgets = client("budgets").describe_budgets(AccountId="123456789012")["Budgets"]
    endpoints = client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    return found | {
        "budgets": {budget["BudgetName"] for budget in budgets},
        "keys": {key["KeyId"] for key in keys if key["KeyState"] != "PendingDeletion"},
        "own policies": {policy["Arn"] for policy in client("iam").list_policies(Scope="Local")["Policies"]},
        "scalable targets": {target["ResourceId"] for target in targets},
        "scaling policies": {policy["PolicyARN"] for policy in policies},
        "vpc endpoints": {one["VpcEndpointId"] for one in endpoints if one["State"].lower() != "deleted"},
    }
