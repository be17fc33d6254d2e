"""What is given up ends: early close, cancelling, closing; and what is not given up keeps its bounds."""

import asyncio
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.both_clients import Tasked, Threaded, aiter_of

from jina_v3_client.errors import DeadlineError, JinaClientError
from jina_v3_client.routing import Endpoint, Failover, Hedged
from jina_v3_client.settings import BreakerSettings, RequestLimits, RetrySettings, Settings
from jina_v3_client.transport import HttpResponse, TransportError

PATIENCE_S = 120


def small(concurrency=3, window=5, **more):
    return Settings(limits=RequestLimits(texts=2), concurrency=concurrency, window=window, **more)


def numbered(count):
    return [f"text {n}" for n in range(count)]


def own_threads():
    return [thread for thread in threading.enumerate() if thread.name == "jina-v3-client"]


def end_of_threads():
    for thread in own_threads():
        thread.join(PATIENCE_S)
    assert own_threads() == []


class Gate:
    """Requests wait at it until it opens."""

    def __init__(self):
        self.opened = threading.Event()
        self.waiting = threading.Semaphore(0)

    def __call__(self, request):
        self.waiting.release()
        assert self.opened.wait(PATIENCE_S)

    def arrive(self, count):
        for _ in range(count):
            assert self.waiting.acquire(timeout=PATIENCE_S)


