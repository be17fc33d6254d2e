"""What every kind of resource does, and the calls it does it with.

A kind calls the services' APIs, as CloudFormation does, with the requests checked as the services check them.
"""

from __future__ import annotations

import secrets
import string
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from local_aws import shapes

if TYPE_CHECKING:
    from local_aws.server import LocalAws

Properties = Mapping[str, Any]

_POLL_S: Final = 0.05
_SUFFIX: Final = 12
_GONE: Final = ("Not Found", "NotFound", "NoSuch", "does not exist", "Could not find", "not found", "Status Code: 404")


class ResourceError(Exception):
    """A resource cannot be made, changed or deleted; the message is the reason in the stack's events."""


@dataclass(slots=True)
class Physical:
    """A resource that is there: what ``Ref`` gives, and what ``Fn::GetAtt`` gives."""

    id: str
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """The calls of one resource's kind to the services of its region."""

    aws: LocalAws
    region: str
    stack_name: str
    logical_id: str
    stopping: threading.Event

    def __call__(self, service: str, operation: str, request: Properties) -> dict[str, Any]:
        """Call an operation with a request that is fitted to its shape and checked by it.

        **Raises**: ``ResourceError`` for a request that the service would refuse, or does.
        """
        shape = shapes.input_shape(service, operation)
        fitted = shapes.fit(shape, request)
        wrong = list(shapes.problems(shape, fitted))
        if wrong:
            raise ResourceError(f"{service} {operation}: {'; '.join(wrong)}")
        return self._send(service, operation, fitted)

    def read(self, service: str, operation: str, **request: Any) -> dict[str, Any] | None:
        """Call an operation that reads; ``None`` where what it asks for is not there."""
        try:
            return self._send(service, operation, request)
        except ResourceError as error:
            if any(sign in str(error) for sign in _GONE):
                return None
            raise

    def delete(self, service: str, operation: str, **request: Any) -> None:
        """Call an operation that deletes; what is gone already is deleted."""
        self.read(service, operation, **request)

    def _send(self, service: str, operation: str, request: Properties) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self.aws.client(service, self.region), xform_name(operation))(**request)
        except ClientError as error:
            raise ResourceError(_explain(error, service)) from None
        except BotoCoreError as error:
            raise ResourceError(f"{service} {operation}: {error}") from None
        return answer

    def name(self, limit: int = 64) -> str:
        """Make a name that nothing else has, as CloudFormation makes them."""
        letters = string.ascii_letters + string.digits
        suffix = "".join(secrets.choice(letters) for _ in range(_SUFFIX))
        return f"{self.stack_name}-{self.logical_id}"[: limit - _SUFFIX - 1].rstrip("-") + f"-{suffix}"

    def wait(self, check: Callable[[], bool], what: str, timeout_s: float) -> None:
        """Ask until something is so.

        **Raises**: ``ResourceError`` when it takes too long, or the local AWS is being stopped.
        """
        deadline = time.monotonic() + timeout_s
        while not check():
            if self.stopping.wait(_POLL_S):
                raise ResourceError(f"the local AWS was stopped while {what}")
            if time.monotonic() > deadline:
                raise ResourceError(f"timed out after {timeout_s:g} s while {what}")


def _explain(error: ClientError, service: str) -> str:
    detail = error.response["Error"]
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return (
        f"{detail.get('Message', detail['Code'])} (Service: {service}, Status Code: {status}, Code: {detail['Code']})"
    )


class Kind:
    """One type of resource; the properties that come are resolved, and declared in the table."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the resource, in one call."""
        raise NotImplementedError

    def set_up(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Do what the call that made the resource could not; what fails here is deleted again."""

    def settle(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Wait until a resource that was made or changed is ready."""

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Change the resource where it is."""

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the resource, or nothing where it is gone."""


class Written(Kind):
    """Something that is only written into others: it has a name of its own, and is made by its first update."""

    def create(self, calls: Calls, properties: Properties) -> Physical:  # noqa: ARG002  # as every kind's
        """Name it."""
        name = calls.name()
        return Physical(name, {"Id": name})

    def set_up(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Write it."""
        self.update(calls, physical, {}, properties)


def without(properties: Properties, *names: str) -> dict[str, Any]:
    """Return the properties but some."""
    return {name: value for name, value in properties.items() if name not in names}


def only(properties: Properties, *names: str) -> dict[str, Any]:
    """Return some of the properties, where they are there."""
    return {name: properties[name] for name in names if name in properties}


def changed_tags(before: Properties, after: Properties) -> tuple[list[dict[str, str]], list[str]]:
    """Return the tags to set, and the keys of those to take away."""
    old = {tag["Key"]: tag["Value"] for tag in before.get("Tags", ())}
    new = {tag["Key"]: tag["Value"] for tag in after.get("Tags", ())}
    put = [{"Key": key, "Value": str(value)} for key, value in new.items() if old.get(key) != value]
    return put, sorted(old.keys() - new.keys())


def differs(before: Properties, after: Properties, names: Iterable[str]) -> bool:
    """Tell whether one of the properties changes."""
    return any(before.get(name) != after.get(name) for name in names)
