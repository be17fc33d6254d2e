"""Batches through the CUDA engine's runner, over a device that does everything as late as CUDA may."""

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from tests.support.checkpoints import TINY, write_original
from tests.support.lazy_device import LazyDevice, LazyMark, LazyStream

from jina_v3.contract import TASKS, EncodeJob
from jina_v3.encoder import Encoder
from jina_v3.encoder.checkpoint import Checkpoint, open_checkpoint
from jina_v3.encoder.fused.attention import sdpa
from jina_v3.encoder.fused.graphs import capture_graphs
from jina_v3.encoder.fused.inputs import Capacity
from jina_v3.encoder.fused.kernels.reference import ReferenceKernels
from jina_v3.encoder.fused.model import FusedModel
from jina_v3.encoder.fused.runner import FusedRunner, _Slot
from jina_v3.encoder.model import Model
from jina_v3.encoder.running import PortableRunner
from jina_v3.errors import RequestError
from jina_v3.tokens.sequences import DROPPED, NO_TASK, TokenBatch, TokenSequence, lay_out

CPU = torch.device("cpu")
TOKENS = 256


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return open_checkpoint(write_original(tmp_path_factory.mktemp("runner"), TINY))


@pytest.fixture(scope="module")
def portable(checkpoint: Checkpoint) -> PortableRunner:
    return PortableRunner(Model(checkpoint, CPU, torch.float32))


class Attention:
    """Plain attention, with a look at the passes; ``fault`` may raise."""

    def __init__(self) -> None:
        self.passes = 0
        self.fault: Callable[[int], None] = lambda _number: None

    def __call__(self, qkv, heads, inputs, out):
        self.passes += 1
        self.fault(self.passes)
        return sdpa(qkv, heads, inputs, out)


class Engine:
    """A runner, its model and its device."""

    def __init__(self, checkpoint: Checkpoint, order: str, *, overlap: bool = True, graphs: bool = False) -> None:
        self.attention = Attention()
        self.device = LazyDevice(order, seed=7)
        model = FusedModel(checkpoint, CPU, torch.float32, ReferenceKernels(), self.attention, short=0)
        memory = model.workspace(TOKENS)
        found = None
        if graphs:
            rooms = [Capacity(tokens=16, sequences=2, segments=8, max_length=16), Capacity(64, 8, 32, 64)]
            found = capture_graphs(
                model, memory, rooms, lambda run: run, limit_s=60, limit_bytes=2**30, free_bytes=lambda: 2**40
            )
            assert len(found) == 2
        self.runner = FusedRunner(model, memory, self.device, found, overlap=overlap, details={"a": 1})


@pytest.fixture(scope="module")
def engines(checkpoint: Checkpoint) -> Callable[..., Engine]:
    made: dict[tuple[object, ...], Engine] = {}

    def make(order: str, **settings: bool) -> Engine:
        key = (order, *settings.items())
        if key not in made:
            made[key] = Engine(checkpoint, order, **settings)
        return made[key]

    return make


def batches(count: int = 9) -> Iterator[tuple[TokenBatch, int]]:
    """Batches of all sizes and tasks, and how many dimensions are wanted of each."""
    rng = np.random.default_rng(3)
    for number in range(count):
        lengths = [(7,), (3, 5), (40, 33, 5, 30), (100, 60, 60, 30), (12,), (2,)][number % 6]
        sequences = [
            TokenSequence(
                rng.integers(5, 590, length),
                NO_TASK if number % 3 == 0 else int(rng.integers(-1, len(TASKS))),
                ((1, DROPPED), (length - 1, row)) if row == 1 else ((length, row),),
            )
            for row, length in enumerate(lengths)
        ]
        yield lay_out(sequences, len(lengths)), [64, 16, 1024][number % 3]


def kept(batch: TokenBatch, sums: np.ndarray) -> np.ndarray:
    return sums[batch.segments[:, 1] != DROPPED]


def check(batch: TokenBatch, sums: np.ndarray, wanted: np.ndarray) -> None:
    assert sums.dtype == np.float32
    np.testing.assert_allclose(kept(batch, sums), kept(batch, wanted), atol=2e-3, rtol=1e-4)


ORDERS = pytest.mark.parametrize("order", ["late", "odd", "eager"])


