"""The two drivers: the same trace for the same script, and nothing left behind by either."""

import asyncio
import itertools
import threading
import time
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.scripted_world import WORK, World, always
from tests.support.service_answers import answered, contained, no_capacity, throttle, unavailable_service
from tests.support.virtual_time import run

from jina_v3_client._calls import drivers
from jina_v3_client._calls.drivers import drive, drive_async
from jina_v3_client._calls.steps import Answer, Ask, Wait
from jina_v3_client._calls.way import find_way
from jina_v3_client.errors import AccessError, JinaClientError
from jina_v3_client.routing import Endpoint, Failover, Hedged, LeastOutstanding
from jina_v3_client.settings import RetrySettings, Settings
from jina_v3_client.transport import TransportError

A, B = Endpoint("a"), Endpoint("b")
OK = answered()


class Runner:
    """A future of simulated time: it has run already, and is done when the clock says so."""

    def __init__(self, world, function, arguments):
        began = world.now
        self._world, self._result = world, function(*arguments)
        self.ready_at, world.now = world.now, began

    def done(self):
        return self.ready_at <= self._world.now

    def result(self):
        assert self.done()
        return self._result

    def cancel(self):
        return False


class ThreadWorld:
    """What a ``World`` is for tasks, for the driver of threads: one call after the other."""

    def __init__(self, script):
        self.script, self.now, self.sent = script, 0.0, []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def send(self, target, timeout_s):
        seconds, result = self.script(target, self.now)
        self.sent.append((round(self.now, 6), target, round(timeout_s, 6)))
        self.now += min(seconds, timeout_s)
        if seconds > timeout_s:
            raise TransportError("timeout", f"no answer in {timeout_s:g} s")
        if isinstance(result, Exception):
            raise result
        return result

    def submit(self, function, *arguments):
        return Runner(self, function, arguments)

    def wait(self, runners, timeout=None, return_when=ALL_COMPLETED):
        ready = (min if return_when == FIRST_COMPLETED else max)(runner.ready_at for runner in runners)
        self.now = max(self.now, ready if timeout is None else min(ready, self.now + timeout))
        return SimpleNamespace(done={runner for runner in runners if runner.done()})


def told(ended):
    if isinstance(ended, Answer):
        return ended.target, ended.attempts, ended.hedges, round(ended.seconds, 6)
    return type(ended), str(ended)


RESULTS = [OK] * 4 + [throttle(), throttle(retry_after="2"), unavailable_service(), no_capacity(), TransportError("broken", "cut"), contained(422, "empty_text"), AccessError("no credentials")]  # fmt: skip  # noqa: E501


@given(
    steps=st.lists(st.tuples(st.integers(1, 40), st.sampled_from(RESULTS)), max_size=30),
    policy=st.sampled_from([A, Failover(A, B), Hedged(A, least_s=0.01), Hedged(LeastOutstanding(A, B), least_s=0.01)]),
    deadline_s=st.sampled_from([None, 0.5, 10.0]),
    seed=st.integers(0, 3),
)
def test_threads_and_tasks_give_the_same_trace_for_the_same_script(steps, policy, deadline_s, seed):
    def script():
        """Twenty usual answers, so that hedges are known when to be sent; then the steps. No two take the same time."""
        numbered = enumerate(itertools.chain([(1, OK)] * 20, steps, itertools.repeat((3, OK))))

        def answer(_target, _now):
            number, (tenths, result) = next(numbered)
            return tenths / 10 + number * 0.00013, result

        return answer

    tasks = World(script(), policy, Settings(patience_s=60.0), seed=seed)

    async def main():
        return [await tasks.try_call(deadline_s=deadline_s) for _ in range(26)]

    by_tasks = run(main())
    threads, twin = ThreadWorld(script()), World(always(OK), policy, tasks.settings, seed=seed)
    by_threads = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drivers, "wait", threads.wait)
        for _ in range(26):
            deadline = None if deadline_s is None else threads.now + deadline_s
            way = find_way(
                WORK, twin.routing, twin.settings, deadline=deadline, clock=threads.clock, random=twin.random
            )
            try:
                by_threads.append(drive(way, threads.send, threads.sleep, executor=threads, clock=threads.clock))
            except JinaClientError as error:
                by_threads.append(error)
    assert [told(ended) for ended in by_threads] == [told(ended) for ended in by_tasks]
    assert threads.sent == [(round(sent.at, 6), sent.target, round(sent.timeout_s, 6)) for sent in tasks.sent]