def in_a_thread(work):
    """Do work aside; its outcome is taken by ``result``."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return future


# Threads


def test_closing_the_iterator_early_returns_at_once_and_sends_nothing_more():
    gate = Gate()
    client = Threaded(small(), lambda request: gate.arrive(2) if b"text 0" in request.body else gate(request))
    read = []
    stream = client.client.embed_iter(read.append(text) or text for text in numbered(1000))
    assert next(stream).index == 0  # two others are in flight, more wait for a connection
    stream.close()  # does not wait for them
    gate.opened.set()
    end_of_threads()
    assert len(client.transport.sent) <= 4  # the first, and as many as there are connections
    assert len(read) <= 2 * 6 + 1


def test_a_dropped_iterator_is_closed():
    client = Threaded(small())
    stream = client.client.embed_iter(iter(numbered(1000)))
    next(stream)
    del stream
    gc.collect()
    end_of_threads()
    assert len(client.transport.sent) < 500


def test_texts_are_read_only_as_the_window_allows():
    read = []
    client = Threaded(small(window=4))
    stream = client.client.embed_iter(read.append(text) or text for text in numbered(1000))
    assert read == []
    for taken, _ in enumerate(stream, 1):
        # four requests of two texts, the one that is being taken, and one text that found its request full
        assert len(read) - taken <= 2 * 5 + 1
        if taken == 300:
            break
    stream.close()
    end_of_threads()


def test_closing_the_client_ends_those_that_wait_for_a_connection_or_a_retry():
    gate = Gate()
    busy = HttpResponse(status=429, headers={"x-amzn-errortype": "ThrottlingException", "retry-after": "500"}, body=b"")
    client = Threaded(small(concurrency=1), lambda request: busy if b"text 0" in request.body else gate(request))
    throttled = in_a_thread(lambda: client.embed("text 0"))
    blocked = in_a_thread(lambda: client.embed("text 1"))
    gate.arrive(1)
    queued = in_a_thread(lambda: client.embed("text 2"))
    streamed = in_a_thread(lambda: client.embed_iter(numbered(50)[3:]))
    while len(client.client._threads()._calls) < 4:
        time.sleep(0.001)
    client.close()
    for future in (throttled, queued, streamed):
        with pytest.raises(JinaClientError, match="this client is closed"):
            future.result(PATIENCE_S)
    assert client.transport.closed
    gate.opened.set()
    blocked.result(PATIENCE_S)  # its answer had come all the same
    end_of_threads()


def test_what_is_under_way_when_the_client_is_closed_says_so_and_not_that_a_connection_broke():
    gate = Gate()

    def before(request):
        gate(request)
        raise TransportError("broken", "the client closed it")

    client = Threaded(small(retry=RetrySettings(attempts=1)), before)
    blocked = in_a_thread(lambda: client.embed("sunrise"))
    gate.arrive(1)
    client.close()
    gate.opened.set()
    with pytest.raises(JinaClientError, match="this client is closed"):
        blocked.result(PATIENCE_S)


def test_many_threads_share_the_clients_connections_and_each_gets_its_own_texts():
    client = Threaded(small(concurrency=3))

    def one(number):
        texts = [f"text {number} {n}" for n in range(7)]
        return client.embed(texts, dimensions=4).vectors.tolist() == expected[number]

    alone = Threaded(small())
    expected = [
        alone.embed([f"text {number} {n}" for n in range(7)], dimensions=4).vectors.tolist() for number in range(24)
    ]
    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(one, range(24)))
    assert client.transport.most_at_a_time <= 3
    end_of_threads()


def test_a_deadline_also_ends_the_wait_for_a_connection():
    gate = Gate()
    client = Threaded(small(concurrency=1), gate)
    first = in_a_thread(lambda: client.embed("sunrise"))
    gate.arrive(1)
    with pytest.raises(DeadlineError, match="all connections were in use"):
        client.embed("sunset", deadline_s=0.01)
    gate.opened.set()
    assert first.result(PATIENCE_S).shape == (1, 1024)


def test_a_request_that_waits_for_its_retry_lets_others_through():
    answers = iter([HttpResponse(status=429, headers={"x-amzn-errortype": "ThrottlingException"}, body=b"")])
    passed = threading.Event()

    def before(request):
        if b"slow" in request.body:
            return next(answers, None)
        passed.set()
        return None

    client = Threaded(small(concurrency=1, retry=RetrySettings(first_wait_s=0.5)), before)
    slow = in_a_thread(lambda: client.embed("slow"))
    while not client.transport.sent:
        time.sleep(0.001)
    client.embed("quick")
    assert passed.is_set()
    slow.result(PATIENCE_S)


def test_one_request_is_sent_by_the_callers_own_thread():
    seen = []
    client = Threaded(before=lambda request: seen.append(threading.current_thread()))
    client.embed(["sunrise", "sunset"])
    client.embed_query("sunrise")
    assert set(seen) == {threading.current_thread()}


def test_a_slow_target_is_overtaken_by_a_hedge():
    gate, is_slow = Gate(), threading.Event()

    def before(request):
        if is_slow.is_set() and "eu-west-1" in request.url:
            gate(request)

    target = Hedged(Failover(Endpoint("texts", region="eu-west-1"), Endpoint("texts", region="us-east-1")), share=1.0)
    # on a busy machine hedges overtake others before: that shall not keep the last one from its target
    client = Threaded(Settings(breaker=BreakerSettings(failures=1000)), before, target=target)
    for _ in range(100):
        client.embed_query("sunrise")
    is_slow.set()
    result = client.embed(["sunrise"], task="retrieval.query")
    assert (result.usage.requests, result.usage.hedges, result.usage.attempts) == (1, 1, 2)
    gate.opened.set()
    end_of_threads()


def test_a_child_process_has_connections_of_its_own(monkeypatch):
    client = Threaded().client
    mine = client._threads()
    assert client._threads() is mine
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert client._threads() is not mine
    assert client.embed("sunrise").shape == (1, 1024)


def test_a_child_process_does_not_wait_for_locks_that_its_parents_threads_hold(monkeypatch):
    client = Threaded().client
    with client._making, client._access._lock:
        monkeypatch.setattr("os.getpid", lambda: -1)
        assert in_a_thread(lambda: client.embed("sunrise")).result(PATIENCE_S).shape == (1, 1024)


def test_a_child_process_does_not_wait_for_what_its_parent_has_in_flight(monkeypatch):
    gate = Gate()
    client = Threaded(small(), gate)
    first = in_a_thread(lambda: client.embed("sunrise"))
    gate.arrive(1)
    assert client.client.routing.reports()[0].outstanding == 1
    with monkeypatch.context() as child:
        child.setattr("os.getpid", lambda: -1)
        assert client.client.routing.reports()[0].outstanding == 0
    gate.opened.set()
    first.result(PATIENCE_S)


# Tasks


class Turnstile:
    """Requests wait at it for ever, or until they are cancelled."""

    def __init__(self):
        self.waiting = self.cancelled = 0

    async def __call__(self, request):
        self.waiting += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def arrive(self, count):
        while self.waiting < count:
            await asyncio.sleep(0)


def tasked(settings, turnstile):
    client = Tasked(settings)
    client.transport.before = turnstile
    return client.client


def only_task():
    return len(asyncio.all_tasks()) == 1


def test_cancelling_a_task_cancels_its_requests():
    async def run():
        turnstile = Turnstile()
        client = tasked(small(), turnstile)
        task = asyncio.ensure_future(client.embed(numbered(100)))
        await turnstile.arrive(3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (turnstile.waiting, turnstile.cancelled) == (3, 3)
        assert only_task()

    asyncio.run(run())


def test_a_time_limit_around_a_call_holds():
    async def run():
        turnstile = Turnstile()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await tasked(small(), turnstile).embed(numbered(100))
        assert turnstile.waiting == turnstile.cancelled
        assert only_task()

    asyncio.run(run())


def test_leaving_an_asynchronous_iteration_cancels_what_is_in_flight():
    async def run():
        turnstile = Turnstile()

        async def before(request):
            await (turnstile.arrive(2) if b"text 0" in request.body else turnstile(request))

        client = tasked(small(), before)
        stream = client.embed_iter(aiter_of(numbered(1000)))
        async for _ in stream:
            break
        await stream.aclose()
        assert turnstile.waiting == turnstile.cancelled
        assert only_task()

    asyncio.run(run())


def test_closing_the_asynchronous_client_ends_its_calls_with_an_error():
    async def run():
        turnstile = Turnstile()
        client = tasked(small(), turnstile)
        calls = [asyncio.ensure_future(client.embed(numbered(20))) for _ in range(3)]
        await turnstile.arrive(3)
        await client.aclose()
        for call in calls:
            with pytest.raises(JinaClientError, match="this client is closed"):
                await call
        assert turnstile.waiting == turnstile.cancelled == 3
        assert only_task()

    asyncio.run(run())


def test_hundreds_of_queries_at_once_keep_to_the_connections():
    client = Tasked(small(concurrency=5))

    async def run():
        queries = [client.client.embed_query(f"query {n % 7}", dimensions=64) for n in range(400)]
        return await asyncio.gather(*queries)

    vectors = asyncio.run(run())
    assert client.transport.most_at_a_time == 5
    assert len({tuple(vector) for vector in vectors}) == 7


def test_one_asynchronous_client_works_in_one_loop_after_another():
    client = Tasked(small(concurrency=1))
    for _ in range(2):  # with waiting for slots in each, which binds them to a loop
        assert client.embed(numbered(20), dimensions=4).shape == (20, 4)


def test_an_asynchronous_client_works_in_two_loops_at_a_time():
    client = Tasked(small(concurrency=1))
    with ThreadPoolExecutor(2) as pool:
        shapes = list(pool.map(lambda _: client.embed(numbered(20), dimensions=4).shape, range(4)))
    assert shapes == [(20, 4)] * 4


def test_the_loop_is_not_held_while_many_requests_are_cut():
    async def run():
        client = Tasked(small(window=50)).client
        turns = 0

        async def count():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.ensure_future(count())
        await client.embed(numbered(80), dimensions=4)
        counting.cancel()
        assert turns >= 40

    asyncio.run(run())


def test_a_deadline_ends_the_asynchronous_wait_for_a_connection():
    async def run():
        turnstile = Turnstile()
        client = tasked(small(concurrency=1), turnstile)
        first = asyncio.ensure_future(client.embed("sunrise"))
        await turnstile.arrive(1)
        with pytest.raises(DeadlineError, match="all connections were in use"):
            await client.embed("sunset", deadline_s=0.01)
        first.cancel()

    asyncio.run(run())


def test_settings_of_the_doubles_can_be_given():
    settings = Settings(breaker=BreakerSettings(failures=1))
    assert Threaded(settings).client.settings is settings
