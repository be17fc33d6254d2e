"""Checks of what is asked: the endpoint or router, its machines and copies, permission, one call, batch."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

from jina_v3.contract import MODEL_DIMENSIONS, MODEL_NAME
from jina_v3_client.cli.failures import AWS_ERRORS, absent, denied, explain, in_words
from jina_v3_client.cli.findings import Finding, right, unsure, wrong
from jina_v3_client.cli.region import Region, SeenComponent, SeenEndpoint, SeenVariant
from jina_v3_client.errors import JinaClientError
from jina_v3_client.protocols import Embedder
from jina_v3_client.routing.targets import Endpoint, InferenceRouter

_SERVING: Final = ("InService", "Updating", "SystemUpdating")
_TEXT: Final = "How is the client doing today?"
_DEADLINE_S: Final = 60.0
_NORM_TOLERANCE: Final = 1e-3
_OURSELVES: Final = re.compile(r"; `jina-v3 doctor`[^;]*$")
_ROLE: Final = re.compile(r"arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/.*")


def check_endpoint(region: Region, target: Endpoint) -> Iterator[Finding]:
    """Look whether the endpoint is there, serves, and has machines."""
    try:
        seen = region.endpoint(target.name)
        components = region.components(target.name)
    except AWS_ERRORS as error:
        yield _not_seen(region, target.name, error)
        return
    calls = "asynchronous" if seen.asynchronous else "real-time"
    if seen.status in _SERVING:
        yield right("endpoint", f"{seen.name} is {seen.status}, {calls}")
    else:
        reason = f": {seen.reason}" if seen.reason else ""
        fix = "wait until it is there" if seen.status == "Creating" else "see its logs in CloudWatch, and deploy again"
        yield wrong("endpoint", f"{seen.name} is {seen.status}{reason}", fix)
    yield from (_variant(one, has_components=bool(components)) for one in seen.variants)
    yield from _chosen(seen, components, target)


def _not_seen(region: Region, name: str, error: BaseException) -> Finding:
    if absent(error):
        near = difflib.get_close_matches(name, _names(region), n=1)
        fix = f"did you mean {near[0]}?" if near else "jina-v3 endpoints shows what there is; see the region too"
        return wrong("endpoint", f"there is no endpoint {name} in this region", fix)
    sentence, fix = explain(error)
    if denied(error):
        return unsure("endpoint", f"{name} cannot be looked at: {sentence}", "calls need no such permission")
    return wrong("endpoint", sentence, fix)


def _names(region: Region) -> list[str]:
    try:
        return [seen.name for seen in region.endpoints()]
    except AWS_ERRORS:
        return []


def _variant(seen: SeenVariant, *, has_components: bool) -> Finding:
    if seen.instances == 0:
        woken = "its components ask for machines" if has_components else "the next call wakes it"
        return unsure("machines", f"{seen}: it sleeps", f"{woken}; that takes some minutes")
    return right("machines", str(seen))


def _chosen(seen: SeenEndpoint, components: list[SeenComponent], target: Endpoint) -> Iterator[Finding]:
    variants = [one.name for one in seen.variants]
    if target.variant is not None and target.variant not in variants:
        yield wrong("variant", f"{seen.name} has no variant {target.variant}", f"give one of {', '.join(variants)}")
    by_name = {one.name: one for one in components}
    names = ", ".join(by_name)
    if target.inference_component is None:
        if components:
            fix = f"give --inference-component, one of {names}"
            yield wrong("component", f"{seen.name} has inference components, and none is named", fix)
    elif target.inference_component not in by_name:
        fix = f"give one of {names}" if names else "leave --inference-component away"
        yield wrong("component", f"{seen.name} has no inference component {target.inference_component}", fix)
    else:
        yield _component(by_name[target.inference_component])


def _component(seen: SeenComponent) -> Finding:
    told = f"{seen.name} is {seen.status}, {seen.copies or 0} of {seen.wanted_copies} copies"
    if seen.status not in _SERVING:
        return wrong("component", f"{told}{f': {seen.reason}' if seen.reason else ''}", "see its logs in CloudWatch")
    if not seen.copies:
        return unsure("component", told, "the next call wakes it where it scales; that takes some minutes")
    return right("component", told)


def check_router(region: Region, target: InferenceRouter) -> Finding:
    """Look whether the router is there, and knows this model."""
    try:
        seen = region.router(target.name)
    except AWS_ERRORS as error:
        if absent(error):
            fix = "jina-v3 endpoints shows what there is; a router is of one region"
            return wrong("router", f"there is no inference router {target.name} in this region", fix)
        sentence, fix = explain(error)
        return unsure("router", sentence, fix) if denied(error) else wrong("router", sentence, fix)
    if target.routing_target not in seen.routing_targets:
        fix = f"this client asks for {MODEL_NAME}: name a target so"
        return wrong("router", f"{seen.name} has the targets {', '.join(seen.routing_targets)}", fix)
    if seen.status not in _SERVING:
        return wrong("router", f"{seen.name} is {seen.status}", "wait until it is InService")
    return right("router", f"{seen.name} is {seen.status}, over {len(seen.destinations)} endpoints")


def check_call(client: Embedder, *, asynchronous: bool = False) -> Finding:
    """Embed one sentence, and look at its vector."""
    import numpy as np

    started_s = time.perf_counter()
    try:
        with closing(client):
            found = client.embed(
                [_TEXT],
                route="asynchronous" if asynchronous else "real-time",
                dimensions=MODEL_DIMENSIONS,
                deadline_s=_DEADLINE_S,
                progress=False,
            )
    except JinaClientError as error:
        fix = _OURSELVES.sub("", in_words(error.advice)) or "jina-v3 embed TEXT --verbose shows what is done"
        return wrong("call", error.message, fix)
    taken_s = time.perf_counter() - started_s
    length = found.shape[1]
    norm = float(np.linalg.norm(found.vectors[0]))
    told = f"a vector of {length} numbers and length {norm:.3f} in {taken_s * 1000:,.0f} ms, with connecting"
    if length != MODEL_DIMENSIONS or not abs(norm - 1) <= _NORM_TOLERANCE:
        return wrong(
            "call", told, f"this model gives {MODEL_DIMENSIONS} numbers of length 1: is it another's endpoint?"
        )
    return right("call", told)


def check_permission(iam: Any, caller: str, action: str, resource: str) -> Finding:
    """Ask IAM whether the caller may call, where no call has shown it."""
    found = _ROLE.fullmatch(caller)
    principal = f"arn:{found['partition']}:iam::{found['account']}:role/{found['role']}" if found else caller
    if principal.endswith(":root"):
        return right("permission", "root may do everything")
    try:
        answer = iam.simulate_principal_policy(PolicySourceArn=principal, ActionNames=[action], ResourceArns=[resource])
    except AWS_ERRORS:
        return unsure("permission", f"IAM does not tell whether {action} is allowed")
    if answer["EvaluationResults"][0]["EvalDecision"] == "allowed":
        return right("permission", f"IAM allows {action}")
    return wrong("permission", f"IAM does not allow {action}", f"allow it on {resource}")


def check_batch(step_functions: Any, state_machine: str) -> Finding:
    """Look whether batch runs can be started."""
    name = state_machine.rpartition(":")[2]
    try:
        status = step_functions.describe_state_machine(stateMachineArn=state_machine)["status"]
    except AWS_ERRORS as error:
        sentence, fix = explain(error)
        return unsure("batch", sentence, fix) if denied(error) else wrong("batch", sentence, fix)
    if status != "ACTIVE":
        return wrong("batch", f"the state machine {name} is {status}", "deploy batch again: jina-v3-infra deploy")
    return right("batch", f"the state machine {name} is {status}")