def one_ask(seen, hedge_after_s=0.0):
    """A way of one race, that keeps what came of it."""
    seen += yield Ask(target=A, timeout_s=30.0, hedge=B, hedge_after_s=hedge_after_s)
    return Answer(target=seen[0].target, response=OK, attempts=1, hedges=1, seconds=0.0)


def test_a_hedge_in_a_thread_wins_while_its_target_hangs_and_no_thread_stays_once_that_ends():
    release, seen, before = threading.Event(), [], set(threading.enumerate())

    def send(target, timeout_s):
        if target == A:
            assert release.wait(30)
        return OK

    with ThreadPoolExecutor(4) as executor:
        drive(one_ask(seen), send, executor=executor)
        release.set()
    assert [(outcome.target, outcome.abandoned) for outcome in seen] == [(B, A)]
    assert set(threading.enumerate()) <= before


def test_without_threads_for_it_there_is_no_hedge():
    seen = []
    drive(one_ask(seen), lambda target, timeout_s: OK)
    assert [(outcome.target, outcome.abandoned) for outcome in seen] == [(A, None)]


def test_a_hedge_that_is_still_queued_is_never_sent_once_the_first_has_answered():
    asked, seen, go = [], [], threading.Event()

    def send(target, timeout_s):
        asked.append(target)
        assert go.wait(30)
        return OK

    with ThreadPoolExecutor(1) as executor:
        queued = executor._work_queue.qsize
        caller = threading.Thread(target=drive, args=(one_ask(seen), send), kwargs={"executor": executor})
        caller.start()
        while not (asked and queued()):
            time.sleep(0.001)
        go.set()
        caller.join()
    assert asked in ([A], [A, B]), "the one thread may have taken it up in the moment of the answer"
    assert seen[0].target == A


def test_both_outcomes_of_a_race_that_nobody_wins_are_told_by_both_drivers():
    def send(target, timeout_s):
        raise TransportError("broken", target.name)

    async def send_later(target, timeout_s):
        await asyncio.sleep(0.5)
        send(target, timeout_s)

    by_tasks, by_threads = [], []
    run(drive_async(one_ask(by_tasks, 0.1), send_later))
    barrier = threading.Barrier(2, timeout=30)

    def send_together(target, timeout_s):
        barrier.wait()
        send(target, timeout_s)

    with ThreadPoolExecutor(2) as executor:
        drive(one_ask(by_threads), send_together, executor=executor)
    for seen in (by_tasks, by_threads):
        assert [(outcome.target, str(outcome.result), outcome.abandoned) for outcome in seen] == [
            (A, "a", None),
            (B, "b", None),
        ]


def test_a_cancelled_call_ends_its_way_and_both_runners_of_a_race():
    ended = []

    async def send(target, timeout_s):
        try:
            await asyncio.sleep(100)
        finally:
            ended.append(target)

    def way():
        try:
            yield from one_ask([])
        finally:
            ended.append("way")

    async def main():
        task = asyncio.ensure_future(drive_async(way(), send))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert set(ended) == {A, B, "way"}
    assert ended[-1] == "way"


def test_a_cancelled_call_gives_back_its_place_at_the_target():
    world = World(always(OK, 100.0), A)

    async def main():
        tasks = [asyncio.ensure_future(world.call()) for _ in range(3)]
        await asyncio.sleep(1)
        assert world.routing.reports()[0].outstanding == 3
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main())
    assert world.routing.reports()[0].outstanding == 0
    assert not world.flying[A]


def test_what_is_no_error_of_a_call_goes_through_and_ends_the_way():
    world = World(always(OK), A)

    def send(target, timeout_s):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(find_way(WORK, world.routing, world.settings), send)
    assert world.routing.reports()[0].outstanding == 0


def test_many_threads_share_one_routing_without_losing_count():
    patient = Settings(retry=RetrySettings(attempts=1000, budget_burst=1000))
    world = World(always(OK), Hedged(LeastOutstanding(A, B)), patient)
    lock, left = threading.Lock(), [OK, throttle(), OK, unavailable_service()] * 200

    def send(target, timeout_s):
        with lock:
            return left.pop() if left else OK

    def call(_):
        return drive(find_way(WORK, world.routing, world.settings), send, lambda _seconds: None)

    with ThreadPoolExecutor(8) as executor:
        answers = list(executor.map(call, range(200)))
    assert all(isinstance(answer, Answer) for answer in answers)
    assert all(report.outstanding == 0 for report in world.routing.reports())


def test_waits_are_slept():
    slept = []

    def way():
        yield Wait(seconds=2.5)
        return Answer(target=A, response=OK, attempts=1, hedges=0, seconds=0.0)

    drive(way(), None, slept.append)
    assert slept == [2.5]
