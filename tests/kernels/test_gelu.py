"""GELU with its bias, plain and with additions, against its definition in fp64 and the reference."""

import pytest
import torch
from tests.support.kernels import ROUNDING, adapters_of, additions64, assert_guarded, gelu64, guarded, random_tasks

from jina_v3.encoder.fused.kernels.reference import ReferenceKernels
from jina_v3.encoder.fused.kernels.triton_kernels import TritonKernels

VARIANTS = {"rows": TritonKernels(1 << 30), "blocks": TritonKernels(0)}
NO_TASKS = torch.empty(0, dtype=torch.int32)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_every_half_number_is_rounded_as_the_exact_value_would_be(dtype: torch.dtype, device: torch.device) -> None:
    every = torch.arange(-(1 << 15), 1 << 15, dtype=torch.int32).to(torch.int16).view(dtype).reshape(64, 1024)
    x = torch.where(every.abs() < 1e5, every, 0).to(device)
    out = torch.empty_like(x)
    VARIANTS["rows"].gelu(x, torch.zeros(1024, device=device), out, None, NO_TASKS.to(device))
    wanted = gelu64(x)
    allowed = (wanted.to(dtype).double() - wanted).abs() + 6e-8 + 2e-7 * wanted.abs()
    if dtype == torch.bfloat16 and device.type == "cpu":
        allowed += torch.finfo(dtype).eps * wanted.abs()  # the interpreter rounds to bf16 towards zero
    assert ((out.double() - wanted).abs() <= allowed).all()


def test_fp32_is_as_exact_as_erf_in_fp32(device: torch.device) -> None:
    x = torch.linspace(-12, 12, 40_000, device=device).view(-1, 400)
    out = torch.empty_like(x)
    VARIANTS["rows"].gelu(x, torch.zeros(400, device=device), out, None, NO_TASKS.to(device))
    by_erf = (torch.nn.functional.gelu(x).double() - gelu64(x)).abs().max()
    assert (out.double() - gelu64(x)).abs().max() <= 2 * by_erf
    assert (out.double() - gelu64(x))[x < 4].abs().max() < 3e-7
    assert out.isfinite().all()


def test_what_is_not_a_number_stays_so(device: torch.device) -> None:
    x = torch.tensor([[torch.nan, 1.0, -1000.0, 1000.0, 65504.0, -65504.0, 0.0, -0.0]], device=device)
    out = torch.empty_like(x)
    VARIANTS["rows"].gelu(x, torch.zeros(8, device=device), out, None, NO_TASKS.to(device))
    assert out[0, 0].isnan()
    torch.testing.assert_close(out[:, 1:].double(), gelu64(x[:, 1:]), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("tokens", "width"), [(1, 128), (7, 200), (3, 4096)])
def test_without_a_task_only_the_width_is_written(
    tokens: int, width: int, dtype: torch.dtype, device: torch.device, *, in_place: bool
) -> None:
    torch.manual_seed(width)
    values, bias = 3 * torch.randn(tokens, width).to(device, dtype), torch.randn(width, device=device)
    values[:, 1] = -1000
    out, whole = guarded(tokens, width + 32, dtype, device)
    x = out[:, :width] if in_place else values
    x.copy_(values)
    VARIANTS["rows"].gelu(x, bias, out, None, NO_TASKS.to(device))
    assert_guarded(out, whole, width)
    wanted = gelu64(values.double() + bias.double())
    torch.testing.assert_close(out[:, :width].double(), wanted, rtol=ROUNDING[dtype], atol=1e-6)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    ("variant", "tokens", "width", "ranks"),
    [
        ("rows", 7, 128, [1, 0, 7, 2, 3]),
        ("rows", 2, 4096, [4] * 5),
        ("blocks", 1, 128, [4] * 5),
        ("blocks", 35, 128, [1, 0, 7, 2, 3]),
        ("blocks", 5, 200, [4] * 5),
        ("blocks", 2, 4096, [4] * 5),
    ],
)
def test_additions_are_made_of_what_was_written(
    variant: str, tokens: int, width: int, ranks: list[int], dtype: torch.dtype, device: torch.device, *, in_place: bool
) -> None:
    if variant == "blocks" and dtype == torch.bfloat16 and device.type == "cpu":
        pytest.skip("the interpreter's dot is wrong in bf16")
    torch.manual_seed(width)
    adapters = adapters_of(ranks, width, dtype, device)
    values, bias = 3 * torch.randn(tokens, width).to(device, dtype), torch.randn(width, device=device)
    tasks = random_tasks(tokens, device)
    out, whole = guarded(tokens, width + 32, dtype, device)
    x = out[:, :width] if in_place else values
    x.copy_(values)
    VARIANTS[variant].gelu(x, bias, out, adapters, tasks)
    assert_guarded(out, whole)
    wanted = gelu64(values.double() + bias.double())
    torch.testing.assert_close(out[:, :width].double(), wanted, rtol=ROUNDING[dtype], atol=1e-6)
    additions = additions64(out[:, :width], adapters, tasks)
    assert not out[:, width:][additions == 0].any()
    torch.testing.assert_close(out[:, width:].double(), additions, rtol=ROUNDING[dtype], atol=2e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_without_a_sequence_reach_no_other(variant: str, device: torch.device) -> None:
    adapters = adapters_of([4] * 5, 128, torch.float16, device)
    x, bias = torch.randn(34, 128).to(device, torch.float16), torch.randn(128, device=device)
    tasks = random_tasks(34, device)
    for row in (0, 12, 33):
        x[row], tasks[row] = torch.nan, -1
    out, wanted = (torch.empty(34, 160, dtype=torch.float16, device=device) for _ in range(2))
    VARIANTS[variant].gelu(x, bias, out, adapters, tasks)
    ReferenceKernels().gelu(x, bias, wanted, adapters, tasks)
    torch.testing.assert_close(out, wanted, rtol=2**-10, atol=1e-4, equal_nan=True)
