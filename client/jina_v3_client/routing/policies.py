"""Whom to ask first, and whom then: policies over targets, which hold one another.

A policy is data and a pure function of what is known of its targets; health, breakers and retries are not its matter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from jina_v3.contract import TASKS, Task
from jina_v3_client.errors import ConfigurationError
from jina_v3_client.routing.targets import Endpoint, InferenceRouter, Target

if TYPE_CHECKING:
    from jina_v3_client._calls.steps import Work


class View(Protocol):
    """What a policy may look at."""

    def outstanding(self, target: Target) -> int:
        """Return how many requests the target has of this client now."""

    def random(self) -> float:
        """Return a number drawn from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A target in a policy's order, and the policy by which its requests are hedged.

    >>> Candidate(Endpoint("texts")).target.label
    'texts'
    """

    target: Target
    hedged: Hedged | None = None


class Policy(ABC):
    """Orders its targets for each request: the first that can take it gets it, the others are there for its failure."""

    __slots__ = ()

    @property
    @abstractmethod
    def members(self) -> tuple[Policy, ...]:
        """The policies it is made of."""

    @abstractmethod
    def order(self, work: Work, view: View) -> tuple[Candidate, ...]:
        """Return whom to ask, in order; one target may stand there twice."""

    @abstractmethod
    def _over(self, members: tuple[Policy, ...]) -> Policy:
        """Return the same policy over other members."""

    def mapped(self, change: Callable[[Target], Target]) -> Policy:
        """Return the same policy over other targets, such as those with their regions filled in.

        >>> Failover("a", "b").mapped(lambda target: replace(target, region="eu-west-1")).targets[1].label
        'eu-west-1/b'
        """
        return self._over(tuple(member.mapped(change) for member in self.members))

    @property
    def targets(self) -> tuple[Target, ...]:
        """Everyone it may ask, each once."""
        return tuple(dict.fromkeys(target for member in self.members for target in member.targets))


Choice = str | Endpoint | InferenceRouter | Policy
"""What stands for a policy: a policy, a target, or the name of an endpoint."""


@dataclass(frozen=True, slots=True)
class Only(Policy):
    """One target, asked always: what a bare target or a name stands for.

    >>> Only(Endpoint("texts")).targets[0].label
    'texts'
    """

    target: Target

    @property
    def members(self) -> tuple[Policy, ...]:
        """It has none."""
        return ()

    @property
    def targets(self) -> tuple[Target, ...]:
        """The one."""
        return (self.target,)

    def order(self, work: Work, view: View) -> tuple[Candidate, ...]:  # noqa: ARG002  # there is nothing to choose
        """Return the one."""
        return (Candidate(self.target),)

    def _over(self, members: tuple[Policy, ...]) -> Policy:  # noqa: ARG002  # it has none
        return self

    def mapped(self, change: Callable[[Target], Target]) -> Policy:
        """Return the policy of another target."""
        return Only(change(self.target))


@dataclass(frozen=True, slots=True, init=False)
class Failover(Policy):
    """The first that can answer, in this order. **Raises**: ``ConfigurationError``.

    >>> policy = Failover(Endpoint("texts", region="eu-west-1"), Endpoint("texts", region="us-east-1"))
    >>> [target.label for target in policy.targets]
    ['eu-west-1/texts', 'us-east-1/texts']
    """

    members: tuple[Policy, ...]

    def __init__(self, *choices: Choice) -> None:
        object.__setattr__(self, "members", _several("Failover", choices))

    def order(self, work: Work, view: View) -> tuple[Candidate, ...]:
        """Return all, as they are given."""
        return tuple(candidate for member in self.members for candidate in member.order(work, view))

    def _over(self, members: tuple[Policy, ...]) -> Policy:
        return Failover(*members)


@dataclass(frozen=True, slots=True, init=False)
class Weighted(Policy):
    """Each as often as its weight says; the others, drawn likewise, where it fails. **Raises**: ``ConfigurationError``.

    >>> [target.label for target in Weighted({"stable": 95, "canary": 5}).targets]
    ['stable', 'canary']
    """

    members: tuple[Policy, ...]
    weights: tuple[float, ...]

    def __init__(self, weights: Mapping[Any, float] | Iterable[tuple[Choice, float]]) -> None:
        # a mapping's keys are of one type to a type checker: that of a ``Choice`` would fit no other
        pairs = list(weights.items() if isinstance(weights, Mapping) else weights)
        for choice, weight in pairs:
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
                raise ConfigurationError(f"Weighted: the weight of {_name(choice)} is {weight!r}; it must be above 0")
        object.__setattr__(self, "members", _several("Weighted", [choice for choice, _ in pairs]))
        object.__setattr__(self, "weights", tuple(float(weight) for _, weight in pairs))

    def order(self, work: Work, view: View) -> tuple[Candidate, ...]:
        """Draw all, one after the other."""
        left = list(zip(self.members, self.weights, strict=True))
        drawn: list[Candidate] = []
        while left:
            drawn += left.pop(_draw([weight for _, weight in left], view.random()))[0].order(work, view)
        return tuple(drawn)

    def _over(self, members: tuple[Policy, ...]) -> Policy:
        return Weighted(zip(members, self.weights, strict=True))


@dataclass(frozen=True, slots=True, init=False)
class LeastOutstanding(Policy):
    """Whoever has the fewest requests of this client; chance decides between equals.

    **Raises**: ``ConfigurationError``.

    >>> [target.label for target in LeastOutstanding("a", "b").targets]
    ['a', 'b']
    """

    members: tuple[Policy, ...]

    def __init__(self, *choices: Choice) -> None:
        object.__setattr__(self, "members", _several("LeastOutstanding", choices))

    def order(self, work: Work, view: View) -> tuple[Candidate, ...]:
        """Return all, those with the fewest requests first."""

        def load(member: Policy) -> tuple[int, float]:
            return sum(view.outstanding(target) for target in member.targets), view.random()

        return tuple(candidate for member in sorted(self.members, key=load) for candidate in member.order(work, view))

    def _over(self, members: tuple[Policy, ...]) -> Policy:
        return LeastOutstanding(*members)


@dataclass(frozen=True, slots=True, init=False)
class ByTask(Policy):
    """A policy for each task, such as queries to the fast target and passages to the large one.

    ``None`` as a key is the base weights; ``otherwise`` takes the tasks that are not named.

    **Raises**: ``ConfigurationError``, also for a request of a task that nobody takes.

    >>> policy = ByTask({"retrieval.query": "fast"}, otherwise=Failover("large", "fast"))
    >>> [target.label for target in policy.targets]
    ['fast', 'large']
    """

    tasks: tuple[tuple[Task | None, Policy], ...]
    otherwise: Policy | None

    def __init__(self, tasks: Mapping[Any, Choice], otherwise: Choice | None = None) -> None:
        unknown = [task for task in tasks if task is not None and task not in TASKS]
        if unknown or not (tasks or otherwise):
            said = f"{unknown[0]!r} is no task" if unknown else "there are neither tasks nor otherwise"
            raise ConfigurationError(f"ByTask: {said}; it takes {', '.join(TASKS)}, and None for the base weights")
        pairs = tuple((None if task is None else Task(task), as_policy(choice)) for task, choice in tasks.items())
        object.__setattr__(self, "tasks", pairs)
        object.__setattr__(self, "otherwise", None if otherwise is None else as_policy(otherwise))

    @property
    def members(self) -> tuple[Policy, ...]:
        """The tasks' policies, and the other one."""
        return (*(policy for _, policy in self.tasks), *([] if self.otherwise is None else [self.otherwise]))

    def order(self, work: Work, view: View) -> tuple[Candidate, ...]:
        """Return whom the task's policy names."""
        policy = dict(self.tasks).get(work.task, self.otherwise)
        if policy is None:
            named = ", ".join(str(task) for task, _ in self.tasks)
            raise ConfigurationError(f"nobody takes task {work.task}: ByTask has {named}; give it otherwise=")
        return policy.order(work, view)

    def _over(self, members: tuple[Policy, ...]) -> Policy:
        tasks = {task: member for (task, _), member in zip(self.tasks, members, strict=False)}
        return ByTask(tasks, None if self.otherwise is None else members[-1])


