"""Reading bodies: counted, inflated, bounded, and never waited for without end."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable

import pytest

from jina_v3.config import Config
from jina_v3.contract import ErrorCode, Limits
from jina_v3.errors import RequestError
from jina_v3.serving.context import RequestContext
from jina_v3.serving.faults import OverloadedError
from jina_v3.serving.http.body import Body, Held
from jina_v3.serving.http.interruption import DisconnectedError, Interruption

LIMIT = 2_000_000


def receiver(*pieces: bytes | None, last: float = 0.0) -> Callable[[], Awaitable[dict]]:
    """Return ASGI's ``receive`` for a body in pieces; None is the client's going, and the last may take its time."""
    waiting = list(pieces)

    async def receive():
        if not waiting:
            await asyncio.sleep(3600)
        piece = waiting.pop(0)
        if not waiting:
            await asyncio.sleep(last)
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

    return receive


def read(
    *pieces: bytes | None,
    whole: bool = True,
    held: Held | None = None,
    last: float = 0.0,
    timeout_s: float = 1000,
    **headers: str,
) -> bytes:
    context = RequestContext("POST", "/invocations", {k.replace("_", "-"): v for k, v in headers.items()}, "id")
    config = Config(limits=Limits(max_body_bytes=LIMIT), body_timeout_s=timeout_s)
    ended: list[bool] = []

    async def run():
        body = Body(context, receiver(*pieces, last=last), config, held or Held(10**9), lambda: ended.append(True))
        data = await body.whole() if whole else b"".join([part async for part in body.parts()])
        assert ended == [True]
        assert context.request_bytes == len(data)
        body.close()
        return data

    return asyncio.run(run())


def refused(*pieces: bytes | None, **settings) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read(*pieces, **settings)
    return caught.value


either_way = pytest.mark.parametrize("whole", [True, False])


@either_way
def test_pieces(whole):
    assert read(b"ab", b"", b"c", whole=whole) == b"abc"
    assert read(b"", whole=whole) == b""


@either_way
def test_gzip_in_pieces_and_members(whole):
    data = gzip.compress(b"one ") + gzip.compress(b"two")
    for size in (1, 7, 1000):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert read(*pieces, whole=whole, content_encoding="GZip") == b"one two"
    assert read(b"plain", whole=whole, content_encoding="identity") == b"plain"


@either_way
@pytest.mark.parametrize(
    "data",
    [b"not gzip", gzip.compress(b"cut off" * 99)[:-9], b"", gzip.compress(b"a") + b"rest"],
    ids=["other", "cut off", "empty", "more after it"],
)
def test_what_is_not_gzip(whole, data):
    error = refused(data, whole=whole, content_encoding="gzip")
    assert (error.code, error.field) == (ErrorCode.NOT_GZIP, "Content-Encoding")


@either_way
def test_a_bomb_is_met_before_it_has_gone_off(whole):
    bomb = gzip.compress(gzip.compress(b"\0" * 200 * LIMIT))  # the inner one is what is sent
    error = refused(gzip.decompress(bomb), whole=whole, content_encoding="gzip")
    assert error.code is ErrorCode.BODY_TOO_LARGE
    assert LIMIT < error.value <= LIMIT + 2**20


@either_way
def test_the_limit(whole):
    assert len(read(b"x" * LIMIT, whole=whole)) == LIMIT
    error = refused(b"x" * LIMIT, b"y", whole=whole)
    assert (error.code, error.value, error.allowed) == (ErrorCode.BODY_TOO_LARGE, LIMIT + 1, f"at most {LIMIT} bytes")
    assert refused(b"", content_length=str(LIMIT + 1), expect="100-continue", whole=whole).value == LIMIT + 1


@either_way
def test_what_does_not_come(whole):
    assert refused(b"a", b"b", last=3600, timeout_s=0.2, whole=whole).code is ErrorCode.BODY_TIMEOUT


@either_way
def test_a_client_that_goes(whole):
    with pytest.raises(DisconnectedError):
        read(b"a", None, whole=whole)


def test_encodings_that_are_not_offered():
    error = refused(b"", content_encoding="br")
    assert (error.code, error.allowed) == (ErrorCode.UNSUPPORTED_MEDIA_TYPE, ["identity", "gzip"])


def test_parts_are_read_on_while_nobody_takes_them():
    async def run():
        taken = 0
        context = RequestContext("POST", "/invocations", {}, "id")
        ended = asyncio.Event()
        body = Body(context, receiver(b"a", b"b", b"c"), Config(), Held(10**9), ended.set)
        async for _ in body.parts():
            taken += 1
            await asyncio.wait_for(ended.wait(), 100)  # all of it is there before the first part is done with
        assert taken == 3

    asyncio.run(run())


def test_all_bodies_together_have_a_bound():
    held = Held(LIMIT)
    held.add(LIMIT - 10)
    with pytest.raises(OverloadedError) as caught:
        read(b"x" * 11, held=held)
    assert caught.value.retry_after_s >= 1
    assert held.now == LIMIT - 10
    assert read(b"x" * 10, held=held) == b"x" * 10
    assert held.now == LIMIT - 10


# requests that end early


def interrupt(timeout_s: float, *pieces: bytes | None, work: float) -> str:
    async def run():
        with Interruption(receiver(*pieces), timeout_s, set()) as interruption:
            interruption.watch()
            await asyncio.sleep(work)
        await asyncio.sleep(0)  # a cancellation that is left over would come here
        return "done"

    return asyncio.run(run())


def test_time_is_up():
    with pytest.raises(RequestError) as caught:
        interrupt(0.05, work=3600)
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED
    assert caught.value.code.status == 503


def test_the_client_has_gone():
    with pytest.raises(DisconnectedError):
        interrupt(1000, b"more", None, work=3600)


def test_neither():
    assert interrupt(1000, b"more", work=0.01) == "done"


def test_a_cancellation_from_outside_goes_through():
    async def run():
        task = asyncio.create_task(forever())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def forever():
        with Interruption(receiver(), 1000, set()):
            await asyncio.sleep(3600)

    asyncio.run(run())
