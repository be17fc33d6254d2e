"""Application Auto Scaling with a time of its own: nothing happens but in a simulated minute, and then all of it.

``minute()`` (or ``POST /_local/scaling/minute``) lets a minute pass: what waits grows older, the queues' metrics are
put, alarms are evaluated, and policies move counts, whose machines have come or gone when it returns.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from local_aws.alarm_states import Minutes, evaluate_alarms
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.metrics import put_metrics
from local_aws.sagemaker.store import now
from local_aws.scaling_policies import Past, Wish, step_wish, tracking_wish

if TYPE_CHECKING:
    pass

MINUTE_S: Final = 60
_SETTLE_POLL_S: Final = 0.02
_SETTLE_LIMIT_S: Final = 600.0
_SERVICE: Final = "sagemaker"


class Autoscaler:
    """The scaling of one AWS, in all its regions."""

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting
        self._minutes: dict[str, Minutes] = {}
        self._past: dict[str, Past] = {}
        self._activities: dict[str, list[dict[str, Any]]] = {}
        self.elapsed_s = 0

    def minute(self) -> list[dict[str, Any]]:
        """Let a minute pass, and return the scaling activities of it."""
        self.elapsed_s += MINUTE_S
        self._hosting.skip(MINUTE_S)
        before = {region: len(done) for region, done in self._activities.items()}
        for store in self._hosting.stores:
            self._observe(store.region)
            minutes = self._minutes.setdefault(store.region, Minutes(store.region))
            minutes.end()
            ringing = evaluate_alarms(partial(self._hosting.client, region=store.region), minutes)
            self._scale(store.region, ringing, minutes)
        return [one for region, done in self._activities.items() for one in done[before.get(region, 0) :]]

    def activities(self, region: str, resource: str | None = None) -> list[dict[str, Any]]:
        """Return what was done in a region, the latest first."""
        done = self._activities.get(region, [])
        return [one for one in reversed(done) if resource in (None, one["ResourceId"])]

    def _client(self, service: str, region: str) -> Any:
        return self._hosting.client(service, region)

    def _observe(self, region: str) -> None:
        """Put what a minute has to say of the queues, and of what is in flight."""
        store = self._hosting.store(region)
        for endpoint in list(store.endpoints.values()):
            fleet = endpoint.fleet
            if fleet is None or endpoint.has_components:
                continue
            machines = sum(variant.instances for variant in fleet.variants.values())
            if endpoint.config.get("AsyncInferenceConfig"):
                queue = endpoint.queue
                if queue is not None:
                    queue.look()  # and end what has waited too long
                waiting = 0 if queue is None else len(queue)
                values = {
                    "ApproximateBacklogSize": waiting,
                    "ApproximateBacklogSizePerInstance": waiting / max(1, machines),
                    "HasBacklogWithoutCapacity": waiting > 0 and machines == 0,
                    "ApproximateAgeOfOldestRequest": 0.0 if queue is None else queue.oldest_s,
                }
                put_metrics(self._hosting, region, {"EndpointName": endpoint.name}, values)
                continue
            for variant in fleet.variants.values():
                named = {"EndpointName": endpoint.name, "VariantName": variant.name}
                each = variant.in_flight / max(1, variant.instances)
                put_metrics(self._hosting, region, named, {"ConcurrentRequestsPerModel": each})
        for component in list(store.components.values()):
            in_flight = sum(one.in_flight for one in component.fleet.variants.values()) if component.fleet else 0
            each = in_flight / max(1, component.copies)
            put_metrics(
                self._hosting, region, {"InferenceComponentName": component.name}, {"ConcurrentRequestsPerCopy": each}
            )

    def _scale(self, region: str, ringing: list[tuple[dict[str, Any], float]], minutes: Minutes) -> None:
        scaling = self._client("application-autoscaling", region)
        policies = scaling.describe_scaling_policies(ServiceNamespace=_SERVICE)["ScalingPolicies"]
        for target in scaling.describe_scalable_targets(ServiceNamespace=_SERVICE)["ScalableTargets"]:
            current = self._count(region, target["ResourceId"])
            if current is None:
                continue
            own = [one for one in policies if one["ResourceId"] == target["ResourceId"]]
            wishes = list(self._wishes(own, ringing, minutes, current))
            wish = max(wishes, key=lambda one: one.count, default=Wish(count=current, cause=""))
            count = min(max(wish.count, target["MinCapacity"]), target["MaxCapacity"])
            if count != current:
                cause = wish.cause or "minimum or maximum capacity was set"
                self._change(region, target, own, current, count, cause)

    def _wishes(
        self,
        policies: list[dict[str, Any]],
        ringing: list[tuple[dict[str, Any], float]],
        minutes: Minutes,
        current: int,
    ) -> Iterator[Wish]:
        """Yield what the policies want; a step policy whose alarm is quiet wants nothing."""
        for policy in policies:
            past = self._past.setdefault(policy["PolicyARN"], Past())
            if policy["PolicyType"] == "TargetTrackingScaling":
                count = tracking_wish(policy, past, self.elapsed_s, current, minutes)
                yield Wish(count=count, cause=f"the target of policy {policy['PolicyName']}")
                continue
            for alarm, value in ringing:
                if policy["PolicyARN"] in alarm["AlarmActions"]:
                    count = step_wish(policy, past, self.elapsed_s, current, value - alarm["Threshold"])
                    cause = f"monitor alarm {alarm['AlarmName']} in state ALARM triggered policy {policy['PolicyName']}"
                    yield Wish(count=count, cause=cause)

    def _count(self, region: str, resource: str) -> int | None:
        """Return how many there are of what is scaled, ``None`` where it cannot be changed now."""
        store, parts = self._hosting.store(region), resource.split("/")
        if parts[0] == "inference-component":
            component = store.components.get(parts[1])
            return component.copies if component is not None and component.status == "InService" else None
        endpoint = store.endpoints.get(parts[1])
        if endpoint is None or endpoint.status != "InService" or endpoint.fleet is None:
            return None
        return endpoint.fleet.variants[parts[3]].instances

    def _change(
        self, region: str, target: dict[str, Any], policies: list[dict[str, Any]], current: int, count: int, cause: str
    ) -> None:
        began, failure = now(), ""
        try:
            self._set(region, target["ResourceId"], count)
        except ClientError as error:
            failure = str(error)
        else:
            for policy in policies:
                past = self._past.setdefault(policy["PolicyARN"], Past())
                if count > current:
                    past.out_s, past.before_out = self.elapsed_s, current
                else:
                    past.in_s = self.elapsed_s
        noun = "copy" if target["ResourceId"].startswith("inference-component") else "instance"
        told = f"Successfully set desired {noun} count to {count}. Change successfully fulfilled by sagemaker."
        activity = {
            "ActivityId": str(uuid.uuid4()),
            **{name: target[name] for name in ("ServiceNamespace", "ResourceId", "ScalableDimension")},
            "Description": f"Setting desired {noun} count to {count}.",
            "Cause": cause,
            "StartTime": began,
            "EndTime": now(),
            "StatusCode": "Failed" if failure else "Successful",
            "StatusMessage": failure or told,
        }
        self._activities.setdefault(region, []).append(activity)

    def _set(self, region: str, resource: str, count: int) -> None:
        """Set a count, and wait until it is so."""
        sagemaker, parts = self._client("sagemaker", region), resource.split("/")
        if parts[0] == "inference-component":
            sagemaker.update_inference_component_runtime_config(
                InferenceComponentName=parts[1], DesiredRuntimeConfig={"CopyCount": count}
            )
        else:
            desired = {"VariantName": parts[3], "DesiredInstanceCount": count}
            sagemaker.update_endpoint_weights_and_capacities(
                EndpointName=parts[1], DesiredWeightsAndCapacities=[desired]
            )
        deadline = time.monotonic() + _SETTLE_LIMIT_S
        while self._count(region, resource) is None and time.monotonic() < deadline:
            if self._hosting.ending.wait(_SETTLE_POLL_S):
                return
