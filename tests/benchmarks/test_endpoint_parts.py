"""The endpoint benchmark's parts: percentiles, loops, rounds, targets, the HTTP client, from known inputs."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from benchmarks.endpoint import dialects, programs, targets
from benchmarks.endpoint.dialects import Dialect
from benchmarks.endpoint.figures import NO_ANSWER, Figures, Sample, of_calls, percentile, summarize
from benchmarks.endpoint.http_client import Connection, post_message
from benchmarks.endpoint.load import Answers, poisson_arrivals, run_closed, run_open
from benchmarks.endpoint.records import Record, closed_case, throughput_ratios
from benchmarks.endpoint.response_encoding import writers
from benchmarks.endpoint.rounds import Contestant, run_rounds


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values[::-1], p) for p in (50, 95, 99, 100)] == [50.0, 95.0, 99.0, 100.0]
    assert percentile([3.0], 99) == 3.0
    assert np.isnan(percentile([], 50))


def test_latency_counts_from_when_a_request_was_due() -> None:
    samples = [Sample(1.0, 5.0, 6.0, 200, 0), Sample(2.0, 2.0, 3.0, 200, 1), Sample(2.0, 2.0, 11.0, 429, 1)]
    figures = summarize(samples, [16, 100], client_cpu_s=0.3)
    assert (figures.p50_ms, figures.p99_ms) == (1000.0, 5000.0)
    assert (figures.requests, figures.errors, figures.failed) == (3, {429: 1}, 1)
    assert figures.requests_s == pytest.approx(2 / 10)
    assert figures.tokens_s == pytest.approx(116 / 10)
    assert figures.client_cpu_ms == pytest.approx(100.0)


def test_calls_of_the_engine_are_rated_by_their_texts() -> None:
    figures = of_calls([1.0, 3.0], texts=128, tokens=2048)
    assert (figures.p50_ms, figures.requests_s, figures.tokens_s) == (1000.0, 32.0, 512.0)


class Line:
    """A server that answers one request after another; ``working`` is how many wait or are answered now."""

    def __init__(self) -> None:
        self.working = self.most = self.senders = 0
        self._turn = asyncio.Lock()
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sender(self) -> "Line":
        self.senders += 1
        return self

    async def exchange(self, message: bytes, timeout_s: float = 0.0) -> tuple[int, bytes]:
        self.working += 1
        self.most = max(self.most, self.working)
        async with self._turn:
            await asyncio.sleep(0)
            self.now += 1.0
        self.working -= 1
        return (200, b"answer to " + message) if message != b"bad" else (429, b"")


def test_closed_loop_never_has_more_requests_than_clients() -> None:
    async def run() -> tuple[Line, Answers]:
        line = Line()
        answers = Answers([b"a", b"b", b"bad"], keep=[1, 2], clock=line.clock)
        await run_closed(answers, [line.sender() for _ in range(4)], 10)
        return line, answers

    line, answers = asyncio.run(run())
    assert line.most == 4
    assert sorted(sample.message for sample in answers.samples) == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert all(sample.intended_s == sample.sent_s for sample in answers.samples)
    assert answers.bodies == {1: b"answer to b"}  # of those asked for, and only where there was an answer
    assert summarize(answers.samples, [1, 1, 1]).errors == {429: 3}


def test_open_loop_does_not_wait_for_answers() -> None:
    arrivals_s = [0.0, 0.25, 0.5, 0.75]

    async def run() -> tuple[Line, Answers]:
        line = Line()

        async def sleep(seconds: float) -> None:
            line.now += seconds

        answers = Answers([b"a"], clock=line.clock)
        await run_open(answers, line.sender, arrivals_s, sleep)
        return line, answers

    line, answers = asyncio.run(run())
    assert sorted(sample.intended_s for sample in answers.samples) == arrivals_s
    assert line.senders == 4  # no free connection: each arrival got its own
    # all were due within a second of a server that takes one each: the waiting is in the latencies
    assert summarize(answers.samples, [1]).p99_ms >= 3000.0


def test_arrivals_are_drawn_at_the_rate_and_again_the_same() -> None:
    arrivals = poisson_arrivals(50.0, 40.0, seed=1)
    assert arrivals == poisson_arrivals(50.0, 40.0, seed=1) != poisson_arrivals(50.0, 40.0, seed=2)
    assert arrivals == sorted(arrivals)
    assert arrivals[-1] < 40.0
    assert len(arrivals) == pytest.approx(2000, rel=0.1)
    assert len(poisson_arrivals(0.001, 1.0, seed=1)) == 1


def test_rounds_rotate_and_spare_the_peers_when_time_is_short() -> None:
    now = 0.0

    def taking(seconds: float) -> Callable[[], Figures]:
        def run() -> Figures:
            nonlocal now
            now += seconds
            return Figures(1)

        return run

    contestants = [
        Contestant("ours", taking(1.0)),
        Contestant("engine", taking(1.0)),
        Contestant("peer", taking(8.0), spared=True),
    ]
    ran = [(index, name) for index, name, _ in run_rounds(contestants, 9, 25.0, clock=lambda: now)]
    assert ran[:6] == [(1, "ours"), (1, "engine"), (1, "peer"), (2, "engine"), (2, "peer"), (2, "ours")]
    assert ran[6:] == [(3, "ours"), (3, "engine"), (4, "engine"), (4, "ours")]
    assert now == 24.0


def test_targets_are_judged_within_rounds() -> None:
    crowd, alone = closed_case("queries", 64), closed_case("queries", 1)

    def rates(server: str, *requests_s: float) -> list[Record]:
        return [Record(crowd, server, i, Figures(64, requests_s=r)) for i, r in enumerate(requests_s, 1)]

    def p50s(server: str, *p50_ms: float) -> list[Record]:
        return [Record(alone, server, i, Figures(20, p50_ms=p)) for i, p in enumerate(p50_ms, 1)]

    records = [
        *rates(programs.OURS, 95.0, 19.0, 91.0),
        *rates(programs.ENGINE, 100.0, 20.0, 100.0),
        *rates(programs.INFINITY, 50.0, 10.0),
        *rates(programs.HF_SERVE, 10.0, 2.0),
        *p50s(programs.OURS, 60.0, 121.0, 62.0),
        *p50s(programs.ENGINE, 59.0, 120.5, 50.0),
    ]
    assert throughput_ratios(records, crowd, programs.OURS, programs.INFINITY) == [1.9, 1.9]
    share, peer, over, *encoding = targets.target_rows(records, 64)
    assert share[2:] == [programs.ENGINE, "≥0.9×", "0.95×", "3", "reached"]
    assert peer[2:] == [programs.INFINITY, "≥2×", "1.90×", "2", "**not reached**"]
    assert over[3:] == ["≤1.5 ms", "1.00 ms", "3", "reached"]
    assert [row[-1] for row in encoding] == ["not measured"] * 2


@pytest.mark.parametrize("dialect", [dialects.OURS_FLOAT, dialects.INFINITY, dialects.OURS_BASE64])
def test_openai_answers_are_read_in_order(dialect: Dialect) -> None:
    wanted = np.array([[1.0, 0.5], [0.25, -2.0]], np.float32)
    values = [
        base64.b64encode(row.tobytes()).decode() if dialect is dialects.OURS_BASE64 else row.tolist() for row in wanted
    ]
    items = [{"index": i, "embedding": value} for i, value in enumerate(values)]
    assert (dialect.read(json.dumps({"data": items[::-1]}).encode()) == wanted).all()


def test_messages_are_whole_requests() -> None:
    head, _, body = dialects.HF_SERVE.message(["zwölf"]).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /invocations HTTP/1.1\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body) == {"inputs": ["zwölf"]}


def test_every_way_to_write_a_response_writes_the_same_vectors() -> None:
    decoded = {}
    for name, write in writers().items():
        vectors = [item["embedding"] for item in json.loads(write())["data"]]
        if isinstance(vectors[0], str):
            vectors = [np.frombuffer(base64.b64decode(text), "<f4") for text in vectors]
        decoded[name] = np.asarray(vectors, np.float32)
    first, *others = decoded.values()
    assert first.shape == (32, 1024)
    assert all((other == first).all() for other in others)


@asynccontextmanager
async def answering(*pieces: bytes) -> AsyncIterator[int]:
    """A server on the returned port whose connections give one of the pieces to each request, in turn, then close."""
    left = iter(pieces)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
        writer.write(next(left, b""))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


LENGTH = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
CHUNKS = b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\n\r\n"


def test_client_reads_lengths_and_chunks_and_opens_a_closed_connection_again() -> None:
    async def run() -> list[tuple[int, bytes]]:
        async with answering(LENGTH, CHUNKS, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi") as port:
            connection = Connection(port)
            found = [await connection.exchange(post_message("/", b"{}"), timeout_s=10.0) for _ in range(2)]
            connection.close()
            found.append(await connection.exchange(post_message("/", b"{}"), timeout_s=10.0))
            return found

    first, second, third = asyncio.run(run())
    assert first == (200, b"hi")
    assert second == (503, b"abc")
    assert third[0] == NO_ANSWER  # cut short on a fresh connection: nothing to try again


def test_a_peer_that_is_not_installed_is_said_to_be_missing(tmp_path: Path) -> None:
    assert programs.peer_versions(tmp_path / "python") == {}
    assert programs.missing_packages(programs.HF_SERVE, {"sentence-transformers": "6"}) == ["hf-serve", "fastapi"]
