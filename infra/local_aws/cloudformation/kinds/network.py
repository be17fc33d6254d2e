"""EC2's networks."""

# ruff: noqa: ARG002  # the methods of every kind take the same
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local_aws.cloudformation.kinds.base import Calls, Kind, Physical, Properties, changed_tags, only, without

_RULE_PARTNERS: Final = {
    "CidrIp": ("IpRanges", "CidrIp"),
    "CidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
    "DestinationPrefixListId": ("PrefixListIds", "PrefixListId"),
    "DestinationSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
    "SourcePrefixListId": ("PrefixListIds", "PrefixListId"),
    "SourceSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
}
"""For each property that names a rule's other side: where the API's permission has it."""

_OPEN: Final = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
"""The rule that EC2 gives a new security group, and CloudFormation takes away where egress is declared."""


def _tagged(kind: str, properties: Properties) -> dict[str, Any]:
    tags = properties.get("Tags")
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": tags}]} if tags else {}


def _retag(calls: Calls, identifier: str, before: Properties, after: Properties) -> None:
    put, removed = changed_tags(before, after)
    if put:
        calls("ec2", "CreateTags", {"Resources": [identifier], "Tags": put})
    if removed:
        calls("ec2", "DeleteTags", {"Resources": [identifier], "Tags": [{"Key": key} for key in removed]})


