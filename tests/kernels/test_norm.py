"""Bias, residual and norm, with and without additions, against fp64 and the reference."""

import pytest
import torch
from tests.support.kernels import ROUNDING, adapters_of, additions64, assert_guarded, guarded, random_tasks

from jina_v3.encoder.fused.kernels.interface import NormParameters
from jina_v3.encoder.fused.kernels.reference import ReferenceKernels
from jina_v3.encoder.fused.kernels.triton_kernels import TritonKernels

VARIANTS = {"rows": TritonKernels(1 << 30), "blocks": TritonKernels(0)}


def norm64(value: torch.Tensor, norm: NormParameters) -> torch.Tensor:
    centred = value - value.mean(1, keepdim=True)
    scale = 1 / ((centred**2).mean(1, keepdim=True) + norm.eps).sqrt()
    return centred * scale * norm.weight.double() + norm.bias.double()


class Case:
    """Random arguments; ``outliers``: single channels of ±1000, as trained models have."""

    def __init__(self, tokens: int, hidden: int, dtype: torch.dtype, device: torch.device, *, outliers: bool) -> None:
        torch.manual_seed(tokens + hidden)
        self.x, self.residual = (guarded(tokens, hidden, dtype, device)[0] for _ in range(2))
        for matrix in (self.x, self.residual):
            matrix.copy_(torch.randn(tokens, hidden))
        if outliers:
            self.x[:, 5], self.residual[:, 60] = -1000, 1000
        self.bias = torch.randn(hidden, device=device)
        self.norm = NormParameters(torch.randn(hidden, device=device), torch.randn(hidden, device=device), 1e-5)
        self.tasks = random_tasks(tokens, device)
        self.sum64 = self.x.double() + self.bias.double() + self.residual.double()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("outliers", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("tokens", "hidden"), [(1, 64), (21, 64), (6, 200), (3, 1024)])
def test_the_norm_is_its_formula(
    tokens: int, hidden: int, variant: str, dtype: torch.dtype, device: torch.device, *, outliers: bool
) -> None:
    case = Case(tokens, hidden, dtype, device, outliers=outliers)
    out, whole = guarded(tokens, hidden + 32, dtype, device)
    VARIANTS[variant].add_norm(case.x, case.bias, case.residual, case.norm, out, None, case.tasks)
    assert_guarded(out, whole, hidden)
    wanted = norm64(case.sum64, case.norm)
    torch.testing.assert_close(out[:, :hidden].double(), wanted, rtol=ROUNDING[dtype], atol=2e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("ranks", "columns"), [([4, 4, 4, 4, 4], 32), ([12, 0, 12, 12, 12], 64)])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("tokens", "hidden"), [(1, 64), (10, 64), (2, 1024)])
def test_additions_are_made_of_what_was_written(
    tokens: int, hidden: int, variant: str, ranks: list[int], columns: int, dtype: torch.dtype, device: torch.device
) -> None:
    if variant == "blocks" and dtype == torch.bfloat16 and device.type == "cpu":
        pytest.skip("the interpreter's dot is wrong in bf16")
    case = Case(tokens, hidden, dtype, device, outliers=True)
    adapters = adapters_of(ranks, hidden, dtype, device, columns)
    out, whole = guarded(tokens, hidden + columns, dtype, device)
    VARIANTS[variant].add_norm(case.x, case.bias, case.residual, case.norm, out, adapters, case.tasks)
    assert_guarded(out, whole)
    torch.testing.assert_close(out[:, :hidden].double(), norm64(case.sum64, case.norm), rtol=ROUNDING[dtype], atol=2e-5)
    wanted = additions64(out[:, :hidden], adapters, case.tasks)
    assert not out[:, hidden:][wanted == 0].any()
    torch.testing.assert_close(out[:, hidden:].double(), wanted, rtol=ROUNDING[dtype], atol=2e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_may_write_over_the_residual_and_be_fed_anything_in_unused_rows(variant: str, device: torch.device) -> None:
    case = Case(23, 64, torch.float16, device, outliers=False)
    adapters = adapters_of([4] * 5, 64, torch.float16, device)
    for row in (0, 9, 22):
        case.x[row], case.tasks[row] = torch.nan, -1
    out, whole = guarded(23, 96, torch.float16, device)
    out[:, :64] = case.residual
    VARIANTS[variant].add_norm(case.x, case.bias, out[:, :64], case.norm, out, adapters, case.tasks)
    assert_guarded(out, whole)
    wanted = torch.empty_like(out)
    ReferenceKernels().add_norm(case.x, case.bias, case.residual, case.norm, wanted, adapters, case.tasks)
    torch.testing.assert_close(out, wanted, rtol=2**-9, atol=2e-3, equal_nan=True)
    assert not out[0, 64:].any()
