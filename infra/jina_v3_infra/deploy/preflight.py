"""Everything that can be known before anything is deployed: the checks in their order, and what it will cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from jina_v3_infra.config import Deployment, second_deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.check_batch import check_batch
from jina_v3_infra.deploy.check_instances import QUOTAS, check_instances
from jina_v3_infra.deploy.check_network import check_network
from jina_v3_infra.deploy.check_sources import IMAGE, MODEL, check_image, check_model
from jina_v3_infra.deploy.check_standing import (
    BOOTSTRAP,
    NAME,
    ROLE,
    STACKS,
    check_bootstrap,
    check_name,
    check_scaling_role,
    check_stacks,
)
from jina_v3_infra.deploy.costs import CostEstimate, estimate_costs, summarise_costs
from jina_v3_infra.deploy.failures import AWS_ERRORS, CommandError, explain
from jina_v3_infra.deploy.findings import Finding, examine, passes, right, unsure, wrong
from jina_v3_infra.deploy.needs import instance_needs, transform_needs
from jina_v3_infra.deploy.prices import Prices, read_prices
from jina_v3_infra.deploy.routers import ROUTER, check_router, forgotten_regions

CREDENTIALS = "credentials"
COST = "cost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What was found; ``cost`` is ``None`` where the credentials were not good enough to ask anything."""

    findings: list[Finding]
    cost: CostEstimate | None

    @property
    def passed(self) -> bool:
        """Say whether nothing stands against deploying."""
        return passes(self.findings)


def identify(account: Account, deployment: Deployment) -> str:
    """Return the id of the account that the credentials belong to.

    **Raises**: ``CommandError`` without credentials that work, or with those of another account than the
    configuration's.
    """
    try:
        caller = str(account.client("sts").get_caller_identity()["Account"])
    except AWS_ERRORS as error:
        raise CommandError(explain(error)) from error
    if deployment.account is not None and caller != deployment.account:
        raise CommandError(
            f"the credentials are of account {caller}, and the configuration is for account = {deployment.account!r}; "
            "choose another --profile, or correct account"
        )
    return caller


def run_preflight(account: Account, deployment: Deployment, docker_runs: Callable[[], bool] | None = None) -> Preflight:
    """Make every check; only credentials that do not work end it early, since nothing else could be asked."""
    try:
        caller = identify(account, deployment)
    except CommandError as error:
        sentence, _, fix = str(error).partition("; ")
        return Preflight(findings=[wrong(CREDENTIALS, sentence, fix or "log in, or give --profile")], cost=None)
    cost, prices = read_costs(account, deployment)
    findings = [
        right(CREDENTIALS, f"they work for account {caller} in {account.region}"),
        *_check_region(account, deployment, prices, docker_runs),
    ]
    second = second_deployment(deployment)
    if second is not None:
        there = account.in_region(second.region)
        its_cost, its_prices = read_costs(there, second)
        cost = cost.with_second(its_cost, second.region)
        found = [
            *_check_credentials(there, second),
            *_check_region(there, second, its_prices, docker_runs, copied_from=account.region),
        ]
        findings += [replace(one, check=f"{one.check}, {second.region}") for one in found]
        findings += [
            one for place in (account, there) for one in examine(ROUTER, partial(check_router, place, deployment))
        ]
    findings += [
        unsure(
            ROUTER,
            f"this deployment stands in {region} too, as its inference router says, and costs what it costs there",
            f"name it as router.second_region, or destroy with -c router.second_region={region} first",
        )
        for region in forgotten_regions(account, deployment)
    ]
    return Preflight(findings=[*findings, _cost(cost, prices)], cost=cost)


def _check_credentials(account: Account, deployment: Deployment) -> Iterator[Finding]:
    """Try the credentials in the second region, which an account may have to enable first."""
    try:
        identify(account, deployment)
    except CommandError as error:
        yield wrong(
            CREDENTIALS, str(error), f"enable {account.region} in the account's settings, or take another region"
        )
    else:
        yield right(CREDENTIALS, f"they work in {account.region} too")


def read_costs(account: Account, deployment: Deployment) -> tuple[CostEstimate, Prices]:
    """Work out what one region costs, by AWS's prices where they can be had."""
    prices = ask_prices(account, deployment)
    return estimate_costs(deployment, prices), prices


def read_whole_cost(account: Account, deployment: Deployment) -> CostEstimate:
    """Work out what all regions cost."""
    cost, _ = read_costs(account, deployment)
    second = second_deployment(deployment)
    if second is None:
        return cost
    return cost.with_second(read_costs(account.in_region(second.region), second)[0], second.region)


def _check_region(
    account: Account,
    deployment: Deployment,
    prices: Prices,
    docker_runs: Callable[[], bool] | None,
    copied_from: str | None = None,
) -> list[Finding]:
    def model() -> Iterable[Finding]:
        if copied_from is None or deployment.model.source.startswith("s3://"):
            return check_model(account, deployment)
        return [right(MODEL, f"is copied from {copied_from} unless it is there")]

    return [
        *examine(QUOTAS, lambda: check_instances(account, deployment, prices)),
        *examine(IMAGE, lambda: check_image(account, deployment, docker_runs)),
        *examine(MODEL, model),
        *check_network(account, deployment),
        *examine(BOOTSTRAP, lambda: check_bootstrap(account)),
        *examine(STACKS, lambda: check_stacks(account, deployment)),
        *_check_endpoint(account, deployment),
        *check_batch(account, deployment),
    ]


def ask_prices(account: Account, deployment: Deployment) -> Prices:
    """Ask for the prices of all machines that a deployment names."""
    hosts = instance_needs(deployment) if deployment.endpoint.enabled else ()
    jobs = transform_needs(deployment)
    return read_prices(account, [one.instance_type for one in hosts], [one.instance_type for one in jobs])


def _check_endpoint(account: Account, deployment: Deployment) -> list[Finding]:
    if not deployment.endpoint.enabled:
        return []
    return [
        *examine(NAME, lambda: check_name(account, deployment)),
        *examine(ROLE, lambda: check_scaling_role(account, deployment)),
    ]


def _cost(cost: CostEstimate, prices: Prices) -> Finding:
    if not prices.answered:
        return unsure(COST, f"{summarise_costs(cost)}; AWS's price list did not answer: {prices.failure}")
    if cost.least_usd_per_hour is None or (cost.runs is not None and cost.runs.usd_per_hour is None):
        return unsure(COST, f"{summarise_costs(cost)}", "look at AWS's pricing page of SageMaker")
    return right(COST, summarise_costs(cost))
