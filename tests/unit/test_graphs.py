"""Graphs of small batches, on the CPU: a recorded pass is the same padded pass, run again."""

import gc
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.checkpoints import TINY, write_layout
from tests.support.fused import batches, eager_sums, make_sequence, put

from jina_v3.contract import TASKS
from jina_v3.encoder.checkpoint import open_checkpoint
from jina_v3.encoder.fused.attention import sdpa
from jina_v3.encoder.fused.graphs import (
    Capture,
    Captured,
    CapturedBatch,
    GraphSet,
    _reason,
    capture_graphs,
    cuda_capture,
    ladder,
)
from jina_v3.encoder.fused.inputs import Capacity, Inputs
from jina_v3.encoder.fused.kernels.reference import ReferenceKernels
from jina_v3.encoder.fused.layer import SHORT
from jina_v3.encoder.fused.model import FusedModel
from jina_v3.encoder.fused.workspace import Sizes
from jina_v3.tokens.sequences import NO_TASK, lay_out

CPU = torch.device("cpu")
SMALL = [
    Capacity(tokens=16, sequences=1, segments=4, max_length=16),
    Capacity(tokens=64, sequences=1, segments=4, max_length=64),
    Capacity(tokens=64, sequences=8, segments=32, max_length=64),
    Capacity(tokens=128, sequences=8, segments=32, max_length=32),
    Capacity(tokens=128, sequences=8, segments=32, max_length=128),
    Capacity(tokens=128, sequences=32, segments=128, max_length=16),
]
FREE = 10**9


class Recording:
    """A capture that runs the work as CUDA's does: once to warm up, then not again until the replay."""

    def __init__(self) -> None:
        self.works: list[Callable[[], None]] = []

    def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
        run()
        self.works.append(run)
        return run


class Device:
    """A clock and a meter that move when something is captured."""

    def __init__(self, seconds: float, taken: int) -> None:
        self.now, self.free = 0.0, FREE
        self._seconds, self._taken = seconds, taken

    def capture(self, run: Callable[[], None]) -> Callable[[], None]:
        self.now += self._seconds
        self.free -= self._taken
        return run


