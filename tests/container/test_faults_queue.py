"""Requests that compete for the device: many at once, more than it can take, long ones beside short, too late ones."""

import asyncio
import functools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.support.load import Answer, Connection, CutOffError, Load, message
from tests.support.paced import PacedServer, scenario, until
from tests.support.wire import check_error

BODY = json.dumps({"input": "the sun rises", "dimensions": 8}).encode()
MAX_QUEUE_S = 1
DEADLINE_S = 2.0


@pytest.fixture(scope="module")
def server(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PacedServer]:
    with PacedServer(tmp_path_factory.mktemp("base"), tiny_model) as process:
        yield process.wait_until_ready()
        assert process.stderr == b""


def vectors(answer: Answer) -> np.ndarray:
    assert answer.status == 200, answer.body
    return np.array([item["embedding"] for item in json.loads(answer.body)["data"]], np.float32)


async def in_flight(server: PacedServer) -> float:
    return (await server.metrics())["in_flight_tokens"]


@scenario
async def test_requests_that_wait_together_share_batches_and_each_gets_its_own_vectors(server):
    words = "the sun rises over a quiet harbour and boats return with fish while children walk".split()  # noqa: SIM905
    tasks = [None, "retrieval.query", "text-matching", "separation"]
    texts = [" ".join(words[number // 16 :][: 1 + number % 10]) for number in range(64)]
    bodies = [json.dumps({"input": text, "task": tasks[number % 4]}) for number, text in enumerate(texts)]
    alone = [vectors(await server.ask(body.encode())) for body in bodies]
    before = await server.metrics()
    server.hold()
    first = asyncio.create_task(server.ask(BODY))
    await until(lambda: _is_busy(server))
    load = Load(server.port, [body.encode() for body in bodies])
    clients = asyncio.create_task(load.run(64, 64))

    async def all_have_come() -> bool:
        metrics = await server.metrics()
        dispatched = metrics["queue_seconds_count"] - before["queue_seconds_count"]
        return metrics["queue_requests"] + dispatched == 65  # a second full batch waits at the engine's door

    await until(all_have_come)
    server.pace(0)
    await clients
    assert vectors(await first).shape == (1, 8)
    after = await server.metrics()
    for number, expected in enumerate(alone):
        np.testing.assert_allclose(vectors(load.answers[number]), expected, atol=2e-6)
    assert after["batches_total"] - before["batches_total"] <= 5
    assert after["queue_requests"] == after["in_flight_tokens"] == 0


@scenario
async def test_short_requests_overtake_one_of_100_000_tokens_and_it_finishes_too(server):
    server.hold()
    text = "the sun rises over a quiet harbour and boats return with fish " * 2
    long = json.dumps({"input": [text] * 2048, "dimensions": 8}).encode()
    first = asyncio.create_task(server.ask(long))
    await until(lambda: _is_busy(server))
    run = await _batches(server)
    for _ in range(8):
        short = asyncio.create_task(server.ask(BODY))
        await until(lambda: _two_wait(server))
        server.hold(after=4)  # the two that the engine has already, the next, and the one after it
        assert vectors(await short).shape == (1, 8)
        run += 4
        await until(functools.partial(_have_run, server, run))
    assert not first.done()
    server.pace(0)
    answer = await first
    assert vectors(answer).shape == (2048, 8)
    tokens = json.loads(answer.body)["usage"]["total_tokens"]
    assert tokens > 100_000
    assert tokens / 2048 > 4 * 8  # batches: all those that were let through before


async def _batches(server: PacedServer) -> float:
    return (await server.metrics())["batches_total"]


async def _have_run(server: PacedServer, batches: float) -> bool:
    return await _batches(server) == batches


async def _two_wait(server: PacedServer) -> bool:
    return (await server.metrics())["queue_requests"] == 2


async def _is_busy(server: PacedServer) -> bool:
    return await in_flight(server) > 0


@scenario
async def test_more_than_the_device_can_take_is_refused_at_once_and_the_rest_served(tiny_model, tmp_path):
    text = "the sun rises over a quiet harbour and boats return with fish while children walk to school"
    body = json.dumps({"input": [text] * 8, "dimensions": 8}).encode()
    with PacedServer(tmp_path, tiny_model, {"JINA_V3_MAX_QUEUE_S": str(MAX_QUEUE_S)}, pace=0.1) as server:
        server.wait_until_ready()
        await Load(server.port, [body]).run(4, 40)  # lets it learn its speed
        metrics = await server.metrics()
        tokens = json.loads((await server.ask(body)).body)["usage"]["total_tokens"]
        room = metrics["tokens_per_second"] * MAX_QUEUE_S / tokens
        before_mb, refused = server.rss_mb(), metrics["refused_total"]

        clients = int(10 * room)
        assert 20 < clients < 1000
        server.hold()
        load = Load(server.port, [body])
        asking = asyncio.create_task(load.run(clients, 2 * clients))

        async def all_have_come() -> bool:
            now = await server.metrics()
            taken = (now["queue_tokens"] + now["in_flight_tokens"]) / tokens
            return len(load.answers) + taken == 2 * clients

        await until(all_have_come)
        assert {answer.status for answer in load.answers.values()} == {429}  # at once
        held = await server.metrics()
        waiting_s = (held["queue_tokens"] + held["in_flight_tokens"]) / held["tokens_per_second"]
        assert waiting_s < 2 * MAX_QUEUE_S  # tokens are estimated by characters where a request is let in
        server.pace(0.1)
        await asking
        assert not load.cut_off
        assert len(load.answers) == 2 * clients
        statuses = [answer.status for answer in load.answers.values()]
        assert set(statuses) == {200, 429}
        assert statuses.count(200) >= room / 2
        for answer in load.answers.values():
            if answer.status == 429:
                error = check_error(answer.body, 429)
                assert error["code"] == "overloaded"
                assert 1 <= int(answer.headers["retry-after"]) <= 60
            else:
                assert vectors(answer).shape == (8, 8)
        assert (await server.metrics())["refused_total"] - refused == statuses.count(429)
        assert server.rss_mb() - before_mb < 150  # most of it is what torch keeps for each new size of batch

        metrics = await server.metrics()
        assert metrics["queue_requests"] == metrics["queue_tokens"] == metrics["in_flight_tokens"] == 0
        load = Load(server.port, [body])
        await load.run(4, 40)  # as before
        assert {answer.status for answer in load.answers.values()} == {200}


@scenario
async def test_what_is_too_late_is_answered_with_503_and_dropped(tiny_model, tmp_path):
    many = json.dumps({"input": ["the sun rises over a quiet harbour"] * 800, "dimensions": 8}).encode()
    with PacedServer(tmp_path, tiny_model, {"JINA_V3_REQUEST_TIMEOUT_S": str(DEADLINE_S)}) as server:
        server.wait_until_ready().hold()
        load = Load(server.port, [BODY, many])
        await load.run(16, 16)
        assert not load.cut_off
        for answer in load.answers.values():
            assert check_error(answer.body, answer.status)["code"] == "deadline_exceeded"
        metrics = await server.metrics()
        assert metrics["queue_requests"] == metrics["queue_tokens"] == 0
        server.pace(0)
        await until(lambda: _serves(server))

        connection, headers = await _begin_a_stream(server, many)  # which can then only be cut off
        parts = connection.parts(headers)
        lines = await anext(parts)
        with pytest.raises(CutOffError):  # noqa: PT012
            async for part in parts:
                lines += part
        assert 0 < lines.count(b"\n") < 800
        await until(lambda: server.logged("a response was cut off", code="deadline_exceeded"))

        async def is_empty() -> bool:
            return (await server.metrics())["queue_tokens"] == 0

        await until(is_empty)  # only what is dropped leaves the queue; the log's line comes first
        server.pace(0)
        await until(lambda: _serves(server))
        await until(lambda: server.logged("request", response_bytes=len(lines)))
        assert server.stderr == b""
    assert not server.logged("Exception in ASGI application\n")


async def _serves(server: PacedServer) -> bool:
    """Say whether a request is answered in its time, which it may not be while the machine has other things to do."""
    answer = await server.ask(BODY)
    if answer.status == 503:
        assert check_error(answer.body, answer.status)["code"] == "deadline_exceeded"
        return False
    assert vectors(answer).shape == (1, 8)
    return True


async def _begin_a_stream(server: PacedServer, body: bytes) -> tuple[Connection, dict[str, str]]:
    """Let the answer begin in its time, and not come to its end; return its connection and headers."""
    async with asyncio.timeout(120):
        while True:
            server.hold(after=3)
            connection = await Connection.open(server.port)
            await connection.send(message(body, Accept="application/jsonlines"))
            status, headers = await connection.head()
            if status == 200:
                return connection, headers
            assert status == 503
