"""Ways through scripted worlds in simulated time: what is asked how often, when, and when a way gives up."""

import asyncio
import dataclasses
import itertools
import math
import random

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.scripted_world import WORK, World, always, by_target, until
from tests.support.service_answers import (
    answered,
    contained,
    failed,
    no_capacity,
    throttle,
    unavailable_service,
    uncontained,
)
from tests.support.virtual_time import run

from jina_v3_client._calls.classify import smaller_may_help
from jina_v3_client._calls.steps import Answer
from jina_v3_client._calls.way import find_way
from jina_v3_client.errors import (
    AccessError,
    ConnectionFailedError,
    DeadlineError,
    EndpointNotFoundError,
    InvalidInputError,
    JinaClientError,
    ModelError,
    NotInServiceError,
    OverloadedError,
)
from jina_v3_client.routing import Endpoint, Failover, Hedged, LeastOutstanding
from jina_v3_client.settings import BreakerSettings, RetrySettings, Settings
from jina_v3_client.transport import TransportError
from local_aws.errors import ServiceError

A, B = Endpoint("a"), Endpoint("b")
OK = answered()
NOT_FOUND = failed(ServiceError("ValidationError", "Endpoint a of account 123456789012 not found."))
DEAD = TransportError("connect", "refused")
CLOSED = Settings(breaker=BreakerSettings(failures=10**6))  # a breaker that never opens


def in_turn(*results):
    """Answer with one after the other, the last for ever."""
    left = list(results)
    return lambda _target, _now: (0.1, left.pop(0) if len(left) > 1 else left[0])


def outcome_of(world, work=WORK, deadline_s=None):
    return run(world.try_call(work, deadline_s))


PASSING = {
    "throttled": throttle(),
    "unavailable": unavailable_service(),
    "failure": failed(ServiceError("InternalFailure", "unknown", 500)),
    "dependency": failed(ServiceError("InternalDependencyException", "unknown", 530)),
    "queue full": contained(429, "overloaded"),
    "not ready": contained(503, "not_ready"),
    "bad gateway": uncontained(502, ""),
    "gateway timeout": uncontained(504, ""),
    "container broke off": uncontained(0, ""),
    "body timeout": contained(408, "body_timeout"),
    "connect": TransportError("connect", "refused"),
    "timeout": TransportError("timeout", "70 s"),
    "broken": TransportError("broken", "cut"),
    "asleep": no_capacity(),
}


@pytest.mark.parametrize("passing", PASSING.values(), ids=PASSING)
def test_what_passes_is_tried_again(passing):
    world = World(in_turn(passing, passing, OK), A)
    answer = outcome_of(world)
    assert isinstance(answer, Answer)
    assert answer.attempts == len(world.sent) == 3