def _permission(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Write a rule's properties as the API's permission."""
    written: dict[str, Any] = {key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in rule}
    for key, (group, member) in _RULE_PARTNERS.items():
        if key in rule:
            written[group] = [{member: rule[key], **only(rule, "Description")}]
    return written


class Vpc(Kind):
    """A network."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the network."""
        request = {**only(properties, "CidrBlock", "InstanceTenancy"), **_tagged("vpc", properties)}
        made = calls("ec2", "CreateVpc", request)["Vpc"]["VpcId"]
        return Physical(made, {"CidrBlock": properties.get("CidrBlock"), "VpcId": made})

    def set_up(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Learn what came with it, and set its names."""
        where = [{"Name": "vpc-id", "Values": [physical.id]}]
        groups = calls("ec2", "DescribeSecurityGroups", {"Filters": where})["SecurityGroups"]
        lists = calls("ec2", "DescribeNetworkAcls", {"Filters": where})["NetworkAcls"]
        physical.attributes["DefaultSecurityGroup"] = next(g["GroupId"] for g in groups if g["GroupName"] == "default")
        physical.attributes["DefaultNetworkAcl"] = next(n["NetworkAclId"] for n in lists if n["IsDefault"])
        self._set(calls, physical.id, properties)

    def _set(self, calls: Calls, vpc: str, properties: Properties) -> None:
        for name in ("EnableDnsHostnames", "EnableDnsSupport"):
            if name in properties:
                calls("ec2", "ModifyVpcAttribute", {"VpcId": vpc, name: {"Value": properties[name]}})

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Set its names and its tags."""
        self._set(calls, physical.id, after)
        _retag(calls, physical.id, before, after)

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the network; EC2 refuses while something is in it."""
        calls.delete("ec2", "DeleteVpc", VpcId=physical.id)


class Subnet(Kind):
    """A part of a network."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the subnet."""
        request = {**without(properties, "MapPublicIpOnLaunch", "Tags"), **_tagged("subnet", properties)}
        made = calls("ec2", "CreateSubnet", request)["Subnet"]
        return Physical(made["SubnetId"], only(made, "AvailabilityZone", "CidrBlock", "SubnetId", "VpcId"))

    def set_up(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Set whether it gives public addresses."""
        self._set(calls, physical, properties)

    def _set(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        public = {"Value": properties.get("MapPublicIpOnLaunch", False)}
        calls("ec2", "ModifySubnetAttribute", {"SubnetId": physical.id, "MapPublicIpOnLaunch": public})

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Set its tags and whether it gives public addresses."""
        self._set(calls, physical, after)
        _retag(calls, physical.id, before, after)

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the subnet."""
        calls.delete("ec2", "DeleteSubnet", SubnetId=physical.id)


class RouteTable(Kind):
    """A network's routes."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the table."""
        request = {**only(properties, "VpcId"), **_tagged("route-table", properties)}
        made = calls("ec2", "CreateRouteTable", request)["RouteTable"]["RouteTableId"]
        return Physical(made, {"RouteTableId": made})

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Set its tags."""
        _retag(calls, physical.id, before, after)

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the table."""
        calls.delete("ec2", "DeleteRouteTable", RouteTableId=physical.id)


class RouteTableAssociation(Kind):
    """A subnet's routes."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Give the subnet the table."""
        made = calls("ec2", "AssociateRouteTable", properties)["AssociationId"]
        return Physical(made, {"Id": made})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Take the table from the subnet."""
        calls.delete("ec2", "DisassociateRouteTable", AssociationId=physical.id)


class SecurityGroup(Kind):
    """A security group with the rules of its properties."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the group."""
        request = {
            "Description": properties["GroupDescription"],
            "GroupName": properties.get("GroupName") or calls.name(255),
            **only(properties, "VpcId"),
            **_tagged("security-group", properties),
        }
        made = calls("ec2", "CreateSecurityGroup", request)["GroupId"]
        return Physical(made, {"GroupId": made, **only(properties, "VpcId")})

    def set_up(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Set its rules."""
        if "SecurityGroupEgress" in properties:
            calls("ec2", "RevokeSecurityGroupEgress", {"GroupId": physical.id, "IpPermissions": [_OPEN]})
        self._set(calls, physical.id, {}, properties)

    def _set(self, calls: Calls, group: str, before: Properties, after: Properties) -> None:
        for direction in ("Ingress", "Egress"):
            old = [_permission(rule) for rule in before.get(f"SecurityGroup{direction}", ())]
            new = [_permission(rule) for rule in after.get(f"SecurityGroup{direction}", ())]
            for verb, rules in (
                ("Revoke", [rule for rule in old if rule not in new]),
                ("Authorize", [rule for rule in new if rule not in old]),
            ):
                if rules:
                    request = {"GroupId": group, "IpPermissions": rules}
                    calls("ec2", f"{verb}SecurityGroup{direction}", request)

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Set the rules and the tags that have changed."""
        self._set(calls, physical.id, before, after)
        _retag(calls, physical.id, before, after)

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the group."""
        calls.delete("ec2", "DeleteSecurityGroup", GroupId=physical.id)


class SecurityGroupRule(Kind):
    """A rule of a group that is another resource."""

    def __init__(self, direction: str) -> None:
        self._direction = direction

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the rule."""
        request = {"GroupId": properties["GroupId"], "IpPermissions": [_permission(properties)]}
        made = calls("ec2", f"AuthorizeSecurityGroup{self._direction}", request)["SecurityGroupRules"]
        identifier = made[0]["SecurityGroupRuleId"]
        return Physical(identifier, {"Id": identifier})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the rule."""
        operation = f"RevokeSecurityGroup{self._direction}"
        permission = _permission({key: str(item) for key, item in properties.items()})
        for port in ("FromPort", "ToPort"):
            if port in permission:
                permission[port] = int(permission[port])
        calls.delete("ec2", operation, GroupId=properties["GroupId"], IpPermissions=[permission])


class VpcEndpoint(Kind):
    """A way to a service that does not leave the network."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the endpoint."""
        request = {**without(properties, "Tags"), **_tagged("vpc-endpoint", properties)}
        made = calls("ec2", "CreateVpcEndpoint", request)["VpcEndpoint"]["VpcEndpointId"]
        return Physical(made, {"Id": made})

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Set what has changed."""
        request: dict[str, Any] = {"VpcEndpointId": physical.id, **only(after, "PolicyDocument", "PrivateDnsEnabled")}
        for name, add, remove in (
            ("RouteTableIds", "AddRouteTableIds", "RemoveRouteTableIds"),
            ("SecurityGroupIds", "AddSecurityGroupIds", "RemoveSecurityGroupIds"),
            ("SubnetIds", "AddSubnetIds", "RemoveSubnetIds"),
        ):
            old, new = set(before.get(name, ())), set(after.get(name, ()))
            request |= {key: sorted(ids) for key, ids in ((add, new - old), (remove, old - new)) if ids}
        calls("ec2", "ModifyVpcEndpoint", request)
        _retag(calls, physical.id, before, after)

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the endpoint."""
        calls.delete("ec2", "DeleteVpcEndpoints", VpcEndpointIds=[physical.id])


class FlowLog(Kind):
    """A record of a network's traffic."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Begin to record."""
        request = {
            **without(properties, "ResourceId", "Tags"),
            "ResourceIds": [properties["ResourceId"]],
            **_tagged("vpc-flow-log", properties),
        }
        made = calls("ec2", "CreateFlowLogs", request)["FlowLogIds"][0]
        return Physical(made, {"Id": made})

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Set its tags."""
        _retag(calls, physical.id, before, after)

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Stop recording."""
        calls.delete("ec2", "DeleteFlowLogs", FlowLogIds=[physical.id])
