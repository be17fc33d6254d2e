"""The way of one request to its answer: whom it asks, what it makes of that, how long it waits, when it gives up.

A generator over a clock and a source of chance that are given to it; it sends nothing and sleeps nowhere.
"""

from __future__ import annotations

import copy
import math
import random as chance
import time
from collections import Counter
from collections.abc import Callable, Generator
from typing import Final

from jina_v3_client._calls import explanations as explain
from jina_v3_client._calls.classify import Kind, Verdict, classify
from jina_v3_client._calls.retrying import backoff_s
from jina_v3_client._calls.steps import Answer, Ask, Outcome, Wait, Way, Work
from jina_v3_client.errors import DeadlineError, JinaClientError, NotInServiceError
from jina_v3_client.routing.health import Admission, Blocked, Routing
from jina_v3_client.routing.targets import Target
from jina_v3_client.settings import Settings
from jina_v3_client.transport import HttpResponse, TransportError

_SLOW_ATTEMPTS: Final = 2
"""How often a request of several texts may run out of time: its halves are the better attempt then."""
_LEAST_ATTEMPT_S: Final = 0.001
"""With less time than this left there is no point in asking."""


def find_way(
    work: Work,
    routing: Routing,
    settings: Settings,
    *,
    deadline: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    random: Callable[[], float] = chance.random,
) -> Way:
    """Ask targets until one answers. **Units**: ``deadline`` is a time of ``clock``, whose unit is the second.

    **Raises**: every ``JinaClientError`` but those of batches.

    >>> way = find_way(Work(body=b"{}"), Routing("texts", Settings()), Settings())
    >>> next(way).target.name
    'texts'
    """
    return (yield from _Journey(work, routing, settings, deadline, clock, random).go())


