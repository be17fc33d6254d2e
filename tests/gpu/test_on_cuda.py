"""The encoder on a CUDA device against the fp32 oracle on the CPU."""

import numpy as np
import pytest
import torch
from tests.support.case import Case
from tests.support.checkpoints import FULL_WIDTH
from tests.support.oracle import Oracle, cosine_distance

from jina_v3.contract import Task
from jina_v3.encoder import Encoder
from jina_v3.encoder.attention import attend, attend_by_length
from jina_v3.encoder.packing import to_batch
from jina_v3.tokens.sequences import NO_TASK, TokenSequence

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
BOUND = {"float32": 1e-6, "bfloat16": 5e-5, "float16": 5e-5}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("cuda"), FULL_WIDTH)


@pytest.fixture(scope="module")
def exact(case: Case) -> np.ndarray:
    return case.oracle.encode(case.texts, case.tasks)


def test_fp32_is_the_oracle(case: Case, exact: np.ndarray) -> None:
    encoder = Encoder.from_folder(case.folder("original"), device="cuda", dtype="float32")
    ours = encoder.encode(case.texts, task=case.tasks)
    assert cosine_distance(ours, exact).max() <= 1e-6
    assert np.abs(ours - exact).max() <= 1e-5


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_errs_no_more_than_the_reference(case: Case, exact: np.ndarray, dtype: str) -> None:
    reference = Oracle(case.flash, getattr(torch, dtype), "cuda").encode(case.texts, case.tasks)
    encoder = Encoder.from_folder(case.folder("original"), device="cuda", dtype=dtype)
    ours, theirs = (cosine_distance(x, exact) for x in (encoder.encode(case.texts, task=case.tasks), reference))
    print(f"{dtype}: 1-cos ours mean {ours.mean():.2e} max {ours.max():.2e}; "
          f"reference mean {theirs.mean():.2e} max {theirs.max():.2e}")  # fmt: skip
    assert ours.mean() <= 1.5 * theirs.mean()
    assert ours.max() <= 1.5 * theirs.max()


@pytest.mark.parametrize("dtype", list(BOUND))
def test_a_row_in_a_batch_is_the_row_alone(case: Case, dtype: str) -> None:
    encoder = Encoder.from_folder(case.folder("original"), device="cuda", dtype=dtype)
    together = np.asarray(encoder.encode(case.texts, task=case.tasks))
    for index, text in enumerate(case.texts):
        alone = encoder.encode([text], task=case.tasks[index])
        assert cosine_distance(alone, together[index : index + 1]).max() <= BOUND[dtype]


def test_late_chunking_and_dimensions_agree_with_the_cpu(case: Case) -> None:
    on_cpu = Encoder.from_folder(case.folder("original"), device="cpu", dtype="float32")
    on_cuda = Encoder.from_folder(case.folder("original"), device="cuda", dtype="float32")
    for dimensions in (32, 1024):
        one, other = (
            encoder.encode(case.texts, task=Task.RETRIEVAL_PASSAGE, late_chunking=True, dimensions=dimensions)
            for encoder in (on_cpu, on_cuda)
        )
        assert cosine_distance(one, other).max() <= 1e-6


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_flash_attention_is_attention(dtype: torch.dtype) -> None:
    device = torch.device("cuda")
    sizes = (1, 3, 16, 17, 64, 64, 700)
    sequences = [TokenSequence(np.arange(size), NO_TASK, ((size, row),)) for row, size in enumerate(sizes)]
    batch = to_batch(sequences, device)
    q, k, v = torch.randn(3, sum(sizes), 16, 64, device=device, dtype=dtype)
    fast = attend(q, k, v, batch, q.new_empty(sum(sizes), 1024))
    exact = attend_by_length(q.float(), k.float(), v.float(), batch, torch.empty(sum(sizes), 1024, device=device))
    torch.testing.assert_close(fast.float(), exact, atol=2e-2, rtol=2e-2)
