"""The tasks' additions, in the variants for few and for many tokens, against fp64 and the reference."""

import pytest
import torch
from tests.support.kernels import (
    ROUNDING,
    adapters_of,
    additions64,
    assert_guarded,
    guarded,
    random_tasks,
)

from jina_v3.encoder.fused.kernels.reference import ReferenceKernels
from jina_v3.encoder.fused.kernels.triton_kernels import TritonKernels

VARIANTS = {"rows": TritonKernels(1 << 30), "blocks": TritonKernels(0)}
RANKS = {
    "original": ([4, 4, 4, 4, 4], 32),
    "uneven": ([1, 0, 7, 2, 3], 32),
    "peft": ([12, 12, 12, 12, 12], 64),
    "tight": ([4, 3, 4, 3, 2], 16),
    "none here": ([0, 0, 0, 0, 0], 32),
    "none at all": ([0, 0, 0, 0, 0], 0),
}
DTYPES = [torch.float32, torch.float16, torch.bfloat16]


def skip_what_is_not_interpreted(variant: str, dtype: torch.dtype, device: torch.device) -> None:
    if variant == "blocks" and dtype == torch.bfloat16 and device.type == "cpu":
        pytest.skip("the interpreter's dot is wrong in bf16")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize(
    ("variant", "tokens", "width"),
    [
        ("rows", 1, 64),
        ("rows", 5, 200),
        ("rows", 2, 1024),
        ("blocks", 1, 64),
        ("blocks", 37, 64),
        ("blocks", 33, 200),
        ("blocks", 5, 1024),
    ],
)
def test_additions_are_the_own_tasks(
    variant: str, tokens: int, width: int, ranks: str, dtype: torch.dtype, device: torch.device
) -> None:
    skip_what_is_not_interpreted(variant, dtype, device)
    torch.manual_seed(tokens)
    of_tasks, columns = RANKS[ranks]
    adapters = adapters_of(of_tasks, width, dtype, device, columns)
    x = torch.randn(tokens, width).to(device, dtype)
    x[:, 3] *= 1000
    tasks = random_tasks(tokens, device)
    out, whole = guarded(tokens, width + columns, dtype, device)

    VARIANTS[variant].adapt(x, adapters, tasks, out)

    assert_guarded(out, whole)
    assert torch.equal(out[:, :width], x)
    wanted = additions64(x, adapters, tasks)
    assert not out[:, width:][wanted == 0].any()
    scale = float(wanted.abs().max()) + 1 if columns else 1
    torch.testing.assert_close(out[:, width:].double(), wanted, rtol=ROUNDING[dtype], atol=2e-6 * scale)


@pytest.mark.parametrize("variant", VARIANTS)
def test_in_place_only_the_columns_are_written(variant: str, device: torch.device) -> None:
    adapters = adapters_of([4, 2, 0, 4, 3], 64, torch.float16, device)
    out, whole = guarded(19, 96, torch.float16, device)
    out[:, :64] = torch.randn(19, 64)
    x, tasks = out[:, :64].clone(), random_tasks(19, device)
    VARIANTS[variant].adapt(out[:, :64], adapters, tasks, out)
    assert_guarded(out, whole)
    wanted = torch.empty_like(out)
    ReferenceKernels().adapt(x, adapters, tasks, wanted)
    torch.testing.assert_close(out, wanted, rtol=2**-10, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_without_a_sequence_reach_no_other(variant: str, device: torch.device) -> None:
    adapters = adapters_of([4] * 5, 64, torch.float16, device)
    x, tasks = torch.randn(40, 64).to(device, torch.float16), random_tasks(40, device)
    clean, dirty = (torch.empty(40, 96, dtype=torch.float16, device=device) for _ in range(2))
    VARIANTS[variant].adapt(x, adapters, tasks, clean)
    filled = torch.tensor([0, 7, 31, 39])
    x[filled], tasks[filled] = torch.nan, -1
    VARIANTS[variant].adapt(x, adapters, tasks, dirty)
    kept = torch.ones(40, dtype=torch.bool)
    kept[filled] = False
    assert torch.equal(clean[kept], dirty[kept])
    assert not dirty[filled, 64:].any()


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_rows_additions_do_not_depend_on_its_neighbours(variant: str, device: torch.device) -> None:
    adapters = adapters_of([4] * 5, 64, torch.float16, device)
    x, tasks = torch.randn(50, 64).to(device, torch.float16), random_tasks(50, device)
    whole, alone = (torch.empty(50, 96, dtype=torch.float16, device=device) for _ in range(2))
    VARIANTS[variant].adapt(x, adapters, tasks, whole)
    for row in (0, 17, 49):
        one = slice(row, row + 1)
        VARIANTS[variant].adapt(x[one].clone(), adapters, tasks[one].clone(), alone[one])
        assert torch.equal(alone[one], whole[one])
