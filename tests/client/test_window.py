"""The window: order, laziness, bound, errors, early close, of threads and of tasks alike."""

import asyncio
import gc
import threading
import weakref
from concurrent.futures import Future
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jina_v3_client._clients.window import GivenUp, Slots, spawn, windowed, windowed_async
from jina_v3_client.errors import DeadlineError


class Late(Future):
    """Is done when the test says so, or at last when somebody waits for it."""

    def __init__(self, outcome):
        super().__init__()
        self.outcome = outcome

    def finish(self):
        if not self.done():
            if isinstance(self.outcome, Exception):
                self.set_exception(self.outcome)
            else:
                self.set_result(self.outcome)

    def result(self, timeout=None):
        self.finish()
        return super().result(timeout)


class Watched:
    """Items that count how many have been read, and begun, and whose futures end in an order that is drawn."""

    def __init__(self, data, outcomes):
        self.data, self.outcomes = data, outcomes
        self.read, self.begun, self.taken = 0, [], 0

    def __iter__(self):
        for outcome in self.outcomes:
            self.read += 1
            yield outcome

    def start(self, outcome):
        self.begun.append(Late(outcome))
        for future in self.begun:
            if self.data.draw(st.booleans()):
                future.finish()
        return self.begun[-1]


@settings(max_examples=40)
@given(st.data(), st.integers(0, 30), st.integers(1, 8))
def test_results_come_in_order_and_never_is_more_open_than_the_window_holds(data, count, size):
    watched = Watched(data, list(range(count)))
    got = []
    for result in windowed(watched, watched.start, size=size):
        assert len(watched.begun) - len(got) <= size
        assert watched.read - len(got) <= size
        got.append(result)
    assert got == list(range(count))


@settings(max_examples=40)
@given(st.data(), st.integers(1, 20), st.integers(1, 5))
def test_an_items_error_comes_in_its_place_and_what_is_open_is_given_up(data, count, size):
    place = data.draw(st.integers(0, count - 1))
    fault = KeyError("a fault")
    watched = Watched(data, [fault if n == place else n for n in range(count)])
    got = []
    with pytest.raises(KeyError) as caught:
        got.extend(windowed(watched, watched.start, size=size))
    assert caught.value is fault
    assert got == list(range(place))
    assert all(future.done() for future in watched.begun)


@settings(max_examples=40)
@given(st.data(), st.integers(0, 20), st.integers(1, 5))
def test_an_error_of_the_source_passes_through_at_once(data, before, size):
    watched = Watched(data, list(range(before)))

    def source():
        yield from watched
        raise OSError("the file is gone")

    with pytest.raises(OSError, match="the file is gone"):
        list(windowed(source(), watched.start, size=size))
    assert all(future.done() for future in watched.begun)


def test_nothing_is_read_before_the_first_is_asked_for():
    read = []
    window = windowed((read.append(n) or n for n in range(9)), lambda n: Late(n), size=3)
    assert read == []
    assert next(window) == 0
    assert len(read) <= 3
    window.close()
    assert len(read) <= 3


def test_closing_cancels_what_has_not_begun():
    begun = []

    def start(n):
        begun.append(Late(n))
        return begun[-1]

    window = windowed(range(10), start, size=4)
    next(window)
    window.close()
    assert [future.cancelled() for future in begun] == [False, True, True, True]


def test_threads_work_side_by_side_and_end():
    meeting = threading.Barrier(4, timeout=30)  # passed only if four are at work at a time
    before = set(threading.enumerate())
    assert list(windowed(range(8), lambda n: spawn(lambda: (meeting.wait(), n)[1]), size=4)) == list(range(8))
    for thread in threading.enumerate():
        if thread.name == "jina-v3-client":
            thread.join(30)
    assert set(threading.enumerate()) <= before


def test_a_threads_error_keeps_nothing_alive():
    class Text(str):
        __slots__ = ("__weakref__",)

    def work(text):
        raise LookupError(len(text))

    def run():
        text = Text("sunrise")
        with pytest.raises(LookupError):
            spawn(lambda: work(text)).result()
        return weakref.ref(text)

    gc.collect()
    gc.disable()  # only counting of references is at work: a cycle would keep it
    try:
        kept = run()
        for thread in threading.enumerate():
            if thread.name == "jina-v3-client":
                thread.join(30)
        assert kept() is None
    finally:
        gc.enable()


def test_a_slot_is_waited_for_and_can_be_called_off():
    slots = Slots(1)
    mine, others = threading.Event(), threading.Event()
    slots.take(mine, None)
    with pytest.raises(DeadlineError, match="all connections were in use"):
        slots.take(others, 0.0)
    waiting = spawn(lambda: slots.take(others, None))
    slots.call_off(others)
    with pytest.raises(GivenUp):
        waiting.result(30)
    next_one = spawn(lambda: slots.take(mine, None))
    slots.give()
    next_one.result(30)


async def aiter_of(items):
    for item in items:
        yield item


class Tasks:
    """Coroutines whose ends are drawn: each waits some turns of the loop."""

    def __init__(self, turns, fault_at=None):
        self.turns, self.fault_at = turns, fault_at
        self.begun, self.ended, self.cancelled = 0, 0, 0

    async def work(self, n):
        self.begun += 1
        try:
            for _ in range(self.turns[n % len(self.turns)]):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.ended += 1
        if n == self.fault_at:
            raise KeyError(n)
        return n


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.integers(0, 30), st.integers(1, 6))
def test_tasks_come_in_order_within_the_window(turns, count, size):
    async def run():
        tasks, got = Tasks(turns), []
        async for result in windowed_async(aiter_of(range(count)), tasks.work, size=size):
            assert tasks.begun - len(got) <= size
            got.append(result)
        return got

    assert asyncio.run(run()) == list(range(count))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.integers(1, 20), st.integers(1, 5), st.data())
def test_a_tasks_error_comes_in_its_place_and_the_others_are_cancelled(turns, count, size, data):
    tasks = Tasks(turns, fault_at=data.draw(st.integers(0, count - 1)))

    async def run():
        got = []

        async def read():
            async for result in windowed_async(aiter_of(range(count)), tasks.work, size=size):
                got.append(result)  # noqa: PERF401  # what came before the error is looked at

        with pytest.raises(KeyError):
            await read()
        assert len(asyncio.all_tasks()) == 1
        return got

    assert asyncio.run(run()) == list(range(tasks.fault_at))
    assert tasks.begun == tasks.ended


def test_cancelling_the_reader_cancels_all_that_is_open():
    tasks = Tasks([10**9])

    async def read():
        async for _ in windowed_async(aiter_of(range(10)), tasks.work, size=3):
            raise AssertionError("nothing ends")

    async def run():
        reader = asyncio.ensure_future(read())
        while tasks.begun < 3:
            await asyncio.sleep(0)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())
    assert (tasks.begun, tasks.cancelled) == (3, 3)


def test_closing_an_asynchronous_window_leaves_no_task():
    async def run():
        tasks = Tasks([0, 10**9])
        window = windowed_async(aiter_of(range(10)), tasks.work, size=4)
        assert await anext(window) == 0
        await window.aclose()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def test_a_window_is_closed_by_with():
    with closing(windowed(range(3), lambda n: Late(n), size=2)) as window:
        assert next(window) == 0
    assert list(window) == []
