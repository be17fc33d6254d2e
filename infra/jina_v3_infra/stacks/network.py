"""Where in a VPC the machines of SageMaker are: a new one without any way out, or one that exists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from aws_cdk import Aws, Fn
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from jina_v3_infra.config import Deployment, NetworkSettings
from jina_v3_infra.stacks.log_group import log_group
from jina_v3_infra.stacks.permissions import allow, allow_without_resource, service_principal
from jina_v3_infra.stacks.storage import bucket_arn

_HTTPS: Final = 443
_INVOKE: Final = ("InvokeEndpoint", "InvokeEndpointAsync", "InvokeEndpointWithResponseStream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Ids of subnets and security groups, as SageMaker's VpcConfig takes them."""

    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]

    def vpc_config(self) -> sagemaker.CfnModel.VpcConfigProperty:
        """Return it as a model takes it."""
        return sagemaker.CfnModel.VpcConfigProperty(subnets=[*self.subnets], security_group_ids=[*self.security_groups])


def handle_interfaces(placement: Placement) -> Iterator[iam.PolicyStatement]:
    """Let a role put the machines' network interfaces into the subnets, and take them away again."""
    ec2 = f"arn:{Aws.PARTITION}:ec2:{Aws.REGION}:{Aws.ACCOUNT_ID}"
    subnets = [f"{ec2}:subnet/{each}" for each in placement.subnets]
    groups = [f"{ec2}:security-group/{each}" for each in placement.security_groups]
    yield allow("AttachToNetwork", ["ec2:CreateNetworkInterface"], [*subnets, *groups])
    yield allow(
        "HandleInterfaces",
        [
            "ec2:CreateNetworkInterface",
            "ec2:CreateNetworkInterfacePermission",
            "ec2:DeleteNetworkInterface",
            "ec2:DeleteNetworkInterfacePermission",
        ],
        [f"{ec2}:network-interface/*"],
        {"ArnEquals": {"ec2:Subnet": subnets}},
    )
    nouns = ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs")
    yield allow_without_resource("DescribeNetwork", [f"ec2:Describe{noun}" for noun in nouns])


def first_zones(settings: NetworkSettings) -> list[str]:
    """Return the region's first zones, by number: the CDK would ask the account for their names."""
    return [Fn.select(zone, Fn.get_azs()) for zone in range(settings.zones)]


class Network(Construct):
    """A VPC of isolated subnets, with the endpoints that hosting with network isolation leaves a use for.

    The machines fetch the model and put data through the gateway of S3, and with ``callers`` those in the VPC reach the
    endpoint through the interface of SageMaker's runtime. Containers are isolated and call nothing; images, logs,
    metrics and keys are handled by SageMaker's own side, outside of the VPC, so interfaces for ECR, CloudWatch, KMS and
    STS would cost by the hour and carry nothing.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment: Deployment,
        buckets: Iterable[str],
        key: kms.IKey,
        log_name: str,
        machines_of: str,
        callers: bool,
    ) -> None:
        super().__init__(scope, id)
        settings = deployment.network
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(settings.cidr),
            max_azs=settings.zones,
            nat_gateways=0,
            # CloudFormation cannot empty the default group without a custom resource; nothing is ever put into it
            restrict_default_security_group=False,
            subnet_configuration=[
                ec2.SubnetConfiguration(name="isolated", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
            ],
        )
        self.vpc.add_flow_log(
            "Flow",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(
                log_group(self, "FlowLog", log_name, key, deployment),
                iam.Role(self, "FlowRole", assumed_by=service_principal("vpc-flow-logs")),
            ),
        )
        machines = ec2.SecurityGroup(
            self,
            "Machines",
            vpc=self.vpc,
            description=f"machines of {machines_of}: out to S3",
            allow_all_outbound=False,
        )
        # S3's own addresses change, and the only route out of these subnets is the gateway
        machines.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(_HTTPS), "S3")
        self._add_s3(buckets)
        if callers:
            self._add_runtime(deployment)
        self.placement = Placement(
            subnets=tuple(subnet.subnet_id for subnet in self.vpc.isolated_subnets),
            security_groups=(machines.security_group_id,),
        )

    def _add_s3(self, buckets: Iterable[str]) -> None:
        s3 = self.vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        arns = [bucket_arn(bucket) for bucket in dict.fromkeys(buckets)]
        s3.add_to_policy(
            iam.PolicyStatement(
                sid="OnlyTheseBuckets",
                principals=[iam.AnyPrincipal()],  # the roles' own policies say who
                actions=["s3:GetObject", "s3:ListBucket", "s3:PutObject"],
                resources=[name for arn in arns for name in (arn, f"{arn}/*")],
            )
        )

    def _add_runtime(self, deployment: Deployment) -> None:
        callers = ec2.SecurityGroup(
            self, "Callers", vpc=self.vpc, description="HTTPS from this VPC", allow_all_outbound=False
        )
        callers.add_ingress_rule(ec2.Peer.ipv4(deployment.network.cidr), ec2.Port.tcp(_HTTPS), "callers")
        runtime = self.vpc.add_interface_endpoint(
            "Runtime",
            service=ec2.InterfaceVpcEndpointAwsService.SAGEMAKER_RUNTIME,
            security_groups=[callers],
            open=False,
        )
        own = f"arn:{Aws.PARTITION}:sagemaker:{Aws.REGION}:{Aws.ACCOUNT_ID}"
        name = deployment.endpoint_name.lower()  # as SageMaker writes it in ARNs
        runtime.add_to_policy(
            iam.PolicyStatement(
                sid="OnlyThisEndpoint",
                principals=[iam.AnyPrincipal()],
                actions=[f"sagemaker:{action}" for action in _INVOKE],
                resources=[f"{own}:endpoint/{name}", f"{own}:inference-component/{name}"],
            )
        )


def place_machines(
    scope: Construct,
    *,
    deployment: Deployment,
    buckets: Iterable[str],
    key: kms.IKey,
    log_name: str,
    machines_of: str,
    callers: bool,
) -> Placement | None:
    """Return where machines are: in no VPC of the account's, in the one that is given, or in a new one."""
    settings = deployment.network
    if settings.vpc is None:
        return None
    if settings.vpc != "create":
        return Placement(subnets=settings.subnets, security_groups=settings.security_groups)
    return Network(
        scope,
        "Network",
        deployment=deployment,
        buckets=buckets,
        key=key,
        log_name=log_name,
        machines_of=machines_of,
        callers=callers,
    ).placement
