"""What becomes of a request whose client vanishes while it is being answered, and of one that comes too late."""

import asyncio
import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jina_v3.config import Config
from jina_v3.serving.http.application import Application
from jina_v3.serving.http.invocation import Service
from jina_v3.serving.program import load_program

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/invocations",
    "query_string": b"",
    "headers": [(b"content-type", b"application/jsonlines")],
}


class Pool:
    """Engines that answer a request's first block, and keep the others."""

    batches = False
    is_damaged = False

    def __init__(self) -> None:
        self.begun = self.dropped = 0

    def refuse_if_full(self, _body_bytes: int) -> None:
        """Take everything."""

    async def invoke(self, _body: bytes, *_: Any) -> bytes:
        self.begun += 1
        if self.begun == 1:
            return b"{}\n"
        try:
            await asyncio.Event().wait()
        finally:
            self.dropped += 1
        raise AssertionError


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_work_is_dropped_at_once_when_the_client_goes_while_a_part_is_being_sent() -> None:
    async def run() -> None:
        config, pool = Config(batch=True), Pool()
        gone, sending = asyncio.Event(), asyncio.Event()
        bodies = [b"{}\n" * 512 * 8]

        async def receive() -> dict[str, Any]:
            if bodies:
                return {"type": "http.request", "body": bodies.pop(), "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                sending.set()
                await asyncio.Event().wait()  # a client that takes nothing

        with ThreadPoolExecutor(1) as threads:
            service = Service(config, load_program(config), pool, threads)  # type: ignore[arg-type]  # the part used
            serving = asyncio.create_task(Application(config, service=service)(SCOPE, receive, send))
            await sending.wait()
            assert pool.begun > 1
            gone.set()
            await asyncio.wait_for(serving, 100)
            await asyncio.sleep(0)
        assert pool.dropped == pool.begun - 1

    asyncio.run(run())


def test_nothing_is_begun_once_the_server_has_given_up() -> None:
    async def run() -> None:
        config, pool, sent = Config(), Pool(), []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        with ThreadPoolExecutor(1) as threads:
            service = Service(config, load_program(config), pool, threads)  # type: ignore[arg-type]  # the part used
            application = Application(config, service=service)
            application.give_up()
            await application(SCOPE, receive, send)
        assert sent[0]["status"] == 503
        assert b"this server ends" in sent[1]["body"]
        assert pool.begun == 0

    asyncio.run(run())
