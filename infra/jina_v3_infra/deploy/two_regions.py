"""What the commands do where there is a second region: the same again there, and the routers around it."""

from __future__ import annotations

from dataclasses import replace

from jina_v3_infra.config import Deployment, second_deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.calls import example_router_calls
from jina_v3_infra.deploy.deployment import ROUTER, SECOND, STEPS, Deploying
from jina_v3_infra.deploy.destruction import Destroying
from jina_v3_infra.deploy.failures import CommandError
from jina_v3_infra.deploy.leftovers import Leftovers, find_leftovers
from jina_v3_infra.deploy.routers import (
    TARGET,
    delete_router,
    describe_router,
    destination,
    ensure_router,
    find_router,
    forgotten_regions,
)
from jina_v3_infra.deploy.screen import Screen
from jina_v3_infra.deploy.status import Status, read_status
from jina_v3_infra.deploy.steps import Step

Place = tuple[Account, Deployment]
"""A region, and what is deployed to it."""


def places(account: Account, deployment: Deployment) -> list[Place]:
    """Return the regions of a deployment, the first one first."""
    second = second_deployment(deployment)
    return [(account, deployment), *([] if second is None else [(account.in_region(second.region), second)])]


def check_words(deployment: Deployment, first: str | None, last: str | None) -> None:
    """Check the steps that a person has named.

    **Raises**: ``CommandError`` for an order that is none, or a step of a second region that there is not.
    """
    if first and last and STEPS.index(first) > STEPS.index(last):
        raise CommandError(f"--from {first} is after --until {last}; the order is {', '.join(STEPS)}")
    for word in (first, last):
        if deployment.router is None and word is not None and (word == ROUTER or word.startswith(SECOND)):
            raise CommandError(f"there is no step {word}: the configuration has no [router], so no second region")


def all_steps(deploying: Deploying) -> list[Step]:
    """Return the steps of a deployment: those of each region, and the routers at the end."""
    second = second_deployment(deploying.deployment)
    if second is None:
        return deploying.steps()
    there = replace(deploying, account=deploying.account.in_region(second.region), deployment=second, first=deploying)
    again = [
        replace(step, name=f"{SECOND}{step.name}", title=f"{step.title}, in {second.region}") for step in there.steps()
    ]

    def route() -> str:
        return _route(deploying.deployment, [(deploying.account, deploying.deployment), (there.account, second)])

    title = f"the inference routers: {deploying.deployment.router_name}"
    return [*deploying.steps(), *again, Step(name=ROUTER, title=title, run=route)]


def _route(deployment: Deployment, regions: list[Place]) -> str:
    destinations = [destination(account, each) for account, each in regions]
    done = [f"{account.region}: {ensure_router(account, deployment, destinations)}" for account, _ in regions]
    return ", ".join(done)


def router_calls(account: Account, deployment: Deployment) -> str:
    """Return example calls through the router of the first region."""
    address = account.client("sagemaker-inference-router-runtime").meta.endpoint_url
    return example_router_calls(deployment.router_name, TARGET, account.region, address)


def destroy(account: Account, deployment: Deployment, screen: Screen, *, delete_data: bool) -> tuple[Leftovers, bool]:
    """Delete everything, the routers first and the first region last; return what is left, and whether data is kept.

    **Raises**: ``CommandError`` before anything is deleted where there is a region that the configuration leaves out.
    """
    for region in forgotten_regions(account, deployment):
        raise CommandError(
            f"this deployment stands in {region} too, as its inference router says, and the configuration does not say "
            f"so: destroy with -c router.second_region={region}; nothing was deleted"
        )
    regions, left, kept = places(account, deployment), Leftovers(), False
    if deployment.router is not None:
        for place, _ in regions:
            done = delete_router(place, deployment)
            screen.say(f"inference router {deployment.router_name} in {place.region} {done or 'is not there'}")
    for place, each in reversed(regions):
        if len(regions) > 1:
            screen.say(f"in {place.region}:", style="bold")
        record = Destroying(account=place, deployment=each, screen=screen, delete_data=delete_data).run()
        kept = kept or bool(record.kept)
        found = find_leftovers(place, each, record)
        where = f" in {place.region}" if len(regions) > 1 else ""
        left.found += [f"{one}{where}" for one in found.found]
        left.unknown += [f"{one}{where}" for one in found.unknown]
    return left, kept


def read_whole_status(account: Account, deployment: Deployment) -> Status:
    """Look at every region, and at the routers; in service is what answers in all of them."""
    regions = places(account, deployment)
    status = read_status(account, deployment)
    if len(regions) == 1:
        return status
    lines, in_service = [f"in {account.region}:", *status.lines], status.in_service
    for place, each in regions[1:]:
        there = read_status(place, each)
        lines += [f"in {place.region}:", *there.lines]
        in_service = in_service and there.in_service
    for place, _ in regions:
        lines += describe_router(place, deployment)
        router = find_router(place, deployment.router_name)
        in_service = in_service and router is not None and router["Status"] in ("InService", "Updating")
    return Status(lines=lines, in_service=in_service)
