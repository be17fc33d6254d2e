"""The CUDA engine's forward pass with Triton's kernels, against the reference's and the portable model."""

import numpy as np
import pytest
import torch
from tests.support.checkpoints import TINY, write_layout

from jina_v3.contract import TASKS
from jina_v3.encoder.checkpoint import Checkpoint, open_checkpoint
from jina_v3.encoder.fused.attention import sdpa
from jina_v3.encoder.fused.inputs import Capacity, Inputs, fill
from jina_v3.encoder.fused.kernels.interface import Kernels
from jina_v3.encoder.fused.kernels.reference import ReferenceKernels
from jina_v3.encoder.fused.kernels.triton_kernels import TritonKernels
from jina_v3.encoder.fused.model import FusedModel
from jina_v3.encoder.model import Model
from jina_v3.encoder.packing import to_device
from jina_v3.tokens.sequences import DROPPED, NO_TASK, TokenBatch, TokenSequence, lay_out

ROOM = Capacity(tokens=12, sequences=6, segments=8, max_length=8)


@pytest.fixture(scope="module", params=["original", "flash"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    tasks = TASKS if request.param == "original" else TASKS[1:3]
    return open_checkpoint(write_layout(tmp_path_factory.mktemp("kernels") / "model", request.param, TINY, tasks))


def make_batch(tasks: list[int]) -> TokenBatch:
    rng = np.random.default_rng(8)
    sequences = [
        TokenSequence(rng.integers(5, 590, length), task, ((1, row), (length - 1, DROPPED)))
        for row, (length, task) in enumerate(zip((2, 4, 3, 1), tasks, strict=True))
    ]
    return lay_out(sequences, 4)


def run(
    checkpoint: Checkpoint, batch: TokenBatch, kernels: Kernels, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    model = FusedModel(checkpoint, device, torch.float32, kernels, sdpa)
    block = np.full(ROOM.values, 77, np.int32)
    fill(block, ROOM, batch)
    inputs = Inputs.view(torch.from_numpy(block).to(device), ROOM, adapted=max(batch.tasks) != NO_TASK)
    memory = model.workspace(ROOM.tokens)
    for name in memory.__slots__:
        getattr(memory, name).fill_(torch.nan)
    sums = torch.full((ROOM.segments, 32), torch.nan, device=device)
    model.sums(inputs, memory, sums)
    return memory.attention_in[: len(batch.ids), : model.hidden], sums


@pytest.mark.parametrize("few_tokens", [0, 1 << 30], ids=["blocks", "rows"])
@pytest.mark.parametrize("tasks", [[NO_TASK] * 4, [1, 2, NO_TASK, 2]])
def test_states_and_sums_are_the_references_and_the_portable_models(
    checkpoint: Checkpoint, tasks: list[int], few_tokens: int, device: torch.device
) -> None:
    batch = make_batch(tasks)
    states, sums = run(checkpoint, batch, TritonKernels(few_tokens), device)
    wanted, wanted_sums = run(checkpoint, batch, ReferenceKernels(), device)
    torch.testing.assert_close(states, wanted, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(sums, wanted_sums, atol=3e-4, rtol=1e-4)
    portable = Model(checkpoint, device, torch.float32)(to_device(batch, device))
    torch.testing.assert_close(states, portable, atol=2e-5, rtol=1e-4)
