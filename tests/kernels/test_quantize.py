"""Rows to float8 against torch's own cast.

Triton 3.6's interpreter casts to float8e4nv wrongly: halves go up instead of to even, and a mantissa that rounds over
does not carry into the exponent (124 becomes 64). Here it gets torch's cast in its place; that the compiled kernel
uses the hardware's, which saturates and rounds to nearest even, is read from its PTX.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jina_v3.encoder.fused.kernels.reference import FLOAT8_MOST, ReferenceKernels
from jina_v3.encoder.fused.kernels.triton_kernels.quantize import quantize_rows

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available() and torch.cuda.get_device_capability() < (8, 9), reason="float8 starts at 8.9"
)


@pytest.fixture(autouse=True, scope="module")
def interpreters_cast() -> Iterator[None]:
    from triton.runtime import interpreter

    own = interpreter._convert_float

    def convert(values: np.ndarray, source: object, target: object, rounding: object) -> np.ndarray:
        if str(source) == "fp32" and str(target) == "fp8e4nv":
            return torch.from_numpy(np.array(values)).to(torch.float8_e4m3fn).view(torch.uint8).numpy()
        return own(values, source, target, rounding)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpreter, "_convert_float", convert)
        yield


def quantized(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Quantise into the middle of guarded buffers, and return codes and scales."""
    tokens, width = x.shape
    codes = torch.full((tokens + 2, width), 0x55, dtype=torch.uint8, device=x.device)
    scales = torch.full((tokens + 2, 1), -7.0, device=x.device)
    quantize_rows(x, codes[1:-1].view(torch.float8_e4m3fn), scales[1:-1])
    assert (codes[[0, -1]] == 0x55).all()
    assert (scales[[0, -1]] == -7.0).all()
    return codes[1:-1].view(torch.float8_e4m3fn), scales[1:-1]


def check(x: torch.Tensor) -> None:
    out, scales = quantized(x)
    reference, reference_scales = torch.empty_like(out), torch.empty_like(scales)
    ReferenceKernels().quantize_rows(x, reference, reference_scales)
    torch.testing.assert_close(scales, reference_scales, rtol=2e-7, atol=0.0)
    exact = x.double() / scales.double()
    # half a step of e4m3: 2⁻⁴ of the power of two below, 2⁻¹⁰ where it is subnormal. The inverse and the compiled
    # cast's detour through fp16 (capability 8.9) may choose the other side of a half
    step = torch.exp2(exact.abs().clamp(min=2.0**-6).log2().floor() - 3)
    assert ((out.double() - exact).abs() <= step * (0.5 + 2e-2)).all()
    differing = out.view(torch.uint8) != reference.view(torch.uint8)
    assert differing.float().mean() <= 0.02
    assert (out.float().abs().amax(1)[scales[:, 0] != 1.0] == FLOAT8_MOST).all()


@pytest.mark.parametrize("width", [16, 32, 64, 1024, 1056, 1500, 4096, 4128])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_rows_are_what_torchs_cast_makes_of_them(device: torch.device, width: int, dtype: torch.dtype) -> None:
    x = torch.empty(7, width).normal_(generator=torch.Generator().manual_seed(width))
    x[2] *= 1e-3
    x[3, 5] = 200.0  # an outlier
    x[4] *= 100.0
    check(x.to(device, dtype))


def test_a_view_of_a_wide_matrix(device: torch.device) -> None:
    wide = torch.full((5, 96), torch.nan, dtype=torch.float16)
    wide[:, :64] = torch.empty(5, 64).normal_(generator=torch.Generator().manual_seed(1))
    check(wide.to(device)[:, :64])


def test_every_code_comes_back(device: torch.device) -> None:
    codes = torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn)
    codes = codes[codes.float().isfinite()]
    x = torch.nn.functional.pad(codes.float(), (0, 2))[None].to(device, torch.float16)
    out, scales = quantized(x)
    assert scales.item() == 1.0
    assert torch.equal(out.float(), x.float())


def test_zeros_denormals_and_what_is_next_to_nothing(device: torch.device) -> None:
    x = torch.zeros(4, 32, dtype=torch.bfloat16, device=device)
    x[1, 3] = 9.2e-41  # bfloat16's least
    x[2, 4] = 1e-31
    x[3] = 1e-28
    x[3, 1] = 2.0**-133
    out, scales = quantized(x)
    assert (scales[:3] == 1.0).all()
    assert not out[:3].float().any()
    assert scales[3].item() == pytest.approx(float(x[3, 0]) / FLOAT8_MOST)
    assert out[3, 0].float() == FLOAT8_MOST
    assert out[3, 1].float() == 0.0


def test_the_largest_half_saturates(device: torch.device) -> None:
    x = torch.tensor([[65504.0, -65504.0, 1.0, 0.0] * 4], dtype=torch.float16, device=device)
    out, scales = quantized(x)
    assert out.float()[0, :2].tolist() == [FLOAT8_MOST, -FLOAT8_MOST]
    assert scales.item() == pytest.approx(65504 / FLOAT8_MOST)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_no_number_is_seen_in_its_own_row_alone(device: torch.device, value: float) -> None:
    x = torch.empty(3, 40, dtype=torch.float16).normal_(generator=torch.Generator().manual_seed(2)).to(device)
    clean, clean_scales = quantized(x)
    x[1, 7] = value
    x[1, 36] = value
    with np.errstate(invalid="ignore"):  # the interpreter computes in numpy
        out, scales = quantized(x)
    assert (out[1].float() * scales[1])[[7, 36]].isnan().all()
    for row in (0, 2):
        assert torch.equal(out[row].view(torch.uint8), clean[row].view(torch.uint8))
        assert scales[row] == clean_scales[row]


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.lists(st.floats(-60000, 60000, width=16), min_size=24, max_size=24), min_size=1, max_size=4))
def test_any_rows_come_back_to_within_half_a_step(device: torch.device, rows: list[list[float]]) -> None:
    x = torch.tensor(rows, dtype=torch.float16, device=device)
    out, scales = quantized(x)
    back = out.double() * scales.double()
    most = x.double().abs().amax(1, keepdim=True)
    assert ((back - x.double()).abs() <= x.double().abs() * 2**-4 * 1.01 + most / FLOAT8_MOST * 2**-10 * 1.01).all()


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from jina_v3.encoder.fused.kernels.triton_kernels.quantize import _quantize

constants = {"least": 1e-30, "most": 448.0, "width": 1056, "block": 1024, "rest": 32}
kinds = {"x": "*bf16", "out": "*fp8e4nv", "scales": "*fp32", "x_stride": "i32", "out_stride": "i32"}
signature = {name: kinds.get(name, "constexpr") for name in _quantize.arg_names}
source = ASTSource(fn=_quantize, signature=signature, constexprs=constants)
for capability, instruction in ((89, "e4m3x2.f16x2"), (90, "e4m3x2.f32")):
    ptx = triton.compile(source, target=GPUTarget("cuda", capability, 32)).asm["ptx"]
    assert f"cvt.rn.satfinite.{instruction}" in ptx, capability
"""


def test_the_compiled_cast_saturates_and_rounds_to_nearest_even(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(tmp_path)
    compiled = subprocess.run(
        [sys.executable, "-c", COMPILE], env=environment, capture_output=True, text=True, check=False
    )
    assert compiled.returncode == 0, compiled.stderr