@dataclass(frozen=True, slots=True, init=False)
class Hedged(Policy):
    """Asks a second time where an answer takes longer than nearly all do; the first whole answer counts.

    The second goes to the next target of the policy, or again to the only one, which has other machines. It is sent
    after the ``percentile`` of the target's own recent answers of that size, never before ``least_s``, and for at most
    a ``share`` of requests, so that a slow target is not made slower. **Units**: seconds.

    **Raises**: ``ConfigurationError``.

    >>> Hedged("texts", percentile=0.99, least_s=0.1).share
    0.1
    """

    policy: Policy
    percentile: float
    least_s: float
    share: float

    def __init__(self, policy: Choice, *, percentile: float = 0.95, least_s: float = 0.05, share: float = 0.1) -> None:
        for name, value, most in (("percentile", percentile, 1.0), ("least_s", least_s, 60.0), ("share", share, 1.0)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
                raise ConfigurationError(f"Hedged: {name} is {value!r}; it must be above 0 and at most {most:g}")
            object.__setattr__(self, name, float(value))
        object.__setattr__(self, "policy", as_policy(policy))

    @property
    def members(self) -> tuple[Policy, ...]:
        """The policy that is hedged."""
        return (self.policy,)

    def order(self, work: Work, view: View) -> tuple[Candidate, ...]:
        """Return the policy's own order."""
        return tuple(replace(candidate, hedged=self) for candidate in self.policy.order(work, view))

    def _over(self, members: tuple[Policy, ...]) -> Policy:
        return Hedged(members[0], percentile=self.percentile, least_s=self.least_s, share=self.share)


def as_policy(choice: Choice) -> Policy:
    """Return the policy that something stands for: itself, or that of one target.

    **Raises**: ``ConfigurationError``.

    >>> as_policy("texts") == Only(Endpoint("texts"))
    True
    """
    match choice:
        case Policy():
            return choice
        case str():
            return Only(Endpoint(choice))
        case Endpoint() | InferenceRouter():
            return Only(choice)
    raise ConfigurationError(
        f"{type(choice).__name__} is no target; give the name or ARN of an endpoint, an Endpoint, an InferenceRouter, "
        "or a policy such as Failover(…)"
    )


def _several(policy: str, choices: Iterable[Choice]) -> tuple[Policy, ...]:
    members = tuple(as_policy(choice) for choice in choices)
    if not members:
        raise ConfigurationError(f"{policy} has no targets; give at least one")
    return members


def _draw(weights: list[float], number: float) -> int:
    """Return a place, each as likely as its weight is of all."""
    mark = number * sum(weights)
    for place, weight in enumerate(weights):
        mark -= weight
        if mark < 0:
            return place
    return len(weights) - 1


def _name(choice: object) -> str:
    return choice if isinstance(choice, str) else getattr(choice, "label", type(choice).__name__)
