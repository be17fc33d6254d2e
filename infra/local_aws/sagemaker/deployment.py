"""How an endpoint comes up, is updated blue/green and goes away; each runs on a thread of its own.

In an update no call may fail for it: the old fleet answers until the new one is healthy, and ends only when what it had
in flight is answered.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Final

from local_aws.sagemaker.endpoint import Endpoint
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.launch import LaunchError, launch_fleet
from local_aws.sagemaker.model_data import remove_models
from local_aws.sagemaker.store import Store
from local_aws.sagemaker.traffic import Fleet

_DRAIN_LIMIT_S: Final = 3600.0
_ALARM_POLL_S: Final = 0.1
_INTERNAL: Final = "Request to service failed. The local AWS's own log has the traceback."


class AlarmError(Exception):
    """An alarm of the automatic rollback has gone off."""


def bring_up(hosting: Hosting, store: Store, endpoint: Endpoint) -> None:
    """Start the first fleet: Creating → InService, or Failed."""
    folder = hosting.folder(store.region, endpoint.name) / str(endpoint.generation)
    try:
        fleet = launch_fleet(hosting, store, endpoint.name, folder, endpoint.config, {})
    except LaunchError as error:
        endpoint.change("Failed", str(error))
        return
    except Exception:
        endpoint.change("Failed", _INTERNAL)
        raise
    fleet.config_name = endpoint.config_name
    endpoint.fleet = fleet
    endpoint.traffic.route((fleet, 1.0))
    endpoint.change("InService")


def update(
    hosting: Hosting,
    store: Store,
    endpoint: Endpoint,
    config_name: str,
    config: dict[str, Any],
    retained: Mapping[str, Mapping[str, Any]],
) -> None:
    """Put another configuration in place of the present one: Updating → InService, by the new one or rolled back."""
    folder = hosting.folder(store.region, endpoint.name) / str(endpoint.generation)
    old = endpoint.fleet
    if old is None:
        raise RuntimeError(f"the endpoint {endpoint.name} was updated before it came up")
    try:
        new = launch_fleet(hosting, store, endpoint.name, folder, config, retained)
    except LaunchError as error:
        _finish(endpoint, str(error))
        return
    except Exception:
        _finish(endpoint, _INTERNAL)
        raise
    new.config_name = config_name
    policy = endpoint.deployment.get("BlueGreenUpdatePolicy", {})
    try:
        for share, wait_s in traffic_steps(
            endpoint.deployment, max(1, sum(v.instances for v in new.variants.values()))
        ):
            endpoint.traffic.route((old, 1 - share), (new, share))
            bake(hosting, store.region, endpoint.deployment, wait_s)
    except AlarmError as error:
        endpoint.change("RollingBack")
        _retire(endpoint, retired=new, staying=old)
        _finish(endpoint, str(error))
        return
    with endpoint.lock:
        endpoint.fleet, endpoint.config, endpoint.config_name = new, config, config_name
    hosting.pause(policy.get("TerminationWaitInSeconds", 0))
    _retire(endpoint, retired=old, staying=new)
    _finish(endpoint, "")


def traffic_steps(deployment: Mapping[str, Any], instances: int) -> Iterator[tuple[float, float]]:
    """Yield what share of the traffic the new fleet gets, and how long each share is watched (s)."""
    rolling = deployment.get("RollingUpdatePolicy")
    routing = deployment.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    wait_s = (rolling or routing).get("WaitIntervalInSeconds", 0)
    if rolling:
        step = _share(rolling["MaximumBatchSize"], instances)
    elif routing.get("Type") == "CANARY":
        yield _share(routing["CanarySize"], instances), wait_s
        step = 1.0
    elif routing.get("Type") == "LINEAR":
        step = _share(routing["LinearStepSize"], instances)
    else:
        step = 1.0
    for number in count(1):
        yield min(1.0, number * step), wait_s
        if number * step >= 1:
            return


def _share(size: Mapping[str, Any], instances: int) -> float:
    whole = 100 if size["Type"] == "CAPACITY_PERCENT" else instances
    return min(1.0, float(size["Value"]) / whole)


def bake(hosting: Hosting, region: str, deployment: Mapping[str, Any], wait_s: float) -> None:
    """Watch the alarms of a deployment configuration as long as the traffic stays as it is.

    **Raises**: ``AlarmError``.
    """
    alarms = deployment.get("AutoRollbackConfiguration", {}).get("Alarms", [])
    names = [alarm["AlarmName"] for alarm in alarms]
    began = time.monotonic()
    while True:
        if names:
            # all of them: moto looks at names or at states, never at both
            found = hosting.client("cloudwatch", region).describe_alarms(AlarmNames=names)["MetricAlarms"]
            ringing = [alarm for alarm in found if alarm["StateValue"] == "ALARM"]
            if ringing:
                raise AlarmError(f"One or more configured alarms went into alarm: {ringing[0]['AlarmName']}")
        left_s = wait_s * hosting.settings.waiting - (time.monotonic() - began)
        if left_s <= 0 or hosting.ending.wait(min(left_s, _ALARM_POLL_S)):
            return


def _retire(endpoint: Endpoint, *, retired: Fleet, staying: Fleet) -> None:
    endpoint.traffic.route((staying, 1.0))
    endpoint.traffic.drain(list(retired.variants.values()), _DRAIN_LIMIT_S)
    retired.stop()
    if retired.folder is not None:
        remove_models(retired.folder)


def _finish(endpoint: Endpoint, reason: str) -> None:
    if endpoint.queue is not None:
        endpoint.queue.look()  # there may be machines again; who sees the status finds their work begun
    with endpoint.lock:
        endpoint.pending = None
        endpoint.change("InService", reason)


def take_down(hosting: Hosting, store: Store, endpoint: Endpoint) -> None:
    """End an endpoint: Deleting → gone. Its logs stay."""
    endpoint.traffic.route()
    if endpoint.fleet is not None:
        endpoint.fleet.stop()
    for generation in hosting.folder(store.region, endpoint.name).glob("*"):
        remove_models(generation)
    with store.lock:
        store.endpoints.pop(endpoint.name, None)
        store.tags.pop(endpoint.arn, None)
