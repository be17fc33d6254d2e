"""Whether the region has the machines, and the account may have as many.

Two services tell whether a region offers a type, and EC2 is asked nothing: Service Quotas has an entry "ml.g6.xlarge
for endpoint usage" (or "for transform job usage") in each region that offers it, and the price list has a price for it.
Only where both know nothing of a type is it called missing, since either may lag behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jina_v3_infra.config import Deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.findings import Finding, right, unsure, wrong
from jina_v3_infra.deploy.needs import TRANSFORM_USAGE, Need, all_needs
from jina_v3_infra.deploy.prices import Prices

QUOTAS = "quotas"
REGION = "region"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How many machines of a type there may be for one use in this account and region."""

    code: str
    count: float


def read_quotas(account: Account, names: set[str]) -> dict[str, Quota]:
    """Return the account's quotas by name, such as "ml.g6.xlarge for endpoint usage"; unknown ones are left out.

    The account's own values come first, and AWS's defaults where it has none.
    """
    quotas: dict[str, Quota] = {}
    client = account.client("service-quotas")
    for operation in ("list_service_quotas", "list_aws_default_service_quotas"):
        for page in client.get_paginator(operation).paginate(ServiceCode="sagemaker"):
            for entry in page["Quotas"]:
                name = entry["QuotaName"]
                if name in names and name not in quotas:
                    quotas[name] = Quota(code=entry["QuotaCode"], count=entry["Value"])
            if names <= quotas.keys():  # there are thousands of other entries
                return quotas
    return quotas


def check_instances(account: Account, deployment: Deployment, prices: Prices) -> Iterator[Finding]:
    """Compare what the deployment takes with what there is and what may be had."""
    needs = all_needs(deployment)
    quotas = read_quotas(account, {need.quota for need in needs})
    for need in needs:
        quota = quotas.get(need.quota)
        if quota is not None:
            yield right(REGION, f"{deployment.region} has {need.instance_type}{_for_jobs(need)}")
            yield _compare(need, quota, deployment.region)
        else:
            yield _offered(need, deployment.region, prices)


def _for_jobs(need: Need) -> str:
    return " for transform jobs" if need.usage == TRANSFORM_USAGE else ""


def _offered(need: Need, region: str, prices: Prices) -> Finding:
    instance_type, user = need.instance_type, "endpoints"
    if need.usage == TRANSFORM_USAGE:
        user = "transform jobs"
    fix = "take another instance_type or region; ml.g6.xlarge and ml.g5.xlarge are in most regions"
    if instance_type in prices.listed:
        return unsure(
            REGION,
            f"{region} sells {instance_type}, and Service Quotas has no entry for it, so the quota is not known",
            f"look at https://{region}.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas",
        )
    if prices.answered:
        return wrong(REGION, f"{region} does not offer {instance_type} for {user}", fix)
    return unsure(REGION, f"Service Quotas knows no {instance_type} for {user} in {region}", fix)


def _compare(need: Need, quota: Quota, region: str) -> Finding:
    have = f"{quota.count:g} × {need.quota}"
    wanted = need.most + need.surplus or need.spare
    fix = _increase(need.instance_type, quota, wanted, region)
    if need.usage == TRANSFORM_USAGE:
        return _compare_jobs(need, quota, have, fix)
    if quota.count < need.most:
        return wrong(QUOTAS, f"the quota is {have}, and the variants' max is {need.most}", fix)
    if quota.count < need.most + need.surplus:
        return unsure(
            QUOTAS,
            f"the quota is {have}: enough for the variants' max of {need.most}, too few for an update at that size, "
            f"which has {need.surplus} more for a while",
            fix,
        )
    if not need.most and quota.count < need.spare:
        return unsure(QUOTAS, f"the quota is {have}, and the instance pool would take up to {need.spare}", fix)
    return right(QUOTAS, f"the quota is {have}; {wanted} are needed, an update's among them")


def _compare_jobs(need: Need, quota: Quota, have: str, fix: str) -> Finding:
    if quota.count < need.most:
        fewer = f"{fix}; or lower batch.jobs and batch.instances"
        return wrong(QUOTAS, f"the quota is {have}, and batch.jobs × batch.instances is {need.most}", fewer)
    return right(QUOTAS, f"the quota is {have}; runs take {need.most} at most")


def _increase(instance_type: str, quota: Quota, wanted: int, region: str) -> str:
    return (
        f"ask for {wanted}: https://{region}.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas/"
        f"{quota.code} or: aws service-quotas request-service-quota-increase --service-code sagemaker --quota-code "
        f"{quota.code} --desired-value {wanted} --region {region}; {instance_type} may take a day to be granted"
    )