@pytest.fixture(scope="module", params=["adapters", "no adapters"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FusedModel:
    tasks = TASKS if request.param == "adapters" else ()
    folder = write_layout(tmp_path_factory.mktemp("graphs") / "model", "flash", TINY, tasks)
    return FusedModel(open_checkpoint(folder), CPU, torch.float32, ReferenceKernels(), sdpa)


class Constant:
    """A model whose pass costs nothing: for what it costs to capture it."""

    hidden, sizes, device = 16, Sizes(16, 32, 0), CPU

    def workspace(self, tokens: int) -> None:
        return None

    def sums(self, inputs: Inputs, memory: None, out: torch.Tensor) -> None:
        out.copy_(inputs.segment_lengths[:, None])


def capture_all(
    model: FusedModel | Constant,
    capacities: Sequence[Capacity] = SMALL,
    capture: Capture = lambda run: run,
    *,
    limit_s: float = 1e9,
    limit_bytes: int = FREE,
    device: Device | None = None,
) -> GraphSet:
    device = device or Device(0, 0)
    return capture_graphs(
        model,
        model.workspace(max(one.tokens for one in capacities)),
        capacities,
        capture,
        limit_s=limit_s,
        limit_bytes=limit_bytes,
        free_bytes=lambda: device.free,
        clock=lambda: device.now,
    )


def why(graphs: GraphSet) -> dict[Capacity, str]:
    rows: list[dict] = graphs.table()["left_out"]
    return {Capacity(*(row[name] for name in Capacity.__slots__)): row["why"] for row in rows}


def kept(graphs: GraphSet) -> set[Capacity]:
    rows: list[dict] = graphs.table()["captured"]
    return {Capacity(*(row[name] for name in Capacity.__slots__)) for row in rows}


@pytest.fixture(scope="module")
def recorded(model: FusedModel) -> GraphSet:
    return capture_all(model, capture=Recording())


@given(streams=st.lists(batches(most_tokens=128, most_sequences=8), min_size=1, max_size=3))
@settings(max_examples=15, deadline=None)
def test_a_stream_of_batches_through_the_same_memory_gives_what_each_gives_alone(model, recorded, streams) -> None:
    for sequences in streams:
        batch = lay_out(sequences, rows=len(sequences))
        needed = Capacity.of(batch)
        found = recorded.find(needed)
        assert found is not None
        put(found, batch)
        found.sums.fill_(torch.nan)
        found.replay()
        assert torch.equal(found.sums, eager_sums(model, batch, found.capacity, adapted=model.sizes.columns > 0))
        alone = eager_sums(model, batch, needed, adapted=bool((batch.tasks != NO_TASK).any()))
        lengths = torch.from_numpy(batch.segments[:, :1]).float()
        means = found.sums[: len(batch.segments)] / lengths
        torch.testing.assert_close(means, alone / lengths, atol=1e-5, rtol=1e-5)
        assert not found.sums[len(batch.segments) :].any()


def test_every_capacity_computes_what_fills_it(model: FusedModel, recorded: GraphSet) -> None:
    rng = np.random.default_rng(1)
    for capacity in SMALL:
        others = (capacity.tokens - capacity.max_length) // max(1, capacity.sequences - 1)
        lengths = [capacity.max_length - (capacity.sequences - 1) * (not others)]
        lengths += [min(capacity.max_length, max(1, others))] * (capacity.sequences - 1)
        batch = lay_out([make_sequence(rng, size, row, row % 5) for row, size in enumerate(lengths)], len(lengths))
        found = recorded.find(Capacity.of(batch))
        assert found is not None
        assert found.capacity == capacity
        put(found, batch)
        found.replay()
        assert torch.equal(found.sums, eager_sums(model, batch, capacity, adapted=model.sizes.columns > 0))


@given(
    st.builds(Capacity, st.integers(1, 140), st.integers(1, 10), st.integers(1, 40), st.integers(1, 140)),
)
def test_find_gives_the_cheapest_that_holds_the_need(recorded: GraphSet, needed: Capacity) -> None:
    holding = [one for one in SMALL if one.holds(needed)]
    found = recorded.find(needed)
    if found is None:
        assert not holding
    else:
        assert found.capacity == min(holding, key=lambda one: (one.tokens, one.sequences, one.max_length))


def feasible(draw: st.DrawFn, budget: int, max_tokens: int) -> Capacity:
    sequences = draw(st.integers(1, 64))
    most = min(budget, 4096, sequences * max_tokens)
    tokens = draw(st.integers(2 * sequences, most)) if most >= 2 * sequences else 2 * sequences
    shortest = -(-tokens // sequences)
    longest = min(max_tokens, tokens - 2 * (sequences - 1))
    return Capacity(tokens, sequences, draw(st.integers(1, 4 * sequences)), draw(st.integers(shortest, longest)))


@given(st.data(), st.sampled_from([512, 1000, 4096, 16384]), st.sampled_from([40, 512, 700, 8192]))
def test_the_ladder_holds_every_small_batch(data: st.DataObject, budget: int, max_tokens: int) -> None:
    rungs = ladder(max_tokens, budget)
    top = max(one.tokens for one in rungs)
    needed = data.draw(st.composite(feasible)(top, max_tokens))
    holding = [one for one in rungs if one.holds(needed)]
    assert holding
    assert min(one.tokens for one in holding) < max(32, 2 * needed.tokens, 4 * needed.sequences)


@pytest.mark.parametrize(("max_tokens", "budget"), [(8192, 16384), (8192, 3000), (700, 16384), (40, 4096), (8192, 8)])
def test_the_ladder_has_no_rung_in_vain(max_tokens: int, budget: int) -> None:
    rungs = ladder(max_tokens, budget)
    assert len(set(rungs)) == len(rungs) <= 41
    for one in rungs:
        assert one.tokens <= budget
        assert one.max_length <= min(one.tokens, max_tokens)
        assert one.sequences > 1 or one.max_length == min(one.tokens, max_tokens)
        smaller = [other for other in rungs if other != one and one.holds(other)]
        assert any(one.holds(need) and not any(other.holds(need) for other in smaller) for need in fullest(one))


def fullest(room: Capacity) -> Iterator[Capacity]:
    """For each longest sequence the most other sequences that fit beside it, and the most tokens in them."""
    for longest in range(room.max_length, 1, -1):
        sequences = min(room.sequences, 1 + (room.tokens - longest) // 2)
        yield Capacity(min(room.tokens, sequences * longest), sequences, 1, longest)


def test_the_ladder_begins_with_single_queries() -> None:
    rungs = ladder(8192, 16384)
    assert [(one.tokens, one.sequences) for one in rungs[:6]] == [(16 << step, 1) for step in range(6)]
    assert rungs[6].sequences == 8
    assert [one.tokens for one in rungs[-3:]] == [4096] * 3


def test_where_all_sequences_are_short_there_is_a_rung_with_short_attention() -> None:
    rungs = GraphSet(Captured(CapturedBatch(one, CPU, CPU, lambda: None), 0, 0) for one in ladder(8192, 16384))
    for tokens, sequences, longest in [
        (2, 1, 2),
        (64, 1, 64),
        (100, 3, 50),
        (500, 8, 64),
        (129, 20, 20),
        (4096, 64, 64),
    ]:
        found = rungs.find(Capacity(tokens, sequences, sequences, longest))
        assert found is not None
        assert found.capacity.max_length <= SHORT
    for needed in (Capacity(65, 1, 1, 65), Capacity(600, 40, 40, 65)):
        found = rungs.find(needed)
        assert found is not None
        assert found.capacity.max_length > SHORT


def test_the_seconds_cut_the_end_off() -> None:
    device = Device(seconds=2.0, taken=0)
    graphs = capture_all(Constant(), capture=device.capture, device=device, limit_s=4.0)
    assert kept(graphs) == set(SMALL[:2])
    assert set(why(graphs)) == set(SMALL[2:])
    assert all("4 s" in reason for reason in why(graphs).values())
    table = graphs.table()
    assert (table["graphs"], table["ms"]) == (2, 4000.0)


def test_the_bytes_cut_the_end_off() -> None:
    device = Device(seconds=0.0, taken=2**20)
    graphs = capture_all(Constant(), capture=device.capture, device=device, limit_bytes=3 * 2**20)
    assert kept(graphs) == set(SMALL[:3])  # a fourth would begin within the limit, but its own memory goes beyond
    assert all(str(3 * 2**20) in reason for reason in why(graphs).values())
    assert graphs.table()["bytes"] == 3 * 2**20


def test_memory_that_is_given_back_meanwhile_costs_nothing() -> None:
    device = Device(seconds=0.0, taken=-(2**20))
    graphs = capture_all(Constant(), capture=device.capture, device=device, limit_bytes=2**20)
    assert kept(graphs) == set(SMALL)
    assert graphs.table()["bytes"] == 0


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory.\nTried to"), ValueError("no"), NotImplementedError("never")]
)
def test_a_capture_that_fails_leaves_out_itself_and_what_is_larger(error: Exception) -> None:
    calls = 0

    def capture(run: Callable[[], None]) -> Callable[[], None]:
        nonlocal calls
        calls += 1
        if calls == 3:
            try:
                raise error
            finally:
                raise RuntimeError("the capture was invalid")  # as leaving torch's context does
        return run

    graphs = capture_all(Constant(), [SMALL[0], SMALL[1], SMALL[2], SMALL[4], SMALL[3]], capture)
    assert kept(graphs) == {SMALL[0], SMALL[1], SMALL[3]}  # shorter sequences: it is not larger
    reasons = why(graphs)
    assert reasons[SMALL[2]] == f"{type(error).__name__}: {str(error).splitlines()[0]}"
    assert "tokens=64, sequences=8" in reasons[SMALL[4]]
    assert graphs.find(SMALL[2]) is None


def test_a_graph_that_replays_something_else_is_left_out() -> None:
    graphs = capture_all(Constant(), capture=lambda run: lambda: None)
    assert len(graphs) == 0
    assert "not those of the same work" in why(graphs)[SMALL[0]]
    assert graphs.find(Capacity(1, 1, 1, 1)) is None


def test_a_table_is_plain_enough_for_the_log(recorded: GraphSet) -> None:
    assert json.loads(json.dumps(recorded.table())) == recorded.table()


class FakeCuda:
    """Torch's streams and graphs as far as capturing uses them, with torch's own flaw: leaving a capture that failed
    raises, and leaves the capturing stream current."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.current = "engine's"
        self.events: list[tuple[object, ...]] = []
        self.alive = 0
        cuda = self

        class Stream:
            def __init__(self, device: torch.device) -> None:
                self.name = "side"

            def wait_stream(self, other: object) -> None:
                cuda.events.append((self.name, "waits for", other.name))

        class Engine(Stream):
            def __init__(self) -> None:
                self.name = cuda.current

        class Graph:
            def __init__(self) -> None:
                cuda.alive += 1

            def __del__(self) -> None:
                cuda.alive -= 1

            def replay(self) -> None:
                cuda.events.append(("replay", cuda.current))

        @contextmanager
        def stream(one: Stream) -> Iterator[None]:
            before, cuda.current = cuda.current, one.name
            try:
                yield
            finally:
                cuda.current = before

        class Capturing:
            def __init__(self, graph: Graph, *, pool: object, stream: Stream, capture_error_mode: str) -> None:
                cuda.events.append(("capture", pool, stream.name, capture_error_mode))
                self._stream = stream

            def __enter__(self) -> None:
                self._before, cuda.current = cuda.current, self._stream.name

            def __exit__(self, kind: object, *_rest: object) -> None:
                if kind is not None:
                    raise RuntimeError("operation failed due to a previous error during capture")
                cuda.current = self._before

        for name, fake in {
            "Stream": Stream,
            "CUDAGraph": Graph,
            "graph": Capturing,
            "stream": stream,
            "current_stream": lambda _device: Engine(),
            "graph_pool_handle": lambda: "pool",
            "device": lambda _device: nullcontext(),
        }.items():
            monkeypatch.setattr(torch.cuda, name, fake)


def test_cuda_warms_up_on_the_stream_that_captures_and_shares_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = FakeCuda(monkeypatch)
    capture = cuda_capture(torch.device("cuda", 0))
    replays = [capture(lambda: cuda.events.append(("work", cuda.current))) for _ in range(2)]
    once = [
        ("side", "waits for", "engine's"),
        ("work", "side"),
        ("capture", "pool", "side", "thread_local"),
        ("work", "side"),
        ("engine's", "waits for", "side"),
    ]
    assert cuda.events == once * 2
    replays[1]()
    assert cuda.events[-1] == ("replay", "engine's")
    assert cuda.current == "engine's"


def test_a_failed_capture_restores_the_stream_and_its_graph_outlives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = FakeCuda(monkeypatch)
    capture = cuda_capture(torch.device("cuda", 0))
    good = capture(lambda: None)
    runs = 0

    def fails_in_the_capture() -> None:
        nonlocal runs
        runs += 1
        if runs == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(RuntimeError, match="previous error") as raised:
        capture(fails_in_the_capture)
    assert _reason(raised.value) == "OutOfMemoryError: CUDA out of memory"
    assert cuda.current == "engine's"
    assert cuda.events[-1] == ("engine's", "waits for", "side")
    del raised, capture
    gc.collect()
    assert cuda.alive == 2  # freeing the failed one would take the stream's cuBLAS workspace from the good one
    del good
    gc.collect()
    assert cuda.alive == 0
