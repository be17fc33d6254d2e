"""Answers that are sent while the rest is still being made, and bodies of batch transform that are read meanwhile."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
from tests.support.load import Connection, message
from tests.support.paced import PacedServer, scenario, until
from tests.support.wire import check_error

JSON_LINES = {"Content_Type": "application/jsonlines"}


@pytest.fixture(scope="module")
def batch(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PacedServer]:
    with PacedServer(tmp_path_factory.mktemp("base"), tiny_model, {"SAGEMAKER_BATCH": "true"}) as process:
        yield process.wait_until_ready()
        assert process.stderr == b""


def record(number: int, kind: int, padding: str = "") -> bytes:
    """A line of a batch, of which some are blank, some bad."""
    if kind % 50 == 7:
        return b""
    if kind % 50 == 8:
        return b"{bad"
    if kind % 50 == 9:
        return json.dumps({"id": number, "text": ""}).encode()
    return json.dumps(
        {"id": number, "text": "the sun rises", "padding": padding, "embedding_type": "base64", "dimensions": 16}
    ).encode()


def check_line(line: bytes, number: int) -> None:
    """The answer to ``record(number, number)``; ids and order are all there is to confuse."""
    told = json.loads(line)
    if number % 50 == 8:
        assert told["error"]["code"] == "not_json"
        assert told["error"]["line"] == number + 1
    elif number % 50 == 9:
        assert (told["id"], told["error"]["code"]) == (number, "empty_text")
    else:
        assert told["id"] == number
        assert len(told["embedding"]) == 88


async def lines_of(connection: Connection, headers: dict[str, str]) -> AsyncIterator[bytes]:
    rest = b""
    async for part in connection.parts(headers):
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield line
    assert rest == b""


@scenario
async def test_texts_come_in_parts_before_all_are_done_and_make_up_the_whole(tiny_model, tmp_path):
    words = ["sun", "harbour", "boats", "fish", "children"]
    texts = [" ".join(words[: 1 + number % 5]) * (1 + number % 3) for number in range(2000)]
    body = json.dumps({"input": texts, "dimensions": 16}).encode()
    with PacedServer(tmp_path, tiny_model) as server:
        server.wait_until_ready()
        whole = json.loads((await server.ask(body)).body)["data"]
        server.hold(after=1)
        connection = await Connection.open(server.port)
        await connection.send(message(body, Accept="application/jsonlines"))
        status, headers = await connection.head()
        parts = connection.parts(headers)
        received = [await anext(parts)]
        assert (await server.metrics())["queue_tokens"] > 0  # the first part is here, the last not begun
        server.pace(0)
        received += [part async for part in parts]
        assert status == 200
        assert headers["content-type"] == "application/jsonlines"
        assert len(received) > 10
        items = [json.loads(line) for line in b"".join(received).splitlines()]
        assert [item["index"] for item in items] == list(range(2000))
        for item, expected in zip(items, whole, strict=True):
            assert item["embedding"] == pytest.approx(expected["embedding"], abs=2e-6)


async def send_all_then_read(server: PacedServer, records: int, padding: str) -> tuple[int, float, int]:
    """Send a whole body before reading any answer; return its bytes, the front's peak in MB, and the lines."""
    front = server.front
    before_mb = peak_mb = front.memory_info().rss / 2**20
    connection = await Connection.open(server.port, receive_bytes=2**14)
    await connection.send(message(Transfer_Encoding="chunked", **JSON_LINES))
    sent = 0
    for start in range(0, records, 1000):
        lines = b"\n".join(record(number, number, padding) for number in range(start, min(start + 1000, records)))
        lines += b"\n"
        sent += len(lines)
        await connection.send(b"%x\r\n%b\r\n" % (len(lines), lines))
    await connection.send(b"0\r\n\r\n")
    status, headers = await connection.head()
    assert status == 200
    expected = (number for number in range(records) if number % 50 != 7)
    lines_read = 0
    async for line in lines_of(connection, headers):
        check_line(line, next(expected))
        lines_read += 1
        if lines_read % 500 == 0:
            peak_mb = max(peak_mb, front.memory_info().rss / 2**20)
    assert next(expected, None) is None
    return sent, peak_mb - before_mb, lines_read


@scenario
async def test_a_batch_whose_client_sends_all_before_it_reads_gets_a_line_for_each_record(batch):
    sent, grown_mb, lines = await send_all_then_read(batch, 12_000, "x" * 300)
    assert sent > 4_000_000
    assert lines == 12_000 - 12_000 // 50
    assert grown_mb < sent / 2**20 + 60


@pytest.mark.slow
@scenario
async def test_a_batch_of_100_mb_streams_in_bounded_memory(batch):
    sent, grown_mb, lines = await send_all_then_read(batch, 24_000, "x" * 4200)
    assert 95_000_000 < sent <= 104_857_600
    assert lines == 24_000 - 24_000 // 50
    assert grown_mb < sent / 2**20 + 150


@scenario
async def test_a_batch_without_records_and_one_with_a_single_endless_line(batch):
    answer = await batch.ask(b"\n \n\n", **JSON_LINES)
    assert (answer.status, answer.body) == (200, b"")
    answer = await batch.ask(b'{"text":"' + b"a" * 3_000_000, **JSON_LINES)
    assert answer.status == 200
    assert json.loads(answer.body)["error"]["code"] == "not_json"


@scenario
async def test_batches_side_by_side_keep_their_lines_apart(batch):
    async def run(first: int) -> None:
        numbers = range(first, first + 1500)
        body = b"\n".join(json.dumps({"id": n, "text": "sun", "dimensions": 2}).encode() for n in numbers)
        answer = await batch.ask(body, **JSON_LINES)
        assert [json.loads(line)["id"] for line in answer.body.splitlines()] == list(numbers)

    await asyncio.gather(*(run(10_000 * number) for number in range(6)))


@scenario
async def test_a_batch_whose_client_vanishes_amid_the_answer_frees_everything(batch):
    connection = await Connection.open(batch.port)
    body = b"\n".join(record(number, 0, "x" * 300) for number in range(12_000))
    # Of 70 batches. Four blocks are worked on at once, of four batches each, and the first may be the last done.
    batch.hold(after=20)
    await connection.send(message(body, **JSON_LINES))
    status, headers = await connection.head()
    assert status == 200
    await anext(connection.parts(headers))
    await until(lambda: _waits(batch))
    connection.reset()
    await until(lambda: _is_empty(batch))
    batch.pace(0)
    answer = await batch.ask(record(1, 1), **JSON_LINES)
    check_line(answer.body, 1)
    assert batch.connections() <= 1


async def _waits(server: PacedServer) -> bool:
    return (await server.metrics())["queue_tokens"] > 0


async def _is_empty(server: PacedServer) -> bool:
    return not await _waits(server)


@scenario
async def test_a_batch_that_is_cut_short_is_no_batch(batch):
    connection = await Connection.open(batch.port)
    body = record(1, 1) + b"\n"
    await connection.send(message(body, length=len(body) + 10, **JSON_LINES))
    connection.reset()
    answer = await batch.ask(b"\xff\xfe", Content_Type="application/json")
    assert check_error(answer.body, answer.status)["code"] == "not_utf8"
    assert psutil.pid_exists(batch.pid)