@ORDERS
@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("graphs", [True, False])
def test_every_batch_gets_its_own_sums(engines, portable, order, overlap, graphs):
    runner = engines(order, overlap=overlap, graphs=graphs).runner
    assert runner.describe() == {"overlap": overlap, "a": 1}
    assert runner.in_flight == (2 if overlap else 1)
    work = list(batches())
    wanted = [portable.submit(*one).result() for one in work]
    in_order = []
    for one in work:  # two at a time, as they are meant to be
        in_order.append(runner.submit(*one))
        if len(in_order) > 1:
            in_order[-2].result()
    all_first = [runner.submit(*one) for one in work]  # nobody takes a result: they are kept
    for ways in (in_order, list(reversed([one.result() for one in reversed(all_first)]))):
        for (batch, _), sums, own in zip(work, ways, wanted, strict=True):
            check(batch, sums if isinstance(sums, np.ndarray) else sums.result(), own)
    assert np.array_equal(in_order[3].result(), in_order[3].result())


@pytest.mark.parametrize("graphs", [True, False])
def test_overlap_changes_no_bit(engines, graphs):
    results = [
        [engines(order, overlap=overlap, graphs=graphs).runner.submit(*one) for one in batches()]
        for order, overlap in (("late", True), ("odd", True), ("eager", False))
    ]
    for one, other, third in zip(*results, strict=True):
        assert np.array_equal(one.result(), other.result(), equal_nan=False)
        assert np.array_equal(one.result(), third.result(), equal_nan=False)


def test_fewer_dimensions_are_the_first_of_all(engines):
    for graphs in (True, False):
        runner = engines("late", graphs=graphs).runner
        for batch, _ in batches(4):
            every = runner.submit(batch, 64).result()
            np.testing.assert_allclose(runner.submit(batch, 10).result(), every[:, :10], rtol=1e-5, atol=1e-4)
            assert runner.submit(batch, 2000).result().shape == every.shape


@ORDERS
def test_states(engines, portable, order):
    runner = engines(order, graphs=True).runner
    before, after = list(batches(2))
    first = runner.submit(*before)
    np.testing.assert_allclose(runner.states(after[0]), portable.states(after[0]), atol=2e-4, rtol=1e-4)
    check(before[0], first.result(), portable.submit(*before).result())


@ORDERS
def test_threads_share_a_runner(engines, portable, order):
    runner = engines(order, graphs=True).runner
    work = list(batches(6))
    wanted = [portable.submit(*one).result() for one in work]

    def drive(_thread: int) -> None:
        waiting = [runner.submit(*one) for one in work]  # more than there are slots, each thread
        for (batch, _), pending, own in zip(work, waiting, wanted, strict=True):
            check(batch, pending.result(), own)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(drive, range(4)))


@ORDERS
@pytest.mark.parametrize("number", range(5))
def test_a_batch_that_fails_fails_alone(checkpoint, portable, order, number):
    engine = Engine(checkpoint, order)
    engine.attention.fault = lambda passed: (_ for _ in ()).throw(KeyError("x")) if passed == 2 * number + 2 else None
    failed = []
    waiting = []
    for index, one in enumerate(batches(5)):
        try:
            waiting.append((index, one, engine.runner.submit(*one)))
        except KeyError:
            failed.append(index)
    for index, one, pending in waiting:
        try:
            sums = pending.result()
        except KeyError:
            failed.append(index)
            with pytest.raises(KeyError):
                pending.result()
        else:
            check(one[0], sums, portable.submit(*one).result())
    assert failed == [number]


def test_a_batch_that_has_no_room_is_refused(engines, portable):
    runner = engines("late").runner
    ids = np.full(TOKENS + 1, 5)
    with pytest.raises(ValueError, match=r"257 tokens .* room for 256"):
        runner.submit(lay_out([TokenSequence(ids, NO_TASK, ((len(ids), 0),))], 1), 64)
    one = next(batches())
    check(one[0], runner.submit(*one).result(), portable.submit(*one).result())


def test_a_runner_that_goes_waits_for_its_device(checkpoint):
    engine = Engine(checkpoint, "eager")  # which keeps nothing that it has done
    device = engine.device
    pending = engine.runner.submit(*next(batches()))
    del engine
    gc.collect()
    assert device.drained == 1
    assert np.isfinite(pending.result()).all()


@pytest.mark.parametrize(
    ("missing", "graphs"),
    [("inputs", False), ("sums", False), ("slot", False), ("host", False), ("slot", True), ("host", True)],
)
def test_a_wait_that_is_missing_shows(checkpoint, portable, monkeypatch, missing, graphs):
    """The device of these tests would be worth nothing if it did not."""
    engine = Engine(checkpoint, "late", graphs=graphs)
    runner, waits = engine.runner, LazyStream.wait_for
    without = {"inputs": runner._computing, "sums": runner._copying_out}.get(missing)
    monkeypatch.setattr(LazyStream, "wait_for", lambda self, mark: None if self is without else waits(self, mark))
    if missing == "slot":
        monkeypatch.setattr(_Slot, "empty", lambda self: None)
    if missing == "host":
        monkeypatch.setattr(LazyMark, "wait", lambda self: None)
    work = list(small_batches() if graphs else batches(4))

    def run() -> None:
        for one, pending in [(one, runner.submit(*one)) for one in work]:
            check(one[0], pending.result(), portable.submit(*one).result())

    with pytest.raises((AssertionError, IndexError, RuntimeError)):
        run()


