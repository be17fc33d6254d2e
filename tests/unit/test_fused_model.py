"""The CUDA engine's forward pass, with the reference's kernels on the CPU, against the portable one."""

import numpy as np
import pytest
import torch
from tests.support.checkpoints import TINY, write_layout

from jina_v3.contract import TASKS
from jina_v3.encoder.checkpoint import Checkpoint, open_checkpoint
from jina_v3.encoder.fused.attention import sdpa
from jina_v3.encoder.fused.inputs import Capacity, Inputs, fill
from jina_v3.encoder.fused.kernels.reference import ReferenceKernels
from jina_v3.encoder.fused.model import FusedModel
from jina_v3.encoder.model import Model
from jina_v3.encoder.packing import to_device
from jina_v3.tokens.sequences import DROPPED, NO_TASK, TokenBatch, TokenSequence, lay_out

CPU = torch.device("cpu")
LENGTHS = (3, 17, 40, 40, 9)


@pytest.fixture(scope="module", params=["original", "flash"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    tasks = TASKS if request.param == "original" else TASKS[1:3]
    return open_checkpoint(write_layout(tmp_path_factory.mktemp("fused") / "model", request.param, TINY, tasks))


def make_batch(tasks: list[int]) -> TokenBatch:
    rng = np.random.default_rng(4)
    sequences = [
        TokenSequence(rng.integers(5, 590, length), task, ((2, DROPPED), (length - 2, row)) if row else ((length, 0),))
        for row, (length, task) in enumerate(zip(LENGTHS, tasks, strict=True))
    ]
    return lay_out(sequences, len(LENGTHS))


@pytest.mark.parametrize("capacity", [None, Capacity(tokens=128, sequences=8, segments=16, max_length=64)])
@pytest.mark.parametrize("tasks", [[NO_TASK] * 5, [1, 2, NO_TASK, 2, 1]])
@pytest.mark.parametrize("short", [0, 64])
def test_states_and_sums_are_the_portable_models(
    checkpoint: Checkpoint, tasks: list[int], capacity: Capacity | None, short: int
) -> None:
    batch = make_batch(tasks)
    wanted = Model(checkpoint, CPU, torch.float32)(to_device(batch, CPU))
    model = FusedModel(checkpoint, CPU, torch.float32, ReferenceKernels(), sdpa, short=short)
    room = capacity or Capacity.of(batch)
    block = np.full(room.values, 77, np.int32)
    fill(block, room, batch)
    inputs = Inputs.view(torch.from_numpy(block), room, adapted=max(tasks) != NO_TASK)
    memory = model.workspace(room.tokens)
    for name in memory.__slots__:
        getattr(memory, name).fill_(torch.nan)  # what no sequence has must reach no other
    sums = torch.full((room.segments, 32), torch.nan)
    model.sums(inputs, memory, sums)
    torch.testing.assert_close(model.states(inputs, memory)[: len(batch.ids)], wanted, atol=2e-5, rtol=1e-4)
    starts = np.cumsum(batch.segments[:, 0]) - batch.segments[:, 0]
    for index, (start, (length, row)) in enumerate(zip(starts, batch.segments, strict=True)):
        kept = 0 if row == DROPPED else length
        torch.testing.assert_close(sums[index], wanted[start : start + kept, :32].sum(0), atol=1e-3, rtol=1e-4)
    assert not sums[len(batch.segments) :].any()
