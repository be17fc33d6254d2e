"""How the server ends: signals under load, while it loads, while its device hangs; and what becomes of its engines."""

import asyncio
import contextlib
import json
import os
import signal

import psutil
import pytest
from tests.support.load import Connection, CutOffError, Load, message
from tests.support.paced import PacedServer, are_gone, scenario, until
from tests.support.wire import check_error

BODY = json.dumps({"input": ["the sun rises"] * 4, "dimensions": 8}).encode()
FOR_EVER = {"JINA_V3_SHUTDOWN_TIMEOUT_S": "1000"}
"""A server that waited for something which does not come would not end while a test waits for it."""

LONG = json.dumps({"input": ["the sun rises over a quiet harbour"] * 1000, "dimensions": 8}).encode()


def check_load(server: PacedServer, load: Load) -> None:
    """Every request that the server took was answered in full, well or in the documented way."""
    taken = {line["request_id"] for line in server.logged("request")}
    lost = {number: head for number, head in load.cut_off.items() if f"{load.name}-{number}" in taken or head}
    assert not lost
    for answer in load.answers.values():
        assert answer.status in (200, 503)
        if answer.status == 503:
            check_error(answer.body, 503)
        else:
            assert len(json.loads(answer.body)["data"]) == 4


async def hoard(port: int) -> None:
    """Open connections and use none of them again, until the port is closed."""
    with contextlib.suppress(ConnectionError):
        for _ in range(400):
            connection = await Connection.open(port)
            with contextlib.suppress(CutOffError):
                await connection.send(message(method="GET", path="/ping"))


@pytest.mark.parametrize(
    "numbers",
    [[signal.SIGTERM] * 2, pytest.param([signal.SIGINT], marks=pytest.mark.slow)],
    ids=["SIGTERM twice", "SIGINT"],
)
@scenario
async def test_a_signal_under_load_ends_the_server_when_it_has_answered_what_it_took(tiny_model, tmp_path, numbers):
    with PacedServer(tmp_path, tiny_model, FOR_EVER, pace=0.03) as server:
        server.wait_until_ready()
        children = server.front.children(recursive=True)
        assert children
        staying, coming = Load(server.port, [BODY], "staying"), Load(server.port, [BODY], "coming")
        staying_open = [await Connection.open(server.port) for _ in range(5)]
        for connection in staying_open:
            await connection.ask(message(BODY))
        streaming = await Connection.open(server.port)
        await streaming.send(message(LONG, Accept="application/jsonlines"))
        hoarding = asyncio.create_task(hoard(server.port))
        clients = asyncio.gather(staying.run(30), coming.run(15, fresh=True))
        await until(lambda: len(staying.answers) > 150 and len(coming.answers) > 50)
        for number in numbers:
            os.kill(server.pid, number)
            await asyncio.sleep(0.1)
        answer = await streaming.answer()
        await clients
        await hoarding
        # no connection is forgotten, also none that came while the port was being closed
        assert await asyncio.to_thread(server.wait) == 0
        assert answer.body.count(b"\n") == 1000
        assert (staying.refused, coming.refused) == (30, 15)
        check_load(server, staying)
        check_load(server, coming)
        assert not staying.cut_off
        assert len(coming.cut_off) <= 1  # the kernel may shake hands while the port is being closed
        await until(lambda: are_gone(children))
    assert not server.logged("Exception in ASGI application\n")
    assert server.stderr == b""


@scenario
async def test_connections_that_have_been_opened_before_a_signal_and_not_yet_seen_are_served(tiny_model, tmp_path):
    with PacedServer(tmp_path, tiny_model, FOR_EVER) as server:
        front = server.wait_until_ready().front
        await server.ask(BODY)
        front.suspend()
        connections = [await Connection.open(server.port) for _ in range(30)]  # the kernel opens them
        for connection in connections[10:]:
            await connection.send(message(BODY))
        server.terminate()
        front.resume()
        for connection in connections[10:]:
            answer = await connection.answer()
            assert (answer.status, len(json.loads(answer.body)["data"])) == (200, 4)
        assert await asyncio.to_thread(server.wait) == 0


@scenario
async def test_what_is_not_finished_in_time_after_sigterm_is_answered_with_503(tiny_model, tmp_path):
    with PacedServer(tmp_path, tiny_model, {"JINA_V3_SHUTDOWN_TIMEOUT_S": "1"}) as server:
        server.wait_until_ready()
        children = server.front.children(recursive=True)
        server.hold()
        load = Load(server.port, [BODY])
        clients = asyncio.create_task(load.run(12))
        await until(lambda: _have_come(server, 12))
        stream = await Connection.open(server.port)
        server.terminate()
        await clients
        assert await asyncio.to_thread(server.wait) == 0
        stream.close()
        await until(lambda: are_gone(children))
    assert {answer.status for answer in load.answers.values()} == {503}
    assert len(load.answers) == 12
    check_load(server, load)


STUCK = """
import time
{}
def model_fn(model_dir):
    time.sleep(3600)
"""


@pytest.mark.parametrize("at_import", [False, True], ids=["in model_fn", "at import"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
@scenario
async def test_a_signal_while_the_model_loads(tiny_model, tmp_path, number, at_import):
    program = STUCK.format("time.sleep(3600)" if at_import else "")
    with PacedServer(tmp_path, tiny_model, program=program) as server:
        assert await server.ping() == 503
        await until(server.engines)
        children = server.engines()
        os.kill(server.pid, number)
        assert await asyncio.to_thread(server.wait) == (0 if number == signal.SIGTERM else -number)
        await until(lambda: are_gone(children))


@pytest.mark.parametrize("busy", [pytest.param(False, marks=pytest.mark.slow), True], ids=["idle", "busy"])
@scenario
async def test_engines_do_not_outlive_a_server_that_was_killed(tiny_model, tmp_path, busy):
    with PacedServer(tmp_path, tiny_model) as server:
        server.wait_until_ready()
        engines = server.engines()
        assert [type(one) for one in engines] == [psutil.Process]
        if busy:
            server.hold()
            connection = await Connection.open(server.port)
            await connection.send(message(BODY))
            await until(lambda: _is_busy(server))
        os.kill(server.pid, signal.SIGKILL)
        await until(lambda: are_gone(engines))


async def _is_busy(server: PacedServer) -> bool:
    return (await server.metrics())["in_flight_tokens"] > 0


async def _have_come(server: PacedServer, requests: int) -> bool:
    """Say whether so many wait for a batch or for the one that they are in, of a server that had none before."""
    metrics = await server.metrics()
    return metrics["queue_requests"] + metrics["queue_seconds_count"] == requests