class _Journey:
    """What one request has met so far.

    ``turns`` are attempts that failed, and waits for the budget in an attempt's place; a target without a machine
    costs none, but patience. ``barred`` says until when a target is not asked again: after a failure for the backoff
    or what ``Retry-After`` says, so that another one is asked at once; for ever where it would fail again.
    """

    def __init__(
        self,
        work: Work,
        routing: Routing,
        settings: Settings,
        deadline: float | None,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self.work, self.routing, self.settings = work, routing, settings
        self.deadline, self.clock, self.random = deadline, clock, random
        self.began = clock()
        self.barred: dict[Target, float] = {}
        self.failures: Counter[Target] = Counter()
        self.attempts = self.hedges = self.turns = self.slow = 0
        self.slept_s = self.rested_s = 0.0
        self.last: JinaClientError | None = None
        self.late: JinaClientError | None = None  # the last failure to be in time

    def go(self) -> Way:
        while True:
            now = self.clock()
            self._keep_deadline(now)
            choice = self.routing.choose(self.work, self.barred, now, self.random)
            if isinstance(choice, Blocked):
                yield from self._wait_for(choice, now)
            elif self.turns and not self.routing.budget.take():
                self.routing.end(choice)
                yield from self._wait_for_budget(now)
            else:
                answer = yield from self._ask(choice, now)
                if answer is not None:
                    return answer

    def _ask(self, admission: Admission, now: float) -> Generator[Ask | Wait, list[Outcome], Answer | None]:
        left_s = math.inf if self.deadline is None else self.deadline - now
        timeout_s = min(self.settings.attempt_s, left_s)
        hedge = admission.hedge if admission.hedge_after_s < timeout_s else None
        self.attempts += 1
        hedges = 0
        try:
            outcomes = yield Ask(
                target=admission.target,
                timeout_s=timeout_s,
                hedge=hedge,
                hedge_after_s=admission.hedge_after_s if hedge is not None else 0.0,
            )
            hedges = len(outcomes) - 1 + sum(outcome.abandoned is not None for outcome in outcomes)
            self.hedges += hedges
            self.attempts += hedges
            return self._learn(admission, outcomes, was_cut_short=left_s < self.settings.attempt_s)
        finally:
            self.routing.end(admission, hedges=hedges)

    def _learn(self, admission: Admission, outcomes: list[Outcome], *, was_cut_short: bool) -> Answer | None:
        now = self.clock()
        verdicts = [(outcome, classify(outcome)) for outcome in outcomes]
        for outcome, verdict in verdicts:
            gave_up = was_cut_short and isinstance(outcome.result, TransportError) and outcome.result.kind == "timeout"
            if not gave_up:
                self._tell(admission, outcome, verdict, now)
            if outcome.abandoned == admission.target != outcome.target:
                self.routing.overtaken(admission, admission.target, explain.overtaken(admission.target), now)
        for outcome, verdict in verdicts:
            if verdict.error is None:
                return self._answer(outcome, now)
        for outcome, verdict in verdicts:
            self._bear(outcome.target, verdict, now)
        self._count([verdict for _, verdict in verdicts])
        return None

    def _tell(self, admission: Admission, outcome: Outcome, verdict: Verdict, now: float) -> None:
        """Let everyone's health of the target know."""
        routing, target, error = self.routing, outcome.target, verdict.error
        if error is None:
            routing.answered(admission, target, outcome.seconds)
            routing.budget.earn()
        elif verdict.kind is Kind.ASLEEP:
            routing.slept(admission, target, error, now)
        elif verdict.kind in (Kind.FAILED, Kind.FAULTY) or (verdict.kind is Kind.GONE and routing.has_choice):
            routing.failed(admission, target, error, now, at_once=verdict.kind is Kind.GONE)
        else:
            routing.alive(admission, target)

    def _answer(self, outcome: Outcome, now: float) -> Answer:
        response = outcome.result
        assert isinstance(response, HttpResponse)
        return Answer(
            target=outcome.target,
            response=response,
            attempts=self.attempts,
            hedges=self.hedges,
            seconds=now - self.began,
        )

    def _bear(self, target: Target, verdict: Verdict, now: float) -> None:
        """Decide when this work asks the target again, if at all."""
        self.last = verdict.error
        if verdict.slow:
            self.slow, self.late = self.slow + 1, verdict.error
        self.failures[target] += verdict.kind is not Kind.ASLEEP
        retry_after_s = verdict.retry_after_s or 0.0
        if verdict.kind is Kind.REFUSED:
            raise self._give_up(verdict.error)
        if verdict.kind in (Kind.GONE, Kind.FAULTY) or retry_after_s > self.settings.patience_s:
            self.barred[target] = math.inf
        elif verdict.kind is Kind.ASLEEP:
            self.barred[target] = now + retry_after_s
        else:
            wait_s = backoff_s(self.failures[target], self.settings.retry, self.random)
            self.barred[target] = now + max(wait_s, retry_after_s)

    def _count(self, verdicts: list[Verdict]) -> None:
        """Take a turn for what failed, and give up where there are no more."""
        self._keep_deadline(self.clock())
        self.turns += any(verdict.kind is not Kind.ASLEEP for verdict in verdicts)
        if self.work.texts > 1 and self.slow >= _SLOW_ATTEMPTS:
            raise self._give_up(self.late)  # a hedge may have failed otherwise beside it
        if self.turns >= self.settings.retry.attempts:
            raise self._give_up(self.last)

    def _wait_for(self, blocked: Blocked, now: float) -> Generator[Wait, list[Outcome], None]:
        """Wait until somebody can be asked: within patience for machines, and not for ever for what has failed."""
        if math.isinf(blocked.until):
            raise self._give_up(self.last)
        wait_s, health = blocked.until - now, blocked.health
        if health is not None and health.asleep:
            self.last = health.error
            if self.slept_s + wait_s > self.settings.patience_s:
                raise self._give_up(
                    NotInServiceError(
                        f"it has no machine to answer with, after {self.slept_s:.0f} s of waiting",
                        advice=f"scaling from zero takes minutes: raise patience_s (now {self.settings.patience_s:g}), "
                        "or give it a copy or an instance",
                        target=blocked.target.label,
                        request_id=self.last.request_id if self.last else None,
                    )
                )
            self.slept_s += wait_s
        elif health is not None:
            self.last = health.error
            if self.rested_s + wait_s > self.settings.breaker.longest_rest_s:
                raise self._give_up(health.error, f"left alone for {wait_s:.1f} s more, for it kept failing")
            self.rested_s += wait_s
        yield from self._wait(wait_s, now)

    def _wait_for_budget(self, now: float) -> Generator[Wait, list[Outcome], None]:
        """Spend a turn on waiting: too much is asked again already, and successes of others may earn an attempt."""
        self.turns += 1
        if self.turns >= self.settings.retry.attempts:
            raise self._give_up(self.last, "no retries are left: too many requests of this client fail")
        yield from self._wait(backoff_s(self.turns, self.settings.retry, self.random), now)

    def _wait(self, wait_s: float, now: float) -> Generator[Wait, list[Outcome], None]:
        self._keep_deadline(now, wait_s)
        yield Wait(seconds=wait_s)

    def _keep_deadline(self, now: float, wait_s: float = 0.0) -> None:
        """Give up as soon as nothing can happen before the deadline."""
        if self.deadline is not None and now + wait_s > self.deadline - _LEAST_ATTEMPT_S:
            last = self.last
            error = DeadlineError(
                f"no answer before the deadline, after {now - self.began:.2g} s{f': {last.message}' if last else ''}",
                advice="give it more time (deadline_s), or fewer texts",
                target=last.target if last else None,
                request_id=last.request_id if last else None,
            )
            raise self._give_up(error) from last

    def _give_up(self, error: JinaClientError | None, reason: str = "") -> JinaClientError:
        """Return the error to raise, an own one: the target's health may hold it for others too."""
        assert error is not None
        own = copy.copy(error)
        own.__cause__ = error.__cause__
        own.attempts = max(self.attempts, 1)
        if reason:
            own.message += f" ({reason})"
        return own
