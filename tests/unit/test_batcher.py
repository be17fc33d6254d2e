"""Batches across requests, with an engine that answers when the test says so."""

import asyncio
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from tests.support.checkpoints import TINY, write_original

from jina_v3.contract import EncodeJob, ErrorCode, Task
from jina_v3.encoder import Encoder
from jina_v3.errors import RequestError
from jina_v3.serving.batching.batcher import Batcher
from jina_v3.serving.engine.messages import Encoded, ModelDescription
from jina_v3.serving.engine.process import CallFailedError, EngineLostError
from jina_v3.serving.faults import DeviceLostError, OverloadedError
from jina_v3.serving.metrics import Metrics
from jina_v3.tokens.results import Embeddings


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """A model of 40 tokens, so that windows are short."""
    folder = write_original(tmp_path_factory.mktemp("short"), TINY)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 42}))
    return Encoder.from_folder(folder)


@pytest.fixture
def model(encoder: Encoder) -> ModelDescription:
    return ModelDescription(encoder.tasks, encoder.hidden, 64, encoder.sequencer_config, 100.0, "cpu", "float32")


class FakeEngine:
    """Runs the real model, one batch for each call of ``let``; ``gate=False`` lets all through."""

    def __init__(self, encoder: Encoder, *, gate: bool = True) -> None:
        self.encoder = encoder
        self.batches: list[int] = []
        self.is_lost = False
        self.failure: Exception | None = None
        self._gate = asyncio.Semaphore(0 if gate else 10_000)

    def let(self, count: int = 1) -> None:
        for _ in range(count):
            self._gate.release()

    async def encode(self, batch) -> Encoded:
        self.batches.append(len(batch.ids))
        await self._gate.acquire()
        if self.failure is not None:
            raise self.failure
        return Encoded(0, self.encoder.pool(batch), 0.1)


def batcher_of(model: ModelDescription, *engines: FakeEngine, max_queue_s: float = 1000) -> Batcher:
    return Batcher(engines, model, Metrics(), max_queue_s=max_queue_s, threads=1)  # type: ignore[arg-type]


def job(text: str, count: int = 1, **settings) -> EncodeJob:
    return EncodeJob(tuple(f"{text} {index}" for index in range(count)), **settings)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


MIXED = [
    EncodeJob(("the sun rises", "over the quiet harbour"), Task.RETRIEVAL_QUERY, 16),
    EncodeJob(("boats return", "with fish", "while children walk to school"), Task.SEPARATION, late_chunking=True),
    EncodeJob(("the sun",), None, 64, normalized=False),
    EncodeJob((" ",)),
    EncodeJob(("of " * 60,), Task.TEXT_MATCHING, truncate=True),
    EncodeJob(tuple(f"chunk {index} of fish" for index in range(15)), late_chunking=True),  # several windows
    EncodeJob(("of " * 60,), Task.TEXT_MATCHING),
]


def test_the_results_are_the_encoders_own(encoder, model):
    async def run():
        batcher = batcher_of(model, FakeEngine(encoder, gate=False), FakeEngine(encoder, gate=False))
        together = await batcher.submit(MIXED, all_or_nothing=False)
        apart = [await batcher.submit([one], all_or_nothing=False) for one in MIXED]
        return await together.wait(), [(await one.wait())[0] for one in apart]

    wanted = encoder.encode_jobs(MIXED)
    for results in asyncio.run(run()):
        for result, own in zip(results, wanted, strict=True):
            if isinstance(own, RequestError):
                assert isinstance(result, RequestError)
                assert (result.code, result.field, result.message) == (own.code, own.field, own.message)
            else:
                assert isinstance(result, Embeddings)
                assert (result.token_counts, result.truncated) == (own.token_counts, own.truncated)
                np.testing.assert_allclose(np.asarray(result), np.asarray(own), atol=2e-6)


def test_no_more_dimensions_come_back_than_some_request_wants(encoder, model):
    class Watched(FakeEngine):
        async def encode(self, batch) -> Encoded:
            encoded = await super().encode(batch)
            widths.append(encoded.sums.shape[1])
            return encoded

    async def run():
        batcher = batcher_of(model, Watched(encoder, gate=False))
        for dimensions in ((7,), (3, 9), (5, 1024)):
            both = [await batcher.submit([job("sun", dimensions=one)], all_or_nothing=True) for one in dimensions]
            results = [(await one.wait())[0] for one in both]
            assert [result.shape[1] for result in results] == [min(one, 64) for one in dimensions]

    widths: list[int] = []
    asyncio.run(run())
    assert widths == [7, 9, 64]


