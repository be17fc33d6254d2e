"""``jina-v3 endpoints``: what can be asked in a region, and which of it is this model's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

from jina_v3_client._aws.errors import aws_errors
from jina_v3_client.cli.call import DONE, Call
from jina_v3_client.cli.failures import AWS_ERRORS, explain
from jina_v3_client.cli.region import Region, SeenComponent, SeenDeployment, SeenEndpoint, SeenRouter

_COLUMNS: Final = ("kind", "name", "status", "what", "calls", "deployment")


def endpoints(call: Call) -> int:
    """List what the region has, and return the exit status."""
    with aws_errors():
        session = call.open_session()
        region = Region(session.client("sagemaker"), session.client("cloudformation"))
    seen: dict[str, Sequence[Any]] = {"endpoints": region.endpoints()}
    others: dict[str, Callable[[], Sequence[Any]]] = {
        "components": region.components,
        "routers": region.routers,
        "deployments": region.deployments,
    }
    for kind, look in others.items():
        try:
            seen[kind] = look()
        except AWS_ERRORS as error:  # who may call an endpoint need not be allowed to list all this
            seen[kind] = []
            call.screen.note(f"{kind} are not shown: {'; '.join(explain(error))}")
    if call.words.json:
        call.screen.show_json(
            {"region": session.region_name} | {kind: [*map(asdict, all_)] for kind, all_ in seen.items()}
        )
        return DONE
    rows = [_ROWS[kind](one) for kind, all_ in seen.items() for one in all_]
    if not rows:
        call.screen.note(f"there is nothing in {session.region_name}; --region looks elsewhere")
        return DONE
    call.screen.show_table(session.region_name, _COLUMNS, rows, whole="name")
    return DONE


def _endpoint(one: SeenEndpoint) -> Sequence[str]:
    what = "; ".join(map(str, one.variants)) + (f" ({one.reason})" if one.reason else "")
    calls = "asynchronous" if one.asynchronous else "real-time"
    return "endpoint", one.name, one.status, what, calls, one.deployment or ""


def _component(one: SeenComponent) -> Sequence[str]:
    count = "?" if one.copies is None else str(one.copies)
    what = f"{count} of {one.wanted_copies} copies on {one.endpoint}/{one.variant}"
    return (
        "component",
        one.name,
        one.status,
        what + (f" ({one.reason})" if one.reason else ""),
        "",
        one.deployment or "",
    )


def _router(one: SeenRouter) -> Sequence[str]:
    parts = (arn.split(":", 5) for arn in one.destinations)
    asked = ", ".join(f"{part[3]}/{part[5].partition('/')[2]}" for part in parts)
    what = f"{', '.join(one.routing_targets)} → {asked}"
    return "router", one.name, one.status, what, "", one.deployment or ""


def _deployment(one: SeenDeployment) -> Sequence[str]:
    statuses = dict.fromkeys(one.stacks.values())
    what = ", ".join(one.stacks) if len(statuses) == 1 else ", ".join(map(": ".join, one.stacks.items()))
    return "deployment", one.name, next(iter(statuses)) if len(statuses) == 1 else "mixed", what, "", one.name


_ROWS: Final[dict[str, Callable[[Any], Sequence[str]]]] = {
    "endpoints": _endpoint,
    "components": _component,
    "routers": _router,
    "deployments": _deployment,
}
