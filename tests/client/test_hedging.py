"""Hedges: when they are sent, how many at most, and whose answer counts."""

import asyncio
import dataclasses
import math
import random

import pytest
from tests.support.scripted_world import WORK, World, always, by_target
from tests.support.service_answers import answered, throttle
from tests.support.virtual_time import run

from jina_v3_client._calls.classify import smaller_may_help
from jina_v3_client._calls.steps import Answer
from jina_v3_client.errors import ConnectionFailedError
from jina_v3_client.routing import Endpoint, Failover, Hedged, Routing
from jina_v3_client.settings import BreakerSettings, RetrySettings, Settings
from jina_v3_client.transport import TransportError

A, B = Endpoint("a"), Endpoint("b")
OK, OTHER = answered(b"first"), answered(b"hedge")
STUBBORN = Settings(retry=RetrySettings(first_wait_s=0.0), breaker=BreakerSettings(failures=10**6))


def steady(result=OK, seconds=0.1):
    """Answer in nearly the same time: no two alike, or a hedge would be sent in the moment of the answer."""
    chance = random.Random(3)
    return lambda *_: (seconds * (1 + 0.01 * chance.random()), result)


def with_tail(share, seconds=10.0, seed=1):
    """Answer in 0.1 s, but for a share that takes much longer."""
    chance = random.Random(seed)
    return lambda *_: (seconds if chance.random() < share else 0.1 + 0.001 * chance.random(), OK)


def test_a_long_tail_is_cut_by_second_requests_after_what_nearly_all_take():
    policy = Hedged(Failover(A, B))
    world = World(by_target(a=with_tail(0.03), b=steady(OTHER)), policy)
    ended = run(world.calls(2000, concurrency=8))
    late = [one for one in ended[200:] if one.seconds > 0.25]
    assert len(late) < 10, "without hedges it would be 54"
    winners = [one for one in ended if one.target == B]
    assert len(winners) > 30
    assert all(one.response.body == b"hedge" and one.hedges == 1 and one.attempts == 2 for one in winners)
    assert sum(one.attempts for one in ended) == len(world.sent)
    assert sum(one.hedges for one in ended) == len(world.asked(B))


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_however_slow_everything_is_hedges_are_a_bounded_share(share):
    chance = random.Random(2)
    world = World(lambda *_: (0.1 * 2 ** (8 * chance.random()), OK), Hedged(A, percentile=0.5, share=share))
    ended = run(world.calls(1500, concurrency=16))
    hedges = sum(one.hedges for one in ended)
    assert len(world.sent) == 1500 + hedges
    assert 0.5 * share * 1500 <= hedges <= share * 1500 + 1


def test_there_is_no_hedge_before_it_is_known_what_is_slow_and_none_earlier_than_the_least():
    world = World(always(OK, 0.01), Hedged(Failover(A, B), least_s=0.5))
    run(world.calls(300, concurrency=4))
    assert world.asked(B) == []
    slow = World(always(OK, 5.0), Hedged(Failover(A, B)))
    run(slow.calls(19, concurrency=1))
    assert slow.asked(B) == []


