"""CUDA graphs on a device: they compute, bit for bit, what the same padded batches give without them."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from tests.support.checkpoints import FULL_WIDTH, write_layout
from tests.support.fused import eager_sums, make_sequence, put

from jina_v3.encoder.checkpoint import open_checkpoint
from jina_v3.encoder.fused.attention import choose_attention
from jina_v3.encoder.fused.graphs import Capture, GraphSet, capture_graphs, cuda_capture, ladder
from jina_v3.encoder.fused.inputs import Capacity
from jina_v3.encoder.fused.memory import MOST_FOR_GRAPHS
from jina_v3.encoder.fused.model import FusedModel
from jina_v3.tokens.sequences import TokenBatch, lay_out

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
CAPACITIES = ladder(8192, 4096)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> FusedModel:
    from jina_v3.encoder.fused.kernels.triton_kernels import TritonKernels  # needs Triton

    device = torch.device("cuda", torch.cuda.current_device())
    checkpoint = open_checkpoint(write_layout(tmp_path_factory.mktemp("graphs") / "model", "original", FULL_WIDTH))
    name, attention = choose_attention("auto", device, torch.bfloat16)
    assert name == "flash"
    return FusedModel(checkpoint, device, torch.bfloat16, TritonKernels(), attention)


def capture_all(model: FusedModel, capture: Capture) -> GraphSet:
    return capture_graphs(
        model,
        model.workspace(4096),
        CAPACITIES,
        capture,
        limit_s=600,
        limit_bytes=MOST_FOR_GRAPHS,
        free_bytes=lambda: torch.cuda.mem_get_info(model.device)[0],
    )


@pytest.fixture(scope="module")
def graphs(model: FusedModel) -> Iterator[GraphSet]:
    """Captured while another thread allocates and copies, as the one that reads requests may."""
    done = threading.Event()

    def disturb() -> None:
        stream = torch.cuda.Stream(model.device)
        with torch.cuda.stream(stream):
            for size in range(1, 10**6):
                if done.is_set():
                    return
                host = torch.zeros(size % 1000 + 1, 1000).pin_memory()
                host.to(model.device, non_blocking=True).sum()
                stream.synchronize()

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        captured = capture_all(model, cuda_capture(model.device))
    finally:
        done.set()
        thread.join()
    print(captured.table())
    yield captured
    torch.cuda.synchronize()


@pytest.fixture(scope="module")
def plain(model: FusedModel) -> GraphSet:
    return capture_all(model, lambda run: run)


def random_batches(count: int, seed: int) -> Iterator[TokenBatch]:
    """Batches that fit the ladder, as often small as large, of all tasks and some without."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        sequences = int(2 ** rng.uniform(0, 6))
        longest = max(3, int(2 ** rng.uniform(2, 12)) // sequences)
        lengths = rng.integers(2, longest + 1, sequences)
        yield lay_out(
            [make_sequence(rng, int(length), row, int(rng.integers(-1, 5))) for row, length in enumerate(lengths)],
            sequences,
        )


def test_every_capacity_is_captured_within_the_plan(graphs: GraphSet) -> None:
    table = graphs.table()
    assert table["left_out"] == []
    assert len(graphs) == len(CAPACITIES)
    assert 0 < table["bytes"] <= MOST_FOR_GRAPHS


def test_a_stream_of_batches_is_bit_for_bit_what_it_is_without_graphs(
    model: FusedModel, graphs: GraphSet, plain: GraphSet
) -> None:
    seen = set()
    for batch in random_batches(400, seed=3):
        needed = Capacity.of(batch)
        captured, eager = graphs.find(needed), plain.find(needed)
        assert captured is not None
        assert eager is not None
        assert captured.capacity == eager.capacity
        seen.add(captured.capacity)
        for one in (captured, eager):
            put(one, batch)
            one.replay()
        assert torch.equal(captured.sums, eager.sums), captured.capacity
        assert torch.isfinite(captured.sums).all()
        assert torch.equal(captured.sums, eager_sums(model, batch, captured.capacity, adapted=True))
    assert len(seen) > len(CAPACITIES) // 2


def test_padding_costs_no_more_than_rounding(model: FusedModel, graphs: GraphSet) -> None:
    for batch in random_batches(60, seed=4):
        needed = Capacity.of(batch)
        captured = graphs.find(needed)
        assert captured is not None
        put(captured, batch)
        captured.replay()
        ours = captured.sums[: len(batch.segments)]
        alone = eager_sums(model, batch, needed, adapted=True)
        assert (1 - torch.cosine_similarity(ours, alone)).max() <= 5e-5


def test_replays_on_another_stream_without_waiting_in_between(model: FusedModel, graphs: GraphSet) -> None:
    """One stream, many graphs one behind another over the same workspace and pool."""
    batches = list(random_batches(100, seed=5))
    stream, results = torch.cuda.Stream(model.device), []
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        for batch in batches:
            captured = graphs.find(Capacity.of(batch))
            assert captured is not None
            put(captured, batch)
            captured.replay()
            results.append((captured.capacity, captured.sums.clone()))
    stream.synchronize()
    for batch, (capacity, sums) in zip(batches, results, strict=True):
        assert torch.equal(sums, eager_sums(model, batch, capacity, adapted=True))


def test_serving_takes_no_more_memory(model: FusedModel, graphs: GraphSet) -> None:
    batches = list(random_batches(50, seed=6))
    taken = []
    for _ in range(3):
        for batch in batches:
            captured = graphs.find(Capacity.of(batch))
            assert captured is not None
            put(captured, batch)
            captured.replay()
        torch.cuda.synchronize()
        taken.append(torch.cuda.memory_allocated(model.device))
    assert taken[0] == taken[1] == taken[2]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_flash_attention_passes_its_trial(dtype: torch.dtype) -> None:
    device = torch.device("cuda", torch.cuda.current_device())
    assert choose_attention("flash", device, dtype)[0] == "flash"
