"""Whether a new VPC finds its zones in the region, and whether the parts of one that exists are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jina_v3_infra.config import Deployment, NetworkSettings
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.findings import Finding, examine, right, wrong

NETWORK = "network"


def check_network(account: Account, deployment: Deployment) -> list[Finding]:
    """Look for what the configuration's network needs of the account; each question is refused by itself."""
    settings = deployment.network
    if settings.vpc is None:
        return [right(NETWORK, "not needed: the machines are in no VPC of the account")]
    if settings.vpc == "create":
        return examine(NETWORK, lambda: _zones(account, settings))
    return [
        *examine(NETWORK, lambda: _subnets(account, settings)),
        *examine(NETWORK, lambda: _security_groups(account, settings)),
    ]


def _zones(account: Account, settings: NetworkSettings) -> Iterator[Finding]:
    """Count the zones as CloudFormation's ``Fn::GetAZs`` does: those with a default subnet, or all if none has one."""
    client = account.client("ec2")
    wanted = {
        "state": "available",
        "zone-type": "availability-zone",
        "opt-in-status": "opt-in-not-required",
    }
    found = client.describe_availability_zones(Filters=_filters({name: [value] for name, value in wanted.items()}))
    zones = {zone["ZoneName"] for zone in found["AvailabilityZones"]}
    defaults = client.describe_subnets(Filters=_filters({"default-for-az": ["true"]}))
    zones = zones & {subnet["AvailabilityZone"] for subnet in defaults["Subnets"]} or zones
    named = f"{len(zones)} ({', '.join(sorted(zones))})"
    if len(zones) < settings.zones:
        yield wrong(
            NETWORK,
            f"network.zones = {settings.zones}, and the zones of {account.region} for this account are {named}",
            f"set network.zones to {len(zones)} or fewer",
        )
    else:
        yield right(NETWORK, f"{account.region} has {named} zones, and the new VPC takes {settings.zones}")


def _subnets(account: Account, settings: NetworkSettings) -> Iterator[Finding]:
    found = account.client("ec2").describe_subnets(Filters=_filters({"subnet-id": settings.subnets}))["Subnets"]
    vpcs = {subnet["SubnetId"]: subnet["VpcId"] for subnet in found}
    yield from _belong("subnet", settings.subnets, vpcs, account, settings)


def _security_groups(account: Account, settings: NetworkSettings) -> Iterator[Finding]:
    filters = _filters({"group-id": settings.security_groups})
    found = account.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"]
    vpcs = {group["GroupId"]: group["VpcId"] for group in found}
    yield from _belong("security_group", settings.security_groups, vpcs, account, settings)


def _belong(
    kind: str, ids: Sequence[str], vpcs: Mapping[str, str], account: Account, settings: NetworkSettings
) -> Iterator[Finding]:
    fix = f"correct network.{kind}s, or network.vpc"
    noun = kind.replace("_", " ")
    strays = [each for each in ids if vpcs.get(each) != settings.vpc]
    for each in strays:
        if each in vpcs:
            yield wrong(NETWORK, f"the {noun} {each} belongs to {vpcs[each]}, and network.vpc = {settings.vpc!r}", fix)
        else:
            yield wrong(NETWORK, f"there is no {noun} {each} in {account.region}", fix)
    if not strays:
        yield right(NETWORK, f"{settings.vpc} has the {noun}s {', '.join(ids)}")


def _filters(values: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Write filters, which find nothing for an id that is not there, where asking for it by id would be an error."""
    return [{"Name": name, "Values": [*wanted]} for name, wanted in values.items()]