@pytest.mark.parametrize("bad", [throttle(), TransportError("broken", "cut")], ids=["throttled", "broken"])
def test_a_failed_hedge_costs_nothing_and_a_failed_first_leaves_the_hedge_its_time(bad):
    def last_of_40(seconds, result):
        usual = [(0.1 - number / 10_000, OK) for number in range(40)]
        return lambda *_: usual.pop(0) if usual else (seconds, result)

    hedge_fails = World(by_target(a=last_of_40(1.0, OK), b=always(bad, 0.1)), Hedged(Failover(A, B)))
    answer = run(hedge_fails.calls(41, concurrency=1))[-1]
    assert (answer.target, answer.hedges, answer.seconds) == (A, 1, pytest.approx(1.0))
    first_fails = World(by_target(a=last_of_40(0.3, bad), b=always(OTHER, 1.0)), Hedged(Failover(A, B)))
    answer = run(first_fails.calls(41, concurrency=1))[-1]
    assert (answer.target, answer.hedges, answer.seconds) == (B, 1, pytest.approx(1.1, abs=0.001))


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_a_target_that_hangs_is_left_alone_before_its_time_outs(share):
    usual = steady()

    def script(target, now):
        return (1000.0, OK) if target == A and now > 5 else usual(target, now)

    world = World(script, Hedged(Failover(A, B), share=share))
    ended = run(world.calls(1000, concurrency=8))
    assert all(isinstance(one, Answer) for one in ended)
    hung = [sent for sent in world.asked(A) if sent.at > 5]
    assert len(hung) < 5 + 8 + 8
    assert sum(one.seconds > 0.3 for one in ended) <= (8 if share < 1 else 0)


def test_a_target_that_is_slow_now_and_then_is_not_left_alone():
    world = World(by_target(a=with_tail(0.3, 3.0), b=steady(OTHER)), Hedged(Failover(A, B), share=1.0))
    run(world.calls(1000, concurrency=4))
    assert len(world.asked(A)) > 950


def test_a_wide_spread_is_hedged_at_its_percentile_for_ever_and_not_earlier_and_earlier():
    chance = random.Random(5)
    policy = Hedged(Failover(A, B), share=1.0)
    world = World(by_target(a=lambda *_: (0.1 + chance.random(), OK), b=steady(OTHER, 0.02)), policy)
    ended = run(world.calls(1500, concurrency=8))
    assert sum(one.hedges for one in ended) == pytest.approx(0.05 * 1500, rel=0.5)


def test_a_request_that_runs_out_of_time_twice_is_better_cut_in_halves_whatever_its_hedge_meets():
    usual = steady()

    def script(target, now):
        if now < 10:
            return usual(target, now)
        return (1000.0, OK) if target == A else (0.05, TransportError("broken", "reset"))

    world = World(script, Hedged(Failover(A, B), share=1.0), STUBBORN)

    async def main():
        await world.calls(100, concurrency=1)
        await asyncio.sleep(10)
        return await world.try_call(dataclasses.replace(WORK, texts=8))

    error = run(main())
    assert [sent.target for sent in world.sent[-4:]] == [A, B, A, B]
    assert smaller_may_help(error)


def test_no_hedge_goes_to_a_target_that_has_asked_to_be_left_alone():
    usual = steady()
    left = iter([(0.05, throttle())])

    def script(target, now):
        if now < 10:
            return usual(target, now)
        return (0.05, throttle(retry_after="50")) if target == B else next(left, (5.0, OK))

    world = World(script, Hedged(Failover(A, B)))

    async def main():
        await world.calls(100, concurrency=4)
        await asyncio.sleep(10)
        return await world.call()

    answer = run(main())
    assert [sent.target for sent in world.sent if sent.at > 10] == [A, B, A, A]
    assert answer.hedges == 1


def test_a_failed_hedge_is_held_against_the_target_it_went_to_whatever_that_has_been_through():
    error = ConnectionFailedError("broken")
    routing = Routing(Hedged(Failover(A, B)), Settings())
    broken = routing.choose(WORK, {A: math.inf}, 0.0, random.random)
    routing.failed(broken, B, error, 0.0, at_once=True)
    routing.end(broken)
    probe = routing.choose(WORK, {A: math.inf}, 10.0, random.random)
    routing.answered(probe, B, 0.1)
    routing.end(probe)
    for _ in range(50):
        usual = routing.choose(WORK, {}, 11.0, random.random)
        routing.answered(usual, A, 0.1)
        routing.end(usual)
    hedged = routing.choose(WORK, {}, 12.0, random.random)
    assert (hedged.target, hedged.hedge) == (A, B)
    routing.failed(hedged, B, error, 12.0)
    assert [report.failures for report in routing.reports()] == [0, 1]
