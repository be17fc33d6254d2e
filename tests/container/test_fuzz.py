"""Fifty thousand bodies, right and wrong, through the handlers, and some of them through the real process.

`FUZZ_SEED` gives another seed than the one that is always the same; a failure names it.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.support.asking import read_back
from tests.support.fake_encoder import FakeEncoder
from tests.support.fuzz_choices import MARKER
from tests.support.fuzzing import Maker, Sent
from tests.support.serving import ServeProcess
from tests.support.wire import DOCUMENTED_STATUSES, check_described, check_error, strict_json

from jina_v3.config import Config
from jina_v3.errors import RequestError
from jina_v3.serving import handler
from jina_v3.serving.context import RequestContext
from jina_v3.serving.error_body import write_error
from jina_v3.serving.http.asgi import Message
from jina_v3.serving.http.body import Body, Held

SEED = os.environ.get("FUZZ_SEED", "20260301")
GOOD = Sent("good", b'{"data":[{"text":"the sun rises"}],"parameters":{"dimensions":4}}', "application/json")
GOOD_EVERY = 50
slow = [pytest.mark.slow, pytest.mark.timeout(900)]


class Tally:
    """Checks answers and counts them."""

    def __init__(self) -> None:
        self.sent = 0
        self.kinds: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.codes: Counter[str] = Counter()
        self.good_after = 0

    def check(self, sent: Sent, status: int, media_type: str, body: bytes) -> None:
        assert status in DOCUMENTED_STATUSES, status
        assert b"Traceback" not in body
        if status == 200:
            self._check_answer(sent, media_type, body)
        else:
            assert media_type == "application/json"
            self.codes[check_error(body, status)["code"]] += 1
            assert MARKER.encode() not in body, "a text was echoed"
        self.sent += 1
        self.kinds[sent.kind] += 1
        self.statuses[status] += 1

    def _check_answer(self, sent: Sent, media_type: str, body: bytes) -> None:
        answer = read_back(body, media_type)
        if "parquet" in media_type:
            rows = answer.to_pylist()
        else:
            rows = answer["data"] if isinstance(answer, dict) and "data" in answer else answer
        if sent.rows is not None and media_type not in ("application/x-npy", "application/octet-stream"):
            assert len(rows) == sent.rows
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and row.get("error") is not None:
                assert MARKER not in str(row["error"]), "a text was echoed"
                if "parquet" not in media_type:
                    check_described(row["error"], "line")
                self.codes[f"record: {row['error']['code']}"] += 1

    def check_good(self, status: int, body: bytes) -> None:
        assert status == 200
        assert len(strict_json(body)["data"][0]["embedding"]) == 4
        self.good_after += 1


def makers(count: int) -> Iterator[tuple[int, Sent]]:
    for number in range(count):
        yield number, Maker(f"{SEED}:{number}").request()


def failed(number: int, sent: Sent, error: BaseException) -> AssertionError:
    return AssertionError(f"FUZZ_SEED={SEED}, request {number}: {error!r}\n{sent}")


class Handlers:
    """The handlers behind what reads bodies, without a socket."""

    def __init__(self) -> None:
        self.encoder = FakeEncoder()
        self.config = Config()
        self.held = Held(2**40)

    async def ask(self, sent: Sent) -> tuple[int, str, bytes]:
        headers = {name.lower(): value for name, value in sent.all_headers.items()}
        context = RequestContext("POST", "/invocations", headers, "id")

        async def receive() -> Message:
            return {"type": "http.request", "body": sent.body}

        try:
            body = await Body(context, receive, self.config, self.held, lambda: None).whole()
        except RequestError as error:
            return error.code.status, "application/json", write_error(error, "id")
        return self._handle(body, headers, context)

    def ask_as_awss_toolkit(self, sent: Sent) -> int | None:
        """Return the status where AWS's toolkit passes text, None where it passes bytes."""
        headers = {name.lower(): value for name, value in sent.all_headers.items()}
        if sent.content_type not in ("application/json", "text/csv") or "content-encoding" in headers:
            return None
        try:
            text = sent.body.decode()
        except UnicodeDecodeError:
            return None
        return self._handle(text, headers, RequestContext("POST", "/invocations", headers, "id"))[0]

    def _handle(self, body: bytes | str, headers: dict[str, str], context: RequestContext) -> tuple[int, str, bytes]:
        data = handler.input_fn(body, headers.get("content-type"), context)
        prediction = handler.predict_fn(data, self.encoder, context)
        written, media_type = handler.output_fn(prediction, headers.get("accept"), context)
        return context.status, media_type, written


@pytest.mark.parametrize("count", [2_000, pytest.param(50_000, marks=slow)])
def test_the_handlers(count, monkeypatch):
    handlers, tally = Handlers(), Tally()
    monkeypatch.setattr(handler, "_config", lambda: handlers.config)

    async def run() -> None:
        for number, sent in makers(count):
            try:
                status, *written = await handlers.ask(sent)
                tally.check(sent, status, *written)
                assert handlers.ask_as_awss_toolkit(sent) in (None, status)
                if number % GOOD_EVERY == 0:
                    status, _, body = await handlers.ask(GOOD)
                    tally.check_good(status, body)
            except Exception as error:
                raise failed(number, sent, error) from error

    asyncio.run(run())
    assert (tally.sent, tally.good_after) == (count, count // GOOD_EVERY)
    check_spread(tally)


@pytest.mark.parametrize("count", [200, pytest.param(4_000, marks=slow)])
@pytest.mark.parametrize("batch", ["false", "true"])
def test_the_process(tiny_model: Path, count, batch):
    tally = Tally()
    with ServeProcess(tiny_model, {"JINA_V3_MODEL": str(tiny_model), "SAGEMAKER_BATCH": batch}) as server:
        with server.wait_until_ready().client() as client:
            for number, sent in makers(count):
                try:
                    tally.check(sent, *send(client, sent))
                    if number % GOOD_EVERY == 0:
                        status, _, body = send(client, GOOD)
                        tally.check_good(status, body)
                except Exception as error:
                    raise failed(number, sent, error) from error
            assert client.get("/ping").status_code == 200
        assert {line["level"] for line in server.logs} == {"info"}
        assert MARKER not in str(server.logs)
        assert server.stderr == b""
    assert (tally.sent, tally.good_after) == (count, count // GOOD_EVERY)
    check_spread(tally)


def send(client: httpx.Client, sent: Sent) -> tuple[int, str, bytes]:
    headers = {name: value.encode("latin-1") for name, value in sent.all_headers.items()}
    response = client.post("/invocations", content=sent.body, headers=headers)
    return response.status_code, response.headers["content-type"], response.content


def check_spread(tally: Tally) -> None:
    """Check that both good and bad was among it, of all kinds."""
    assert tally.statuses[200] > tally.sent / 4
    assert {200, 400, 406, 415, 422} <= set(tally.statuses)
    assert len(tally.kinds) == 7
    assert len(tally.codes) > 15
