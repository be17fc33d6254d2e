"""What can go wrong at the loopback endpoint, as data: where, how often, and what happens."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal[
    "respond",  # an answer of the service's own in place of the container's
    "delay",  # the right answer, later
    "hang",  # none, ever; the connection stays open
    "reset",  # the connection is reset as soon as the request's head is there
    "abort",  # … once the whole request is there
    "cut",  # half of the answer, and the connection ends
    "wrong_length",  # Content-Length is ``length_by`` more than what comes; where less, the rest comes unasked for
    "close_after",  # the right answer, and the connection ends without having said so
    "lose_item",  # the right answer without its last item
    "reverse_items",  # the items in another order than asked for
    "garble",  # status 200 and a body that is no JSON
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whom a request asks."""

    region: str
    endpoint: str
    variant: str | None = None
    component: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. ``None`` of a place means any; ``after`` lets so many requests pass first. **Units**: seconds."""

    kind: Kind
    region: str | None = None
    endpoint: str | None = None
    variant: str | None = None
    component: str | None = None
    times: int | None = None
    after: int = 0
    for_s: float | None = None
    probability: float = 1.0
    delay_s: float = 0.0
    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    length_by: int = 0

    def fits(self, place: Place) -> bool:
        """Say whether a request to this place is meant."""
        wanted = (self.region, self.endpoint, self.variant, self.component)
        there = (place.region, place.endpoint, place.variant, place.component)
        return all(want in (None, has) for want, has in zip(wanted, there, strict=True))


def service_error(status: int, code: str, message: str, *, retry_after_s: float | None = None, **where: Any) -> Fault:
    """Make the fault that the service answers with an error of its own."""
    headers = {"x-amzn-ErrorType": code} | ({} if retry_after_s is None else {"Retry-After": f"{retry_after_s:g}"})
    return Fault(kind="respond", status=status, body=json.dumps({"Message": message}), headers=headers, **where)


def throttled(**where: Any) -> Fault:
    """Make the fault of too many requests; ``retry_after_s`` is among what may be given."""
    return service_error(400, "ThrottlingException", "Rate exceeded", **where)


def unavailable(**where: Any) -> Fault:
    """Make the fault of a service, or of an endpoint without a healthy instance."""
    message = "The request has failed due to a temporary failure of the server."
    return service_error(503, "ServiceUnavailable", message, **where)


def no_capacity(**where: Any) -> Fault:
    """Make the fault of an inference component that is scaled to zero."""
    message = (
        "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress (if "
        "configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
    )
    return service_error(400, "ValidationError", message, **where)


def model_error(original_status: int, code: str = "overloaded", **where: Any) -> Fault:
    """Make the fault that the container answers with a status and the contract's error body."""
    error = {"code": code, "message": f"as the test wants: {code}", "field": "queue", "value": None, "allowed": "…"}
    original = json.dumps({"error": error | {"request_id": "loopback"}, "detail": error["message"]})
    return container_error(original_status, original, **where)


def container_error(original_status: int, original: str, **where: Any) -> Fault:
    """Make the fault that the container answers with a status and a body, as SageMaker words it to the caller."""
    kind = "client" if 400 <= original_status < 500 else "server"
    group = "https://eu-west-1.console.aws.amazon.com/cloudwatch/home#logEventViewer:group=/aws/sagemaker/Endpoints/e"
    told = {
        "Message": f'Received {kind} error ({original_status}) from primary with message "{original}". '
        f"See {group} in account 123456789012 for more information.",
        "OriginalStatusCode": original_status,
        "OriginalMessage": original,
        "LogStreamArn": "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/sagemaker/Endpoints/e",
    }
    headers = {"x-amzn-ErrorType": "ModelError"}
    return Fault(kind="respond", status=424, body=json.dumps(told), headers=headers, **where)


class Faults:
    """The faults that happen now; the first that fits a request meets it."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._active: list[_Active] = []

    def inject(self, fault: Fault) -> None:
        """Let it happen from now on."""
        until = float("inf") if fault.for_s is None else time.monotonic() + fault.for_s
        self._active.append(_Active(fault, fault.after, fault.times, until))

    def heal(self) -> None:
        """End all of them."""
        self._active.clear()

    def meet(self, place: Place, *, at_head: bool) -> Fault | None:
        """Return what meets a request of which the head alone is there, or else the whole."""
        for active in self._active:
            fault = active.fault
            if (fault.kind == "reset") == at_head and fault.fits(place) and active.strikes(self._draw):
                return fault
        return None


@dataclass(slots=True)
class _Active:
    fault: Fault
    passes: int
    left: int | None
    until: float

    def strikes(self, draw: random.Random) -> bool:
        if time.monotonic() > self.until or self.left == 0:
            return False
        if self.passes > 0:
            self.passes -= 1
            return False
        if self.fault.probability < 1 and draw.random() >= self.fault.probability:
            return False
        if self.left is not None:
            self.left -= 1
        return True
