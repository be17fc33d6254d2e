"""Clients that vanish, dawdle, never read, or send what is not what they say; and the others, who must not notice."""

import asyncio
import contextlib
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.load import Answer, Connection, CutOffError, Load, chunk, message
from tests.support.paced import PacedServer, scenario, until
from tests.support.serving import serve_after
from tests.support.wire import check_error

from jina_v3.serving.http import protocol

MAX_BODY_BYTES = 2_000_000
BODY_TIMEOUT_S = 200
"""Longer than any test waits: what ends a request before is never this."""

BODY = json.dumps({"input": "the sun rises", "dimensions": 8}).encode()
MANY = json.dumps({"input": ["the sun rises over a quiet harbour"] * 2000, "dimensions": 64}).encode()
HEAD = message(BODY)[: -len(BODY)]


@pytest.fixture(scope="module")
def server(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PacedServer]:
    settings = {"JINA_V3_MAX_BODY_BYTES": str(MAX_BODY_BYTES), "JINA_V3_BODY_TIMEOUT_S": str(BODY_TIMEOUT_S)}
    with PacedServer(tmp_path_factory.mktemp("base"), tiny_model, settings) as process:
        yield process.wait_until_ready()
        process.pace(0)
        assert process.stderr == b""


@pytest.fixture(autouse=True)
def full_speed(server: PacedServer) -> Iterator[None]:
    yield
    server.pace(0)


def is_good(answer: Answer) -> bool:
    return answer.status == 200 and len(json.loads(answer.body)["data"]) > 0


async def count(server: PacedServer, name: str) -> float:
    return (await server.metrics()).get(name, 0)


# who goes away


@scenario
async def test_clients_that_vanish_while_they_wait_free_their_places(server):
    gone = await count(server, 'requests_total{status="499"}')
    server.hold()
    first = await Connection.open(server.port)
    await first.send(message(BODY))

    async def one_is_on_the_device() -> bool:
        return await count(server, "in_flight_tokens") > 0

    await until(one_is_on_the_device)
    batches = await count(server, "batches_total")
    waiting = [await Connection.open(server.port) for _ in range(30)]
    for connection in waiting:
        await connection.send(message(BODY))

    async def all_wait() -> bool:
        return await count(server, "queue_requests") == 30

    await until(all_wait)
    for connection in waiting:
        connection.reset()

    async def nobody_waits() -> bool:
        metrics = await server.metrics()
        return metrics["queue_requests"] == metrics["queue_tokens"] == 0

    await until(nobody_waits)  # though the device has not come back
    assert await count(server, 'requests_total{status="499"}') == gone + 30
    server.pace(0)
    assert is_good(await first.answer())
    assert is_good(await server.ask(BODY))
    assert await count(server, "batches_total") == batches + 2


@scenario
async def test_clients_that_vanish_while_they_send(server):
    gone = await count(server, 'requests_total{status="499"}')
    for sent in (HEAD, message(BODY)[:-3], message(Transfer_Encoding="chunked") + chunk(BODY)):
        connection = await Connection.open(server.port)
        await connection.send(sent)
        connection.reset()

    async def all_are_noticed() -> bool:
        return await count(server, 'requests_total{status="499"}') == gone + 3

    await until(all_are_noticed)
    assert is_good(await server.ask(BODY))


@scenario
async def test_a_client_that_vanishes_amid_a_streamed_answer_stops_the_work_for_it(server):
    gone = await count(server, 'requests_total{status="499"}')
    server.hold(after=3)
    batches = await count(server, "batches_total")
    connection = await Connection.open(server.port)
    await connection.send(message(MANY, Accept="application/jsonlines"))
    status, headers = await connection.head()
    assert status == 200
    await anext(connection.parts(headers))
    connection.reset()

    async def its_work_is_dropped() -> bool:
        metrics = await server.metrics()
        return metrics["queue_tokens"] == 0 and metrics['requests_total{status="499"}'] == gone + 1

    await until(its_work_is_dropped)
    server.pace(0)
    assert is_good(await server.ask(BODY))
    assert await count(server, "batches_total") - batches < 12  # the whole has some 16


# who dawdles


async def drip(connection: Connection, data: bytes) -> None:
    for byte in data:
        try:
            await connection.send(bytes([byte]))
        except CutOffError:
            return
        await asyncio.sleep(0.2)


