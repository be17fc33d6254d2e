"""Faults on demand: rules that make this AWS fail as the real one sometimes does.

They are added in Python (``aws.faults.add``) or over HTTP (``POST /_local/faults``). The rules say when a fault is due;
what it does is for the planes, which ask by ``take``.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from werkzeug.wrappers import Request, Response

from local_aws.own_plane import json_response, own_plane

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

KINDS: Final = (
    *("throttle", "latency", "error", "denied", "model_error", "container_death", "instance_lost", "capacity_missing"),
)
PATH: Final = "/_local/faults"


class FaultError(ValueError):
    """A rule cannot be; the message says what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One rule: what happens (``kind``), to which calls, how often.

    - ``throttle``: ThrottlingException; ``latency``: the call waits ``latency_s`` first; ``error``: the service itself
      fails with ``status`` (503 ServiceUnavailable, other 5xx InternalFailure).
    - ``denied``: AccessDeniedException, as if no policy allowed the caller the operation.
    - ``model_error``: the container is not asked; the call fails as if it had answered ``original_status`` with
      ``original_message``. ``container_death``: the container's process dies of a transform job's request.
    - ``instance_lost``: the variant's process is killed, and the call finds none; a transform job fails.
    - ``capacity_missing``: machines of ``instance_types`` (all where empty) cannot be had when an endpoint or a
      transform job starts.

    A rule holds for calls whose ``operation``, ``endpoint``, ``variant``, ``job`` and ``region`` are those given
    (``None``: any), and which send a part of a transform job's input file whose key contains ``key``; ``count`` times
    (``None``: until removed), each with ``probability``, drawn by ``seed``. What happens while a transform job starts
    and runs is of the operation CreateTransformJob.

    **Raises**: ``FaultError``.
    """

    kind: str
    operation: str | None = None
    endpoint: str | None = None
    variant: str | None = None
    job: str | None = None
    key: str | None = None
    region: str | None = None
    count: int | None = None
    probability: float = 1.0
    seed: int = 0
    latency_s: float = 0.0
    status: int = 503
    original_status: int = 500
    original_message: str = "a fault on demand"
    instance_types: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise FaultError(f"there is no fault {self.kind!r}; there are {', '.join(KINDS)}")
        if not 0 <= self.probability <= 1:
            raise FaultError(f"probability must be from 0 to 1, not {self.probability!r}")
        if self.count is not None and self.count < 1:
            raise FaultError(f"count must be at least 1, not {self.count!r}; leave it out for a fault that stays")
        if not 500 <= self.status <= 599:
            raise FaultError(f"status must be from 500 to 599, not {self.status!r}; for a container's use model_error")
        if self.latency_s < 0 or (self.kind == "latency" and self.latency_s == 0):
            raise FaultError(f"latency_s must be more than 0 for a latency, not {self.latency_s!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a fault may meet: a call of a plane, the start of a variant or a job, or a request of a job's."""

    operation: str
    region: str
    endpoint: str | None = None
    variant: str | None = None
    job: str | None = None
    key: str | None = None
    instance_type: str | None = None


class _Rule:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.left = fault.count
        self._random = random.Random(fault.seed)  # noqa: S311  # to be repeated, not to be secret

    def meets(self, kind: str, call: Call) -> bool:
        fault = self.fault
        if fault.kind != kind or self.left == 0:
            return False
        if fault.instance_types and call.instance_type not in fault.instance_types:
            return False
        if fault.key is not None and fault.key not in (call.key or ""):
            return False
        for name in ("operation", "endpoint", "variant", "job", "region"):
            if getattr(fault, name) not in (None, getattr(call, name)):
                return False
        if self._random.random() >= fault.probability:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Faults:
    """The rules of one AWS; safe from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: dict[str, _Rule] = {}
        self._numbers = itertools.count(1)

    def add(self, **what: Any) -> str:
        """Add a rule (``Fault``'s fields) and return its id.

        **Raises**: ``FaultError``.
        """
        allowed = [field.name for field in dataclasses.fields(Fault)]
        unknown = sorted(set(what) - set(allowed))
        if unknown or "kind" not in what:
            wrong = f"a fault has no {', '.join(unknown)}" if unknown else "a fault needs a kind"
            raise FaultError(f"{wrong}; it has {', '.join(allowed)}")
        if isinstance(what.get("instance_types"), list):
            what["instance_types"] = tuple(what["instance_types"])
        try:
            rule = _Rule(Fault(**what))
        except TypeError as error:
            raise FaultError(f"a value is of the wrong type: {error}") from None
        with self._lock:
            identity = f"fault-{next(self._numbers)}"
            self._rules[identity] = rule
            return identity

    def remove(self, identity: str) -> None:
        """Take a rule away; one that is not there is no error."""
        with self._lock:
            self._rules.pop(identity, None)

    def clear(self) -> None:
        """Take every rule away."""
        with self._lock:
            self._rules.clear()

    def list(self) -> list[dict[str, Any]]:
        """Return every rule with its ``id`` and, in ``count``, how often it still holds."""
        with self._lock:
            return [
                {"id": identity, **dataclasses.asdict(rule.fault), "count": rule.left}
                for identity, rule in self._rules.items()
            ]

    def take(self, kind: str, call: Call) -> Fault | None:
        """Return the fault of a kind that is due at a call, which uses it up once; ``None`` where none is."""
        with self._lock:
            for rule in self._rules.values():
                if rule.meets(kind, call):
                    return rule.fault
        return None


def faults_plane(faults: Faults) -> Callable[[WSGIApplication], WSGIApplication]:
    """Make the plane of ``/_local/faults``: GET lists, POST adds, DELETE removes all or ``/_local/faults/<id>``."""
    return own_plane(PATH, partial(_respond, faults))


def _respond(faults: Faults, request: Request, identity: str) -> Response:
    body = request.get_data()
    if request.method == "GET":
        return json_response(200, {"faults": faults.list()})
    if request.method == "DELETE":
        if identity:
            faults.remove(identity)
        else:
            faults.clear()
        return json_response(200, {"faults": faults.list()})
    if request.method != "POST":
        return json_response(405, {"message": f"{PATH} takes GET, POST and DELETE, not {request.method}"})
    try:
        what = json.loads(body)
        if not isinstance(what, dict):
            raise FaultError("a fault is a JSON object")
        return json_response(201, {"id": faults.add(**what)})
    except ValueError as error:  # FaultError too
        return json_response(400, {"message": str(error)})