def test_at_once_when_idle_then_what_has_come_meanwhile(encoder, model):
    async def run():
        engine = FakeEngine(encoder)
        batcher = batcher_of(model, engine)
        first = await batcher.submit([job("sun")], all_or_nothing=True)
        await settle()
        assert len(engine.batches) == 1
        others = [await batcher.submit([job("sun")], all_or_nothing=True) for _ in range(5)]
        await settle()
        assert len(engine.batches) == 1  # a second one waits at its door only when it is full
        engine.let()
        await first.wait()
        await settle()
        assert engine.batches == [first.tokens, 5 * first.tokens]
        engine.let()
        for other in others:
            await other.wait()

    asyncio.run(run())


def test_what_arrives_in_one_turn_of_the_loop_goes_together(encoder, model):
    async def run():
        engine = FakeEngine(encoder, gate=False)
        batcher = batcher_of(model, engine)
        submissions = await asyncio.gather(*(batcher.submit([job("sun")], all_or_nothing=True) for _ in range(4)))
        for submission in submissions:
            await submission.wait()
        assert engine.batches == [sum(one.tokens for one in submissions)]

    asyncio.run(run())


def test_two_full_batches_in_flight_and_no_more(encoder, model):
    async def run():
        engine = FakeEngine(encoder)
        batcher = batcher_of(model, engine)
        submission = await batcher.submit([job("the sun rises", 60)], all_or_nothing=True)
        await settle()
        assert len(engine.batches) == 2
        engine.let()
        await settle()
        assert len(engine.batches) == 3
        engine.let(100)
        (result,) = await submission.wait()
        assert len(result) == 60
        assert max(engine.batches) <= model.max_batch_tokens

    asyncio.run(run())


def test_every_engine_is_given_work(encoder, model):
    async def run():
        engines = [FakeEngine(encoder), FakeEngine(encoder)]
        batcher = batcher_of(model, *engines)
        for _ in range(2):
            await batcher.submit([job("sun")], all_or_nothing=True)
            await settle()
        assert [len(engine.batches) for engine in engines] == [1, 1]

    asyncio.run(run())


def test_jobs_are_there_as_soon_as_they_are_done(encoder, model):
    async def run():
        engine = FakeEngine(encoder)
        submission = await batcher_of(model, engine).submit([job("the sun", 10) for _ in range(9)], all_or_nothing=True)
        await settle()
        waiting = asyncio.create_task(submission.wait(1))
        await settle()
        assert not waiting.done()
        engine.let(2)
        assert len(await waiting) == 1
        engine.let(100)
        assert len(await submission.wait()) == 9

    asyncio.run(run())


def test_what_is_cancelled_never_reaches_the_device(encoder, model):
    async def run():
        engine = FakeEngine(encoder)
        batcher = batcher_of(model, engine)
        first = await batcher.submit([job("sun")], all_or_nothing=True)
        await settle()
        gone = await batcher.submit([job("moon", 3)], all_or_nothing=True)
        stays = await batcher.submit([job("sun")], all_or_nothing=True)
        batcher.cancel(gone)
        batcher.cancel(gone)
        engine.let(2)
        await stays.wait()
        assert engine.batches == [first.tokens, stays.tokens]
        batcher.cancel(first)  # after its end nothing happens

    asyncio.run(run())


def test_a_request_that_is_one_thing_spares_the_device_where_one_text_is_wrong(encoder, model):
    async def run():
        engine = FakeEngine(encoder)
        batcher = batcher_of(model, engine)
        submission = await batcher.submit([job("sun"), EncodeJob((" ",))], all_or_nothing=True)
        assert {result.code for result in await submission.wait()} == {ErrorCode.EMPTY_TEXT}
        assert engine.batches == []

    asyncio.run(run())