@pytest.mark.slow
@scenario
async def test_dawdling_heads_and_bodies_are_ended_and_hold_nobody_up(tiny_model, tmp_path):
    with PacedServer(tmp_path, tiny_model, {"JINA_V3_BODY_TIMEOUT_S": "2"}) as server:
        server.wait_until_ready()
        for _ in range(20):
            await server.ask(BODY)
        before_mb = server.rss_mb()
        await _dawdle_beside_others(server)
        assert server.rss_mb() - before_mb < 25
        await until(lambda: server.connections() == 0)


async def _dawdle_beside_others(server: PacedServer) -> None:
    normal = Load(server.port, [BODY])
    loop = asyncio.get_running_loop()

    async def dawdle(first: bytes, then: bytes) -> tuple[float, bytes]:
        started = loop.time()
        connection = await Connection.open(server.port)
        await connection.send(first)
        dripping = asyncio.create_task(drip(connection, then))
        end = await connection.ended()
        dripping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await dripping
        connection.close()
        return loop.time() - started, end

    async def second_head() -> tuple[float, bytes]:
        connection = await Connection.open(server.port)
        await connection.ask(message(BODY))
        started = loop.time()
        await drip(connection, HEAD[:20])
        end = await connection.ended()
        return loop.time() - started, end

    slow_body = b" " * 300 + BODY  # a minute's worth
    slow_head = message(slow_body)[: -len(slow_body)]
    ends: dict[str, list[tuple[float, bytes]]] = defaultdict(list)
    clients = asyncio.create_task(normal.run(4))
    while len(normal.answers) <= 200:  # once, unless the machine is very slow: the others are not held up
        kinds = {
            "silent": [dawdle(b"", b"") for _ in range(40)],
            "head": [dawdle(b"", HEAD * 2) for _ in range(40)],
            "body": [dawdle(slow_head, slow_body) for _ in range(40)],
            "chunks": [dawdle(message(Transfer_Encoding="chunked"), b"1\r\n \r\n" * 60) for _ in range(40)],
            "second head": [second_head() for _ in range(10)],
        }
        for kind, told in zip(
            kinds, await asyncio.gather(*(asyncio.gather(*dawdlers) for dawdlers in kinds.values())), strict=True
        ):
            ends[kind] += told
    normal.stop()
    await clients
    for kind in ("body", "chunks"):
        for seconds, end in ends[kind]:
            assert seconds < 40, kind  # and not a minute
            head, _, body = end.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 408 "), kind
            assert check_error(body, 408)["code"] == "body_timeout"
    for kind in ("silent", "head", "second head"):
        for seconds, end in ends[kind]:
            assert 5 < seconds < 40, kind
            assert end == b"", kind
    assert not normal.cut_off
    assert all(is_good(answer) for answer in normal.answers.values())


@pytest.mark.slow
@scenario
async def test_clients_that_never_read_are_ended_and_hold_nobody_up(tiny_model, tmp_path):
    line = json.dumps({"text": "the sun rises", "dimensions": 8, "padding": "x" * 5000}).encode() + b"\n"
    lines, types = line * 2000, {"Content_Type": "application/jsonlines"}
    ways = [{"Accept": "application/json"}, {"Accept": "application/json", "Connection": "close"}, {}]
    assert protocol._UNREAD_S == 60
    sooner = serve_after("from jina_v3.serving.http import protocol; protocol._UNREAD_S = 10")
    with PacedServer(tmp_path, tiny_model, command=sooner) as server:
        server.wait_until_ready()
        assert is_good(await server.ask(BODY))
        for number in range(12):
            connection = await Connection.open(server.port, receive_bytes=4096)
            await connection.send(message(lines, **types, **ways[number % 3]))
        await until(lambda: len(server.logged("request", status=200)) == 1 + 8)  # the others are streamed
        normal = Load(server.port, [BODY])
        clients = asyncio.create_task(normal.run(4))
        await until(lambda: server.connections() <= 4, 150)  # those that read
        normal.stop()
        await clients
        assert not normal.cut_off
        assert all(is_good(answer) for answer in normal.answers.values())
        await until(lambda: len(server.logged("a response was not taken")) == 12)
        assert is_good(await server.ask(BODY))
    assert not server.logged("Exception in ASGI application\n")


