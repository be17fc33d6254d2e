"""Streams: read no further than is needed, given up cleanly, shared by threads, and cancelled."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from benchmarks.loopback.endpoint import ROOT
from tests.support.calling import QUICK, open_async_client, open_client, right, settings, some_texts, wait_until
from tests.support.loopback_endpoint import Fault, Hosted, LoopbackEndpoint
from tests.support.paced import until

from jina_v3_client import InvalidInputError, JinaClientError
from jina_v3_client.transport import HttpRequest, TransportError
from jina_v3_client.transport.urllib3 import Urllib3Transport


class Endless:
    """Texts without end, of which it knows how many were taken."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[str]:
        for number in itertools.count():
            self.taken = number + 1
            yield f"text {number}"


def most_read() -> int:
    """How far a stream may read ahead of its first vector: the window, and the request that is being filled."""
    return (QUICK.window + 2) * QUICK.limits.texts


def wait_until_quiet(endpoint: LoopbackEndpoint) -> None:
    """Wait until nothing is asked any more."""
    wait_until(lambda: endpoint.totals()["open"] == 0)


def test_a_stream_that_is_left_early_reads_no_further_and_asks_no_more(endpoint: LoopbackEndpoint) -> None:
    texts = Endless()
    with open_client() as client:
        stream = client.embed_iter(texts)
        assert next(stream).index == 0
        assert texts.taken <= most_read()
        stream.close()
        taken = texts.taken
        assert np.array_equal(client.embed(["after"]), right(["after"]))
        assert texts.taken == taken
    wait_until_quiet(endpoint)
    assert endpoint.totals()["texts"] <= most_read()


def test_an_asynchronous_stream_that_is_left_early_reads_no_further(endpoint: LoopbackEndpoint) -> None:
    texts = Endless()

    async def run() -> None:
        async with open_async_client() as client:
            stream = client.embed_iter(texts)
            async for one in stream:
                assert one.index == 0
                break
            await stream.aclose()  # type: ignore[attr-defined]
            assert texts.taken <= most_read()
            assert np.array_equal(await client.embed(["after"]), right(["after"]))
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())
    wait_until_quiet(endpoint)


def test_no_threads_are_left_behind(endpoint: LoopbackEndpoint) -> None:
    before = set(threading.enumerate())
    with open_client() as client:
        client.embed(some_texts(200))
        next(client.embed_iter(Endless()))
    wait_until(lambda: not set(threading.enumerate()) - before)


def test_a_bad_text_ends_a_stream_after_those_before_it(endpoint: LoopbackEndpoint) -> None:
    texts = some_texts(40)
    texts[25] = ""
    seen: list[int] = []
    with open_client() as client:
        stream = client.embed_iter(texts)
        with pytest.raises(InvalidInputError) as caught:
            seen.extend(one.index for one in stream)
    assert caught.value.index == 25
    assert seen == list(range(len(seen)))
    assert len(seen) <= 25


def test_many_threads_share_a_client_and_its_connections(endpoint: LoopbackEndpoint) -> None:
    def embed(number: int) -> bool:
        texts = some_texts(120, first=1000 * number)
        return np.array_equal(client.embed(texts), right(texts))

    with open_client() as client, ThreadPoolExecutor(12) as pool:
        assert all(pool.map(embed, range(36)))
    totals = endpoint.totals()
    assert {text: count for text, count in endpoint.answered().items() if count > 1} == {}
    assert totals["texts"] == 36 * 120
    assert totals["at_once"] <= 12 * QUICK.concurrency
    assert totals["connections"] <= 12 * QUICK.concurrency


def test_no_more_are_in_flight_than_was_said(endpoint: LoopbackEndpoint) -> None:
    holds = (Fault(kind="delay", delay_s=0.5, times=3), Fault(kind="delay", delay_s=0.01))  # the first three meet
    endpoint.inject(*holds)
    with open_client(settings=settings(concurrency=3)) as client:
        client.embed(some_texts(300))
    assert endpoint.totals()["at_once"] == 3
    endpoint.forget()
    endpoint.heal()
    endpoint.inject(*holds)

    async def run() -> None:
        async with open_async_client(settings=settings(concurrency=3)) as client:
            await client.embed(some_texts(300))

    asyncio.run(run())
    assert endpoint.totals()["at_once"] == 3


def test_a_cancelled_call_ends_at_once_and_leaves_the_client_in_order(endpoint: LoopbackEndpoint) -> None:
    endpoint.inject(Fault(kind="hang", after=4, times=20))

    async def run() -> None:
        async with open_async_client(settings=settings(attempt_s=60)) as client:
            call = asyncio.create_task(client.embed(some_texts(400)))
            await until(lambda: endpoint.totals()["requests"] >= 8)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert len(asyncio.all_tasks()) == 1
            endpoint.heal()
            assert np.array_equal(await client.embed(["after"]), right(["after"]))

    asyncio.run(run())
    wait_until_quiet(endpoint)


def test_texts_that_come_asynchronously_are_awaited_while_answers_arrive(endpoint: LoopbackEndpoint) -> None:
    async def texts() -> AsyncIterator[str]:
        for text in some_texts(95):
            await asyncio.sleep(0)
            yield text

    async def run() -> list[int]:
        async with open_async_client() as client:
            return [one.index async for one in client.embed_iter(texts())]

    assert asyncio.run(run()) == list(range(95))


def test_closing_a_client_gives_up_what_is_in_flight(endpoint: LoopbackEndpoint) -> None:
    endpoint.inject(Fault(kind="hang"))
    client = open_client(settings=settings(attempt_s=60))
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.embed, some_texts(40))
        wait_until(lambda: endpoint.totals()["requests"] >= 4)
        client.close()
        with pytest.raises(JinaClientError):
            call.result(timeout=60)


def test_a_transport_that_has_been_closed_keeps_no_connection(endpoint: LoopbackEndpoint) -> None:
    transport = Urllib3Transport()
    transport.close()
    request = HttpRequest(method="POST", url=f"{endpoint.url}/endpoints/texts/invocations", headers={})
    with pytest.raises(TransportError):  # as a thread finds it that was about to send
        transport.send(request, timeout_s=5)
    wait_until_quiet(endpoint)


@pytest.mark.slow
def test_a_hundred_thousand_texts_stream_through_little_memory() -> None:
    with LoopbackEndpoint(hosted=[Hosted()], verify=False, journal=False) as endpoint:
        environment = os.environ | {"AWS_ENDPOINT_URL": endpoint.url}
        command = [sys.executable, "-m", "benchmarks.client.stream", "100000"]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        figures = json.loads(done.stdout)
        assert figures["texts"] == 100_000
        assert figures["peak_mb"] < 300, figures
        assert endpoint.totals()["texts"] == 100_001


@pytest.mark.slow
def test_memory_does_not_grow_with_what_has_been_embedded(endpoint: LoopbackEndpoint) -> None:
    with open_client() as client:
        process = psutil.Process()
        stream = client.embed_iter(some_texts(40_000))
        resident = [process.memory_info().rss / 2**20 for one in stream if one.index % 5000 == 4999]
    assert resident[-1] - resident[1] < 60, resident
