"""The CUDA engine's runner on a device: overlap changes no bit, two batches in flight, faults on the way."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.support.case import Case
from tests.support.checkpoints import FULL_WIDTH
from tests.support.oracle import cosine_distance

from jina_v3.contract import TASKS
from jina_v3.encoder import Encoder
from jina_v3.encoder.fused.runner import FusedRunner
from jina_v3.encoder.options import EngineOptions
from jina_v3.tokens.sequences import NO_TASK, TokenBatch, TokenSequence, lay_out

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("runner"), FULL_WIDTH)


@pytest.fixture(scope="module")
def encoder(case: Case) -> Encoder:
    encoder = Encoder.from_folder(
        case.folder("original"), device="cuda", dtype="bfloat16", options=EngineOptions(kernels="triton")
    )
    assert isinstance(encoder._runner._runner, FusedRunner)  # type: ignore[attr-defined]
    return encoder


def batches(count: int) -> list[TokenBatch]:
    """Batches for graphs and without, of all sizes, tasks and dimensions."""
    rng = np.random.default_rng(5)
    made = []
    for number in range(count):
        longest, most = ((12, 1), (128, 8), (400, 60), (8000, 3), (700, 20))[number % 5]
        lengths = rng.integers(3, longest + 1, rng.integers(1, most + 1))
        sequences = [
            TokenSequence(
                rng.integers(5, 1990, length),
                NO_TASK if number % 3 == 0 else int(rng.integers(-1, len(TASKS))),
                ((int(length), row),),
            )
            for row, length in enumerate(lengths)
            if lengths[: row + 1].sum() <= 8192
        ]
        made.append(lay_out(sequences, len(sequences), int(rng.choice([64, 256, 1024]))))
    return made


def test_batches_in_flight_have_the_bits_of_batches_alone(encoder: Encoder) -> None:
    work = batches(40)
    alone = [encoder.pool(batch) for batch in work]
    for _ in range(5):
        in_flight = [encoder.submit(batch) for batch in work]  # more than there are slots
        for pending, wanted in list(zip(in_flight, alone, strict=True))[::-1]:
            assert np.array_equal(pending.result(), wanted)


@pytest.mark.parametrize("graphs", [True, False])
def test_overlap_and_graphs_change_no_bit(case: Case, encoder: Encoder, graphs: bool) -> None:
    other = Encoder.from_folder(
        case.folder("original"), device="cuda", dtype="bfloat16", options=EngineOptions(graphs=graphs, overlap=False)
    )
    assert (encoder.in_flight, other.in_flight) == (2, 1)
    for batch in batches(20):
        assert np.array_equal(encoder.pool(batch), other.pool(batch))
    texts, tasks = case.texts * 300, case.tasks * 300  # several blocks and many batches
    assert np.array_equal(encoder.encode(texts, task=tasks), other.encode(texts, task=tasks))


def test_threads_under_load_get_their_own(encoder: Encoder) -> None:
    work = batches(15)
    alone = [encoder.pool(batch) for batch in work]

    def drive(thread: int) -> bool:
        order = np.random.default_rng(thread).permutation(len(work)).tolist() * 4
        waiting = [(index, encoder.submit(work[index])) for index in order]
        return all(np.array_equal(pending.result(), alone[index]) for index, pending in waiting)

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(drive, range(6)))


def test_states_are_the_portable_passes(case: Case, encoder: Encoder) -> None:
    portable = Encoder.from_folder(case.folder("original"), device="cuda", dtype="float32")
    assert portable.details["kernels"] == "torch"
    for text, task in (("a few words", "separation"), (case.texts[-1], None)):
        ours, exact = (one.token_states(text, task=task) for one in (encoder, portable))
        assert cosine_distance(ours.mean(0)[None], exact.mean(0)[None]).max() <= 1e-4


@pytest.mark.parametrize("number", [1, 3])
def test_memory_that_runs_out_in_a_layer_splits_the_batch(
    case: Case, encoder: Encoder, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """``number``: the pass through attention that meets it; each batch has as many as there are layers."""
    layer = encoder._runner._runner._model._layers[0]  # type: ignore[attr-defined]
    attention, passes = layer._attention, iter(range(1, 1000))

    def attend(*arguments):  # type: ignore[no-untyped-def]
        if next(passes) == number:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB. And so on")
        return attention(*arguments)

    texts = case.texts * 60  # batches beyond what graphs and short attention take
    wanted = np.asarray(encoder.encode(texts))
    monkeypatch.setattr(layer, "_attention", attend)
    assert cosine_distance(np.asarray(encoder.encode(texts)), wanted).max() <= 5e-5
    assert next(passes) > number + 2
    assert np.array_equal(encoder.encode(texts), wanted)


def test_a_process_that_ends_with_work_in_flight_ends(case: Case) -> None:
    code = """
import sys
import numpy as np
from jina_v3.encoder import Encoder
from jina_v3.tokens.sequences import TokenSequence, lay_out
encoder = Encoder.from_folder(sys.argv[1], device="cuda")
batch = lay_out([TokenSequence(np.full(512, 7), -1, ((512, 0),)) for _ in range(16)], 1)
pending = [encoder.submit(batch) for _ in range(2)]
"""
    source = Path(__file__).parents[2] / "inference"
    subprocess.run(
        [sys.executable, "-c", code, str(case.folder("original"))],
        env={**os.environ, "PYTHONPATH": str(source)},
        timeout=120,
        check=True,
    )