@pytest.mark.slow
@scenario
async def test_connections_that_are_reset_after_their_answer_leave_nothing_behind(server):
    async def come_and_go(times: int) -> None:
        for _ in range(times):
            connection = await Connection.open(server.port)
            await connection.ask(message(BODY))
            connection.reset()

    await asyncio.gather(*(come_and_go(40) for _ in range(8)))
    before_mb = server.front.memory_info().rss / 2**20
    await asyncio.gather(*(come_and_go(300) for _ in range(8)))
    assert server.front.memory_info().rss / 2**20 - before_mb < 2.4  # 1 KB each


# who sends what it does not say


def packed(data: bytes, **headers: str) -> bytes:
    return message(data, Content_Encoding="gzip", **headers)


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(BODY),
        gzip.compress(BODY[:10]) + gzip.compress(BODY[10:]),
        gzip.compress(BODY + b" " * (2**20 + 7)),
        gzip.compress(BODY, 0),
    ],
    ids=["one member", "two members", "more than is inflated at once", "stored"],
)
@pytest.mark.parametrize("pieces", [1, 7])
@scenario
async def test_gzip(server, data, pieces):
    connection = await Connection.open(server.port)
    whole = packed(data)
    step = -(-len(whole) // pieces)
    for start in range(0, len(whole), step):
        await connection.send(whole[start : start + step])
        await asyncio.sleep(0)
    assert is_good(await connection.answer())
    assert is_good(await connection.ask(message(BODY)))


BAD_GZIP = {
    "truncated": gzip.compress(BODY)[:-9],
    "without its checksum": gzip.compress(BODY)[:-8],
    "with a wrong checksum": gzip.compress(BODY)[:-8] + bytes(8),
    "not gzip": BODY,
    "empty": b"",
    "zlib": b"x\x9c" + gzip.compress(BODY)[10:-8],
    "followed by something else": gzip.compress(BODY) + b"{}",
}


@pytest.mark.parametrize("name", BAD_GZIP)
@scenario
async def test_what_is_not_gzip(server, name):
    connection = await Connection.open(server.port)
    answer = await connection.ask(packed(BAD_GZIP[name]))
    assert check_error(answer.body, answer.status)["code"] == "not_gzip"
    assert is_good(await connection.ask(message(BODY)))


@scenario
async def test_gzip_that_is_not_declared_and_what_is_not_offered(server):
    answer = await server.ask(gzip.compress(BODY))
    assert check_error(answer.body, answer.status)["code"] in ("not_json", "not_utf8")
    answer = await server.ask(BODY, Content_Encoding="br")
    assert check_error(answer.body, answer.status)["field"] == "Content-Encoding"
    assert answer.status == 415


@scenario
async def test_gzip_bombs_are_met_before_they_have_gone_off(server):
    inner = gzip.compress(bytes(100 * MAX_BODY_BYTES))
    assert len(inner) < MAX_BODY_BYTES
    before_mb = server.rss_mb()
    sent = packed(inner), packed(gzip.compress(BODY + b" " * MAX_BODY_BYTES))
    for whole in sent:
        answer = await (await Connection.open(server.port)).ask(whole)
        error = check_error(answer.body, answer.status)
        assert error["code"] == "body_too_large"
        assert MAX_BODY_BYTES < error["value"] <= MAX_BODY_BYTES + 2**20  # no more was inflated
    bombs = [await Connection.open(server.port) for _ in range(8)]
    await asyncio.gather(*(bomb.ask(sent[0]) for bomb in bombs))
    assert server.rss_mb() - before_mb < 60
    assert is_good(await server.ask(BODY))


@scenario
async def test_a_body_in_chunks_of_any_size(server):
    for size in (1, 7, len(BODY)):
        connection = await Connection.open(server.port)
        parts = [BODY[start : start + size] for start in range(0, len(BODY), size)]
        await connection.send(message(Transfer_Encoding="chunked"))
        for part in [*parts, b""]:
            await connection.send(chunk(part))
        assert is_good(await connection.answer())
        assert is_good(await connection.ask(message(BODY)))


@scenario
async def test_a_body_that_is_too_large_by_its_last_part_is_answered_at_once(server):
    connection = await Connection.open(server.port)
    body = b" " * (MAX_BODY_BYTES + 10)
    await connection.send(message(body)[:-20])
    assert is_good(await server.ask(BODY))
    await asyncio.sleep(0.3)  # so that the last bytes come by themselves
    await connection.send(body[-20:])
    async with asyncio.timeout(BODY_TIMEOUT_S / 2):
        answer = await connection.answer()
    assert check_error(answer.body, answer.status)["code"] == "body_too_large"