def test_too_much_waits(encoder, model):
    async def run():
        engine = FakeEngine(encoder)
        batcher = batcher_of(model, engine, max_queue_s=3.0)  # 300 tokens
        large = await batcher.submit([job("the sun rises", 90)], all_or_nothing=True)  # on an idle server: let in
        assert large.tokens > 600
        await settle()
        small = await batcher.submit([job("sun")], all_or_nothing=True)  # takes turns with it, and does not wait for it
        with pytest.raises(OverloadedError) as refused:
            await batcher.submit([job("the sun rises", 90)], all_or_nothing=True)
        assert 1 <= refused.value.retry_after_s <= (large.tokens + small.tokens) / 100 - 3
        assert refused.value.code.status == 429
        engine.let(100)
        await large.wait()
        await batcher.submit([job("the sun rises", 90)], all_or_nothing=True)

    asyncio.run(run())


def test_a_batch_that_fails_fails_its_requests_and_no_others(encoder, model):
    async def run():
        engine = FakeEngine(encoder)
        batcher = batcher_of(model, engine)
        first = await batcher.submit([job("the sun rises", 30)], all_or_nothing=True)  # several batches
        await settle()
        engine.failure = CallFailedError()
        engine.let(2)
        (error,) = await first.wait()
        assert isinstance(error, RequestError)
        assert error.code is ErrorCode.INTERNAL
        await settle()
        engine.failure = None
        engine.let(100)
        (result,) = await (await batcher.submit([job("sun")], all_or_nothing=True)).wait()
        assert len(result) == 1
        assert not batcher.is_broken

    asyncio.run(run())


def test_a_lost_engine_fails_what_it_had_and_the_other_goes_on(encoder, model):
    async def run():
        lost, other = FakeEngine(encoder), FakeEngine(encoder)
        batcher = batcher_of(model, lost, other)
        first = await batcher.submit([job("sun")], all_or_nothing=True)
        await settle()
        lost.failure, lost.is_lost = EngineLostError(), True
        lost.let()
        batcher.engine_lost()
        assert isinstance((await first.wait())[0], DeviceLostError)
        other.let(9)
        assert len((await (await batcher.submit([job("sun")], all_or_nothing=True)).wait())[0]) == 1
        waits = await batcher.submit([job("sun", 50)], all_or_nothing=True)
        other.is_lost = True
        batcher.engine_lost()
        assert isinstance((await waits.wait())[0], DeviceLostError)
        with pytest.raises(DeviceLostError):
            await batcher.submit([job("sun")], all_or_nothing=True)

    asyncio.run(run())


def test_a_batcher_that_breaks_says_so(encoder, model):
    async def run():
        engine = FakeEngine(encoder)
        batcher = batcher_of(model, engine)
        await batcher.submit([job("sun")], all_or_nothing=True)
        await settle()
        waits = await batcher.submit([job("sun")], all_or_nothing=True)
        engine.failure = KeyError("a fault of ours")
        engine.let()
        assert isinstance((await waits.wait())[0], DeviceLostError)
        assert batcher.is_broken

    asyncio.run(run())


def test_the_rate_is_that_of_batches_of_some_size(encoder, model):
    async def run():
        engine = FakeEngine(encoder, gate=False)
        batcher = batcher_of(dataclasses.replace(model, tokens_per_s=1.0), engine)
        await (await batcher.submit([job("a")], all_or_nothing=True)).wait()
        assert batcher.rate == 1.0  # so small a batch says nothing
        for _ in range(30):
            await (await batcher.submit([job("the sun rises", 8)], all_or_nothing=True)).wait()
        assert 300 < batcher.rate <= 640  # 64 tokens in a tenth of a second, and some less

    asyncio.run(run())


def test_metrics_count_what_was_done(encoder, model, tmp_path: Path):
    async def run():
        metrics = Metrics()
        batcher = Batcher([FakeEngine(encoder, gate=False)], model, metrics, max_queue_s=9, threads=1)  # type: ignore[list-item]
        await (await batcher.submit([job("sun")], all_or_nothing=True)).wait()
        return metrics.write().decode()

    text = asyncio.run(run())
    assert "jina_v3_batches_total 1.0" in text
    assert "jina_v3_queue_tokens 0.0" in text
    assert 'jina_v3_queue_seconds_bucket{le="+Inf"} 1.0' in text
