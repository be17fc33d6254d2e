"""What the warm-up at load compiles is all that serving needs, whatever batches come. Compiled, and not run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.checkpoints import TINY, write_layout

from jina_v3.contract import TASKS

CODE = """
import sys
from pathlib import Path
import numpy as np, torch
from jina_v3.encoder.checkpoint import open_checkpoint
from jina_v3.encoder.fused import loading
from jina_v3.encoder.fused.inputs import Capacity, Inputs, fill
from jina_v3.encoder.fused.kernels.ahead.compile_only import compiling_for
from jina_v3.encoder.fused.kernels.triton_kernels import TritonKernels
from jina_v3.encoder.fused.model import FusedModel
from jina_v3.tokens.sequences import NO_TASK, TokenSequence, lay_out

def nothing(*arguments, out=None, **_):
    return out
torch.mm = torch.addmm = torch._scaled_mm = torch.cuda.synchronize = nothing

def attention(qkv, heads, inputs, out):
    return out

def batch_of(tokens, sequences, task):
    lengths = [tokens // sequences + (row < tokens % sequences) for row in range(sequences)]
    tasks = [task if row % 2 else NO_TASK for row in range(sequences)]
    return lay_out(
        [TokenSequence(np.zeros(size, np.int64), own, ((size, row),))
         for row, (size, own) in enumerate(zip(lengths, tasks))], sequences)

MOST = 16384
checkpoint = open_checkpoint(Path(sys.argv[1]))
for float8 in ((), ("qkv", "fc2")):
    with compiling_for(90) as kernels:
        model = FusedModel(checkpoint, torch.device("cpu"), torch.bfloat16, TritonKernels(), attention, float8=float8)
        memory = model.workspace(MOST)
        loading._warm_up(model, memory, MOST)
        warm = len(kernels)
        block = torch.empty(Capacity(MOST, MOST, MOST, MOST).values, dtype=torch.int32)
        space = torch.empty(MOST * model.hidden)
        for tokens in (1, 2, 15, 16, 17, 64, 65, 127, 1000, 2048, 4095, 4096, 4097, 12345, MOST):
            for sequences in {min(tokens, most) for most in (1, 3, 16, 2000)}:
                for dimensions, task in ((1, NO_TASK), (3, 2), (16, 4), (64, 0), (17, NO_TASK), (64, NO_TASK)):
                    batch = batch_of(tokens, sequences, task)
                    room = Capacity.of(batch)
                    fill(block[: room.values].numpy(), room, batch)
                    inputs = Inputs.view(block[: room.values], room, adapted=task != NO_TASK)
                    model.sums(inputs, memory, space[: sequences * dimensions].view(sequences, dimensions))
                    anew = [(one.name, one.constants) for one in kernels[warm:]]
                    assert not anew, (tokens, sequences, dimensions, task, anew)
    assert warm > 4
"""


@pytest.mark.slow
def test_serving_compiles_nothing_that_the_load_has_not(tmp_path: Path) -> None:
    model = write_layout(tmp_path / "model", "original", TINY, TASKS)
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    result = subprocess.run(
        [sys.executable, "-c", CODE, str(model)],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path / "triton")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
