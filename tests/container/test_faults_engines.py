"""Engines that die or hang while they are at work, and what callers see of it."""

import asyncio
import json
import signal

import pytest
from tests.support.load import Connection, CutOffError, Load, message
from tests.support.paced import PacedServer, are_gone, scenario, until
from tests.support.wire import check_error

BODY = json.dumps({"input": ["the sun rises"] * 4, "dimensions": 8}).encode()
RECORDS = b'{"text":"the sun rises","dimensions":8}\n' * 4000
JSON_LINES = {"Content_Type": "application/jsonlines"}


def statuses(load: Load) -> set[int]:
    """The statuses of a load's answers, each of which must be whole and in its documented form."""
    assert not load.cut_off
    for answer in load.answers.values():
        if answer.status != 200:
            assert check_error(answer.body, answer.status)["code"] == "not_ready"
    return {answer.status for answer in load.answers.values()}


@scenario
async def test_of_two_engines_one_dies_then_the_other(tiny_model, tmp_path):
    with PacedServer(tmp_path, tiny_model, {"JINA_V3_ENGINES": "2"}, pace=0.02) as server:
        first, second = server.wait_until_ready().engines()
        load = Load(server.port, [BODY])
        clients = asyncio.create_task(load.run(24))
        await until(lambda: len(load.answers) > 100)
        first.kill()
        await until(lambda: _ping_fails(server))
        answered = len(load.answers)
        await until(lambda: len(load.answers) > answered + 200)
        since = [answer.status for number, answer in load.answers.items() if number > answered + 100]
        assert set(since) == {200}  # by the engine that is left
        load.stop()
        await clients
        assert statuses(load) <= {200, 503}

        server.hold()
        load = Load(server.port, [BODY])
        clients = asyncio.create_task(load.run(24, 48))
        await until(lambda: server.connections() == 24)
        second.kill()
        await clients
        assert len(load.answers) == 48
        assert statuses(load) == {503}
        metrics = await server.metrics()
        assert [metrics[name] for name in ("queue_requests", "in_flight_tokens", "engines")] == [0, 0, 0]
        server.terminate()
        assert await asyncio.to_thread(server.wait) == 0
    assert len(server.logged("an engine is gone; /ping is 503 from now on", ended="signal 9")) == 2
    assert server.stderr == b""


async def _ping_fails(server: PacedServer) -> bool:
    return await server.ping() == 503


@scenario
async def test_an_engine_that_hangs_is_killed_and_nobody_waits_for_it(tiny_model, tmp_path):
    with PacedServer(tmp_path, tiny_model, {"JINA_V3_ENGINE_TIMEOUT_S": "1"}) as server:
        (engine,) = server.wait_until_ready().engines()
        engine.send_signal(signal.SIGSTOP)
        assert await server.ping() == 200  # nobody can know yet
        load = Load(server.port, [BODY])
        await load.run(24, 72)
        assert len(load.answers) == 72
        assert statuses(load) == {503}
        assert await server.ping() == 503
        await until(lambda: are_gone([engine]))
        server.terminate()
        assert await asyncio.to_thread(server.wait) == 0
    assert server.logged("the device hangs: a batch has not come back; its process is killed", engine=0)


OWN = """
from jina_v3.serving.handler import predict_fn as ours

def predict_fn(data, model):
    return ours(data, model)
"""


@pytest.mark.slow
@scenario
async def test_without_batches_a_dead_engine_is_given_no_requests(tiny_model, tmp_path):
    with PacedServer(tmp_path, tiny_model, {"JINA_V3_ENGINES": "2"}, program=OWN) as server:
        first, second = server.wait_until_ready().engines()
        assert server.logged("ready")[0]["batches"] is False
        first.kill()
        await until(lambda: _ping_fails(server))
        load = Load(server.port, [BODY])
        await load.run(8, 40)
        assert statuses(load) == {200}
        second.kill()
        load = Load(server.port, [BODY])
        await load.run(8, 40)
        assert len(load.answers) == 40
        assert 503 in statuses(load)


@pytest.mark.parametrize("batch", [False, True], ids=["real-time", "batch"])
@scenario
async def test_an_engine_that_dies_amid_a_response_leaves_half_an_answer_that_shows(tiny_model, tmp_path, batch):
    settings = {"SAGEMAKER_BATCH": str(batch).lower(), "JINA_V3_MAX_TEXTS": "4000"}
    with PacedServer(tmp_path, tiny_model, settings) as server:
        (engine,) = server.wait_until_ready().engines()
        # Of 24 batches. Four blocks are worked on at once, of four batches each, and the first may be the last done;
        # one more is the other request's.
        server.hold(after=20)
        connection = await Connection.open(server.port)
        await connection.send(message(RECORDS, **JSON_LINES))
        waiting = await Connection.open(server.port)
        await waiting.send(message(BODY))
        status, headers = await connection.head()
        assert status == 200
        parts = connection.parts(headers)
        lines = await anext(parts)
        engine.kill()
        with pytest.raises(CutOffError):  # noqa: PT012
            async for part in parts:
                lines += part
        assert 0 < lines.count(b"\n") < 4000
        assert b'"error"' not in lines  # no record is at fault
        answer = await waiting.answer()
        assert answer.status in (200, 503)
        whole = await server.ask(RECORDS[:400], **JSON_LINES)
        assert check_error(whole.body, whole.status)["code"] == "not_ready"
        await until(lambda: server.logged("a response was cut off", code="not_ready"))
        await until(lambda: server.logged("request", response_bytes=len(lines)))