def small_batches() -> list[tuple[TokenBatch, int]]:
    return [one for one in batches() if len(one[0].ids) <= 16]


def test_a_batch_with_a_graph_is_the_computing_streams_alone(checkpoint, portable):
    engine = Engine(checkpoint, "late", graphs=True)
    runner = engine.runner
    copying = runner._copying_in.work + runner._copying_out.work
    waiting = [(one, runner.submit(*one)) for one in small_batches()]
    assert len(waiting) > 4  # more than there are slots, and with one graph
    assert copying == runner._copying_in.work + runner._copying_out.work == []
    assert len(runner._computing.work) == len(waiting)
    for one, pending in reversed(waiting):
        check(one[0], pending.result(), portable.submit(*one).result())


# the encoder over it


@pytest.fixture
def encoders(checkpoint, tmp_path, monkeypatch) -> tuple[Encoder, Encoder, Engine]:
    """A plain one, one that overlaps, and what the latter runs on; both tokenise 40 texts at a time."""
    for module in ("jina_v3.tokens.work", "jina_v3.encoder.engine"):
        monkeypatch.setattr(f"{module}.BLOCK_TEXTS", 40)
    plain = Encoder.from_folder(write_original(tmp_path / "tiny", TINY), device="cpu", max_batch_tokens=TOKENS)
    engine = Engine(checkpoint, "odd", graphs=True)
    return plain, Encoder(plain.tasks, plain._sequencer, engine.runner, TOKENS), engine


def test_an_encoder_tokenises_ahead_and_keeps_the_order(encoders):
    plain, overlapping, _ = encoders
    jobs = [
        EncodeJob(tuple(f"text {index}" for index in range(60)), TASKS[0], 16),
        EncodeJob(("bad", " ")),
        EncodeJob(("one chunk", "and another"), late_chunking=True),
        EncodeJob(tuple(f"number {index}" for index in range(60)), None, 3, normalized=False),
        EncodeJob(("of " * 9000,)),
    ]
    before = threading.active_count()
    for one, other in zip(overlapping.encode_jobs(jobs), plain.encode_jobs(jobs), strict=True):
        if isinstance(other, RequestError):
            assert isinstance(one, RequestError)
            assert one.message == other.message
        else:
            np.testing.assert_allclose(np.asarray(one), np.asarray(other), atol=2e-4, rtol=1e-4)
            assert one.token_counts == other.token_counts
    assert threading.active_count() == before
    with pytest.raises(RequestError, match=r"texts\[90\] has 9002 tokens"):
        overlapping.encode(["a"] * 90 + ["of " * 9000] + ["a"] * 500, dimensions=2)
    assert threading.active_count() == before
    states = overlapping.token_states("a few words", task="separation")
    np.testing.assert_allclose(states, plain.token_states("a few words", task="separation"), atol=2e-4, rtol=1e-4)


def test_a_fault_of_the_device_reaches_the_caller_and_the_next_call_works(encoders):
    plain, overlapping, engine = encoders
    texts = [f"text {index}" for index in range(150)]
    passed = engine.attention.passes
    engine.attention.fault = lambda number: (_ for _ in ()).throw(KeyError("x")) if number == passed + 9 else None
    with pytest.raises(KeyError):
        overlapping.encode(texts, dimensions=4)
    np.testing.assert_allclose(overlapping.encode(texts[:50]), plain.encode(texts[:50]), atol=2e-4, rtol=1e-4)


def test_rows_come_back_for_a_server(encoders):
    plain, overlapping, _ = encoders
    sequences = [
        TokenSequence(np.array([0, 9, 8, 2]), NO_TASK, ((1, DROPPED), (3, 1))),
        TokenSequence(np.array([0, 7, 2]), 2, ((1, 1), (2, 0))),
    ]
    batch = lay_out(sequences, 3, dimensions=5)
    first, second = overlapping.submit(batch), overlapping.submit(batch)
    assert first.result().shape == (3, 5)
    assert not first.result()[2].any()  # a row of no segment
    np.testing.assert_allclose(first.result(), plain.pool(batch), atol=2e-4, rtol=1e-4)
    assert np.array_equal(first.result(), second.result())