REFUSED = {
    "unknown task": contained(422, "unknown_task"),
    "not json": contained(400, "not_json"),
    "too large": contained(413, "body_too_large"),
    "media type": contained(415, "unsupported_media_type"),
    "of another container": uncontained(400, "no"),
    "validation": failed(ServiceError("ValidationError", "1 validation error detected: customAttributes")),
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
def test_what_the_input_is_at_fault_for_is_asked_once_whoever_else_there_is(refused):
    world = World(in_turn(refused, OK), Failover(A, B))
    error = outcome_of(world)
    assert isinstance(error, JinaClientError)
    assert error.attempts == len(world.sent) == 1
    assert world.routing.reports()[0].failures == 0, "the target did what it should"


@pytest.mark.parametrize("gone", [NOT_FOUND, uncontained(500, ""), AccessError("no credentials for it")])
def test_what_one_target_will_never_answer_another_is_asked_at_once_and_the_first_not_again(gone):
    world = World(by_target(a=always(gone), b=in_turn(throttle(), OK)), Failover(A, B))
    assert isinstance(outcome_of(world), Answer)
    assert [sent.target for sent in world.sent] == [A, B, B]
    assert world.sent[1].at == pytest.approx(0.1)


def test_a_target_that_is_not_there_costs_the_others_calls_nothing():
    world = World(by_target(a=always(NOT_FOUND), b=always(OK)), Failover(A, B))
    assert all(isinstance(one, Answer) for one in run(world.calls(100, concurrency=4)))
    assert len(world.asked(A)) <= 4 + 2


@pytest.mark.parametrize(("gone", "kind"), [(NOT_FOUND, EndpointNotFoundError), (uncontained(500, ""), ModelError)])
def test_what_the_only_target_will_never_answer_is_an_error_at_once_each_time(gone, kind):
    world = World(always(gone), A)
    for asked in (1, 2, 3, 4):
        assert isinstance(outcome_of(world), kind)
        assert (len(world.sent), world.sent[-1].at) == (asked, 0.0), "none waits for another's rest"


def test_another_target_is_asked_before_the_one_that_failed_however_short_its_backoff_was():
    world = World(by_target(a=always(throttle()), b=always(OK)), Failover(A, B))
    world.random = lambda: 0.0
    assert isinstance(outcome_of(world), Answer)
    assert [sent.target for sent in world.sent] == [A, B]


def test_attempts_end_by_their_number_with_the_last_typed_error():
    world = World(always(unavailable_service()), A, dataclasses.replace(CLOSED, retry=RetrySettings(attempts=4)))
    error = outcome_of(world)
    assert isinstance(error, NotInServiceError)
    assert error.attempts == len(world.sent) == 4
    assert "4 attempts" in str(error)


def test_waits_are_drawn_from_all_of_a_doubling_time():
    settings = dataclasses.replace(CLOSED, retry=RetrySettings(attempts=6, first_wait_s=1.0, longest_wait_s=5.0))
    waits = []
    for seed in range(200):
        world = World(always(throttle(), 0.0), A, settings, seed=seed)
        outcome_of(world)
        waits.append([later.at - sent.at for sent, later in itertools.pairwise(world.sent)])
    for drawn, most in zip(zip(*waits, strict=True), (1, 2, 4, 5, 5), strict=True):
        assert max(drawn) <= most + 1e-9
        assert max(drawn) > 0.95 * most
        assert min(drawn) < 0.05 * most
        assert sum(drawn) / len(drawn) == pytest.approx(most / 2, rel=0.15)


def test_a_retry_after_is_waited_for_at_its_target_and_at_no_other():
    alone = World(in_turn(throttle(retry_after="7"), OK), A)
    assert isinstance(outcome_of(alone), Answer)
    assert alone.sent[1].at >= 7.1
    scripts = {name: in_turn(throttle(retry_after=seconds), OK) for name, seconds in (("a", "7"), ("b", "9"))}
    both = World(by_target(**scripts), Failover(A, B))
    assert isinstance(outcome_of(both), Answer)
    assert [(sent.target, round(sent.at, 1)) for sent in both.sent] == [(A, 0.0), (B, 0.1), (A, 7.1)]


def test_a_containers_own_retry_after_is_waited_for():
    full = contained(429, "overloaded", "31 s, and 25 s are allowed; send the request again in 6 s")
    world = World(in_turn(full, OK), A)
    assert isinstance(outcome_of(world), Answer)
    assert world.sent[1].at >= 6.1


def test_a_retry_after_beyond_patience_is_an_error_at_once():
    world = World(always(throttle(retry_after="86400")), A)
    error = outcome_of(world)
    assert isinstance(error, OverloadedError)
    assert (error.retry_after_s, len(world.sent)) == (86400.0, 1)


def test_a_throttling_storm_is_not_made_worse_than_the_budget_allows():
    settings = Settings(retry=RetrySettings(budget=0.2, budget_burst=30))
    world = World(always(throttle(), 0.01), A, settings)
    ended = run(world.calls(500, concurrency=16))
    assert all(isinstance(error, OverloadedError) for error in ended)
    assert len(world.sent) == 500 + 30


def test_a_long_good_time_saves_up_no_more_retries_than_there_were_at_first():
    settings = Settings(retry=RetrySettings(budget=0.5, budget_burst=30))
    world = World(until(12.5, always(OK, 0.1), always(throttle(), 0.01)), A, settings)
    run(world.calls(1000, concurrency=4))
    storm = [sent for sent in world.sent if sent.at >= 12.5]
    ended_well = sum(sent.at < 12.5 for sent in world.sent)
    assert 450 < ended_well < 550
    assert len(storm) == 1000 - ended_well + 30


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_while_some_are_throttled_attempts_stay_within_the_stated_multiple(share):
    chance = random.Random(7)
    settings = Settings(retry=RetrySettings(budget=0.5, budget_burst=50))
    world = World(lambda *_: (0.01, throttle() if chance.random() < share else OK), A, settings)
    ended = run(world.calls(1000, concurrency=16))
    successes = sum(isinstance(one, Answer) for one in ended)
    assert len(world.sent) <= 1000 + 50 + 0.5 * successes
    if share <= 0.2:
        assert successes == 1000


def test_a_storm_that_passes_costs_no_call():
    world = World(until(6.0, always(throttle(), 0.01), always(OK)), A)
    ended = run(world.calls(200, concurrency=8))
    assert all(isinstance(one, Answer) for one in ended)


def test_when_one_of_two_dies_calls_go_over_at_once_and_come_back_when_it_lives():
    def script(target, now):
        dead = target == A and 5 <= now < 30
        return (0.01, DEAD) if dead else (0.1, OK)

    world = World(script, Failover(A, B))
    ended = run(world.calls(4000, concurrency=8))
    assert all(isinstance(one, Answer) for one in ended)
    assert max(one.seconds for one in ended) < 0.12, "nobody waited for anything but a refused connection"
    probes = [sent for sent in world.asked(A) if 5.2 < sent.at < 30]
    assert len(probes) == 3, "after rests of 2, 4 and 8 s"
    assert all(sent.flying == 1 for sent in probes)
    back = [sent for sent in world.asked(A) if sent.at >= 30]
    assert back[0].at < 5 + 2 + 4 + 8 + 16 + 1
    assert all(sent.target == A for sent in world.sent if sent.at > back[0].at + 0.2), "it is the first again"
    assert world.routing.reports()[0].state == "closed"


def test_a_breaker_lets_no_stampede_through_while_a_target_is_dead_or_when_it_comes_back():
    world = World(until(20.0, always(unavailable_service(), 0.5), always(OK, 0.5)), A)
    ended = run(world.calls(300, concurrency=50))
    assert all(isinstance(one, Answer) for one in ended)
    opened = 0.5
    alone = [sent for sent in world.sent if sent.at > opened + 1e-6]
    first_answer = next(sent.at for sent in alone if sent.at >= 20.0) + 0.5
    assert all(sent.flying == 1 for sent in alone if sent.at < first_answer - 1e-6)
    assert max(sent.flying for sent in alone if sent.at >= first_answer) == 50


def test_a_target_that_stays_dead_is_an_error_in_bounded_time_for_everyone():
    world = World(always(DEAD, 0.01), A)

    async def main():
        ends = []

        async def one():
            error = await world.try_call()
            ends.append((asyncio.get_running_loop().time(), error))

        await asyncio.gather(*(one() for _ in range(20)))
        return ends

    ends = run(main())
    assert all(isinstance(error, ConnectionFailedError) for _, error in ends)
    assert max(at for at, _ in ends) < 120
    assert len(world.sent) < 20 + 20
    assert any("left alone" in str(error) for _, error in ends)


def test_a_model_that_scales_from_zero_is_waited_for_by_all_and_asked_by_one():
    world = World(until(300.0, always(no_capacity()), always(OK, 1.0)), A)
    ended = run(world.calls(60, concurrency=30))
    assert all(isinstance(one, Answer) for one in ended)
    waking = [sent for sent in world.sent if 0.2 < sent.at < 300]
    assert all(sent.flying == 1 for sent in waking)
    assert max(later.at - sent.at for sent, later in itertools.pairwise(waking)) < 20 + 1
    assert max(one.seconds for one in ended) < 300 + 20 + 5


@pytest.mark.parametrize("patience_s", [0.0, 5.0, 100.0])
def test_patience_for_machines_is_bounded_and_its_end_is_told_apart_from_overload(patience_s):
    world = World(always(no_capacity(router=True)), A, Settings(patience_s=patience_s))

    async def main():
        return await world.try_call(), asyncio.get_running_loop().time()

    error, took_s = run(main())
    assert isinstance(error, NotInServiceError)
    assert "no machine" in str(error)
    assert "patience_s" in str(error)
    assert took_s <= patience_s + 2


def test_a_target_without_a_machine_is_not_waited_for_where_another_has_one():
    world = World(by_target(a=always(no_capacity()), b=always(OK)), Failover(A, B))
    ended = run(world.calls(100, concurrency=4))
    assert max(one.seconds for one in ended) < 0.21
    assert {one.target for one in ended} == {B}
    assert len(world.asked(A)) <= 4 + 2


def test_waiting_for_a_machine_costs_neither_attempts_nor_budget():
    settings = Settings(retry=RetrySettings(attempts=2, budget_burst=0, budget=0.0))
    world = World(until(200.0, always(no_capacity()), always(OK)), A, settings)
    assert isinstance(outcome_of(world), Answer)
    assert len(world.sent) > 5


def test_a_request_of_several_texts_that_runs_out_of_time_twice_is_better_cut_in_halves():
    several = dataclasses.replace(WORK, texts=8)
    world = World(always(OK, 1000.0), A, CLOSED)
    error = outcome_of(world, several)
    assert isinstance(error, ConnectionFailedError)
    assert smaller_may_help(error)
    assert len(world.sent) == 2
    single = World(in_turn(uncontained(504, ""), uncontained(504, ""), uncontained(504, ""), OK), A)
    assert isinstance(outcome_of(single), Answer), "one text has no halves"


def test_two_attempts_of_which_the_deadline_cut_the_last_are_no_reason_to_cut_the_request_in_halves():
    settings = Settings(attempt_s=20.0)
    world = World(always(OK, 1000.0), Failover(A, B), settings)
    error = outcome_of(world, dataclasses.replace(WORK, texts=8), deadline_s=30.0)
    assert isinstance(error, DeadlineError)
    assert [sent.timeout_s for sent in world.sent] == [20.0, 10.0]


def test_with_next_to_no_time_left_nobody_is_asked():
    world = World(always(OK), A)
    with pytest.raises(DeadlineError):
        next(find_way(WORK, world.routing, world.settings, deadline=10.0, clock=lambda: 10.0 - 1e-9))


@pytest.mark.parametrize("policy", [A, Failover(A, B)])
def test_an_outage_of_all_there_is_lasts_little_longer_for_the_breaker(policy):
    world = World(until(40.0, always(DEAD, 0.01), always(OK, 0.01)), policy)
    run(world.calls(400, concurrency=4))
    answered_at = [sent.at for sent in world.sent if sent.at > 40.0]
    assert min(answered_at) < 40.0 + 5.1
    assert sum(sent.at < 40.0 for sent in world.sent) < 100, "it is left alone all the same"


def test_a_passed_deadline_says_what_happened_until_then():
    world = World(always(throttle()), A, CLOSED)
    error = outcome_of(world, deadline_s=3.0)
    assert isinstance(error, DeadlineError)
    assert isinstance(error, TimeoutError)
    assert isinstance(error.__cause__, OverloadedError)
    assert "throttles" in str(error)
    assert error.target == A.label
    late = outcome_of(World(always(OK, 1000.0), A), deadline_s=3.0)
    assert str(late).count("give it more time") == 1, "its own advice, and not that of the last failure too"


def test_an_attempt_cut_short_by_the_deadline_is_not_held_against_the_target():
    world = World(always(OK, 1.0), A, Settings(breaker=BreakerSettings(failures=1)))
    assert isinstance(outcome_of(world, deadline_s=0.5), DeadlineError)
    assert world.routing.reports()[0].state == "closed"
    assert isinstance(outcome_of(world), Answer)


def test_a_target_that_hangs_is_held_to_an_attempts_time():
    world = World(in_turn(TransportError("timeout", "…"), OK), A, Settings(attempt_s=3.0))
    assert isinstance(outcome_of(world), Answer)
    assert {sent.timeout_s for sent in world.sent} == {3.0}


ANY = st.sampled_from([OK, NOT_FOUND, *PASSING.values(), *REFUSED.values(), throttle(retry_after="3")])
STEPS = st.lists(st.tuples(st.sampled_from([0.0, 0.05, 0.4, 3.0, 100.0]), ANY), min_size=1, max_size=30)
POLICIES = st.sampled_from([A, Failover(A, B), LeastOutstanding(A, B), Hedged(Failover(A, B)), Hedged(A)])


@given(steps=STEPS, policy=POLICIES, deadline_s=st.sampled_from([0.01, 0.3, 2.0, 30.0]), seed=st.integers(0, 9))
def test_no_world_makes_a_call_exceed_its_deadline_or_leaves_anything_under_way(steps, policy, deadline_s, seed):
    left = iter(steps)
    world = World(lambda *_: next(left, steps[-1]), policy, seed=seed)

    async def one(begin):
        await asyncio.sleep(begin)
        ended = await world.try_call(deadline_s=deadline_s)
        return ended, asyncio.get_running_loop().time() - begin

    async def main():
        return await asyncio.gather(*(one(0.01 * number) for number in range(4)))

    ends = run(main())
    for ended, took_s in ends:
        assert took_s <= deadline_s + 1e-6
        assert isinstance(ended, Answer | JinaClientError)
    assert sum(ended.attempts for ended, _ in ends) >= len(world.sent)
    assert all(report.outstanding == 0 for report in world.routing.reports())


@hypothesis.settings(max_examples=40)
@given(steps=STEPS, policy=POLICIES, seed=st.integers(0, 9))
def test_whatever_happened_before_a_target_that_lives_is_found_again(steps, policy, seed):
    left = iter(steps)
    world = World(lambda _target, now: (0.1, OK) if now > 500 else next(left, steps[-1]), policy, seed=seed)

    async def main():
        await asyncio.gather(*(world.try_call(deadline_s=400) for _ in range(4)))
        await asyncio.sleep(500 + 61 - asyncio.get_running_loop().time())
        return await asyncio.gather(*(world.try_call() for _ in range(8)))

    ended = run(main())
    assert all(isinstance(one, Answer) for one in ended)
    assert max(one.seconds for one in ended) < 0.1 + 0.3 + 0.1


def test_a_way_that_is_given_up_leaves_its_probe_to_the_next():
    settings = Settings(breaker=BreakerSettings(failures=1, rest_s=1.0))
    world = World(by_target(a=always(DEAD), b=always(OK)), Failover(A, B), settings)
    assert isinstance(outcome_of(world), Answer)
    way = find_way(WORK, world.routing, settings, clock=lambda: 5.0, random=lambda: 0.5)
    assert next(way).target == A
    assert world.routing.reports()[0].state == "half-open"
    way.close()
    report = world.routing.reports()[0]
    assert (report.state, report.outstanding) == ("open", 0)
    assert next(find_way(WORK, world.routing, settings, clock=lambda: 5.0)).target == A


def test_errors_that_many_ways_share_are_each_ways_own():
    world = World(always(DEAD, 0.01), A)
    errors = run(world.calls(6, concurrency=6))
    assert len({id(error) for error in errors}) == len(errors)
    assert all(error.attempts >= 1 and math.isfinite(error.attempts) for error in errors)
    assert not any(isinstance(error, InvalidInputError) for error in errors)
