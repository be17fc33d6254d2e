"""An hour's worth of requests of every kind, which must leave nothing behind."""

import asyncio
import functools
import gzip
import json
import random

import pytest
from tests.support.load import Answer, Connection, CutOffError, message
from tests.support.paced import PacedServer, scenario, until
from tests.support.wire import check_error

REQUESTS = 19_200
CLIENTS = 16
PARTS = 6
"""The last two are compared with the two before; the first are for warming up."""

enduring = functools.partial(scenario, limit_s=840)

LEAK_BYTES = 1024
"""A request that leaves so much behind must show."""


def kinds() -> list[tuple[bytes, set[int]]]:
    """Whole requests and the statuses that they may have."""
    text = "the sun rises over a quiet harbour"

    def json_of(value: object, **headers: str) -> bytes:
        return message(json.dumps(value).encode(), **headers)

    lines = b"\n".join(json.dumps({"id": n, "text": text, "dimensions": 8}).encode() for n in range(20))
    lines_with_errors = lines + b'\n{bad\n\n{"text":""}\n'
    packed = gzip.compress(json.dumps({"input": text}).encode())
    return [
        (json_of({"input": text, "dimensions": 8}), {200}),
        (json_of({"data": [{"text": text}] * 3, "parameters": {"task": "text-matching"}}), {200}),
        (json_of({"input": [text] * 70, "encoding_format": "base64"}), {200}),
        (json_of({"input": [text] * 5, "late_chunking": True}), {200}),
        (json_of({"input": [text] * 150, "dimensions": 8}, Accept="application/jsonlines"), {200}),
        (json_of({"inputs": [text]}), {200}),
        (message(lines_with_errors, Content_Type="application/jsonlines"), {200}),
        (message(packed, Content_Encoding="gzip"), {200}),
        (message(b"id,text\n" * 3, Content_Type="text/csv"), {200}),
        (message(packed[:-4], Content_Encoding="gzip"), {400}),
        (message(b"{bad"), {400}),
        (json_of({"input": ["a"] * 5000}), {413}),
        (json_of({"input": text, "task": "nope"}), {422}),
        (json_of({"input": [text, ""]}), {422}),
        (json_of({"input": text}, Accept="image/png"), {406}),
        (message(b" " * 300_000), {413}),
        (message(b"", path="/nope"), {404}),
        (message(method="GET", path="/ping"), {200}),
        (message(method="GET", path="/metrics"), {200}),
    ]


def check(answer: Answer, allowed: set[int]) -> None:
    assert answer.status in allowed, answer.body[:500]
    if answer.status >= 400:
        check_error(answer.body, answer.status)


def check_flat(sizes: list[int], requests: int) -> None:
    grown = max(sizes[4:]) - max(sizes[2:4])
    assert grown < requests / 3 * LEAK_BYTES / 2, [size / 2**20 for size in sizes]


@pytest.mark.slow
@pytest.mark.timeout(900)
@enduring
async def test_an_engine_keeps_nothing_of_the_batches_it_has_run(tiny_model, tmp_path):
    """One request at a time: what torch keeps for each new size of a batch is not what is looked for."""
    with PacedServer(tmp_path, tiny_model) as server:
        (engine,) = server.wait_until_ready().engines()
        connection = await Connection.open(server.port)
        sizes = []
        for _ in range(PARTS):
            for number in range(800):
                texts = ["the sun rises over a quiet harbour"] * (1 + number % 5)
                body = json.dumps({"input": texts, "dimensions": 8}).encode()
                check(await connection.ask(message(body)), {200})
            sizes.append(engine.memory_info().rss)
        check_flat(sizes, 800 * PARTS)


@pytest.mark.slow
@pytest.mark.timeout(900)
@enduring
async def test_thousands_of_requests_of_all_kinds_leave_nothing_behind(tiny_model, tmp_path):
    draw = random.Random(1)
    with PacedServer(tmp_path, tiny_model, {"JINA_V3_MAX_BODY_BYTES": "200000"}) as server:
        server.wait_until_ready()
        known = kinds()

        async def client(requests: int) -> None:
            connection: Connection | None = None
            for _ in range(requests):
                sent, allowed = draw.choice(known)
                connection = connection or await Connection.open(server.port)
                way = draw.random()
                try:
                    if way < 0.03:  # vanishes while it sends
                        await connection.send(sent[: draw.randrange(len(sent))])
                    elif way < 0.06:  # vanishes while it waits
                        await connection.send(sent)
                        await asyncio.sleep(draw.random() * 0.01)
                    else:
                        answer = await connection.ask(sent)
                        check(answer, allowed)
                        if way < 0.8 and answer.headers.get("connection") != "close":
                            continue
                except CutOffError:
                    assert sent is not None
                    raise
                connection.reset()
                connection = None
            if connection is not None:
                connection.close()

        front_bytes = []
        for _ in range(PARTS):
            await asyncio.gather(*(client(REQUESTS // PARTS // CLIENTS) for _ in range(CLIENTS)))
            await until(lambda: server.connections() == 0)
            server.logs.clear()
            front_bytes.append(server.front.memory_info().rss)
        check_flat(front_bytes, REQUESTS)

        async def has_nothing_to_do() -> bool:
            metrics = await server.metrics()
            return metrics["queue_requests"] == metrics["queue_tokens"] == metrics["in_flight_tokens"] == 0

        await until(has_nothing_to_do)  # it has noticed the last to vanish
        await until(lambda: server.front.num_fds() < 60)
        server.terminate()
        assert await asyncio.to_thread(server.wait) == 0
        assert server.stderr == b""
