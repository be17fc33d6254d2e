"""Rows beyond 2³¹ values from a matrix's begin, as the last of a million tokens have: offsets do not wrap."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.support.kernels import adapters_of

from jina_v3.encoder.fused.kernels.interface import NormParameters
from jina_v3.encoder.fused.kernels.triton_kernels import TritonKernels

STRIDE = 1 << 29
ROWS = 6
KERNELS = {"rows": TritonKernels(1 << 30), "blocks": TritonKernels(0)}
Operation = Callable[[TritonKernels, torch.Tensor, torch.device], None]


def adapt(kernels: TritonKernels, out: torch.Tensor, device: torch.device) -> None:
    tasks = torch.tensor([1] * len(out), dtype=torch.int32, device=device)
    kernels.adapt(out[:, :64], adapters_of([4] * 5, 64, torch.float16, device), tasks, out)


def add_norm(kernels: TritonKernels, out: torch.Tensor, device: torch.device) -> None:
    one = torch.ones(64, device=device)
    kernels.add_norm(out[:, :64], one, out[:, :64], NormParameters(one, one, 1e-5), out, None, one.int())


def gelu(kernels: TritonKernels, out: torch.Tensor, device: torch.device) -> None:
    kernels.gelu(out[:, :64], torch.ones(64, device=device), out, None, torch.ones(0, device=device))


def adapted_gelu(kernels: TritonKernels, out: torch.Tensor, device: torch.device) -> None:
    tasks = torch.tensor([1] * len(out), dtype=torch.int32, device=device)
    bias = torch.ones(64, device=device)
    kernels.gelu(out[:, :64], bias, out, adapters_of([4] * 5, 64, torch.float16, device), tasks)


def rotate(kernels: TritonKernels, out: torch.Tensor, device: torch.device) -> None:
    positions = torch.arange(len(out), dtype=torch.int32, device=device)
    kernels.rotate_(out, torch.linspace(-1, 1, 16 * len(out), device=device).view(-1, 16), positions, 2)


@pytest.fixture(scope="module")
def far(device: torch.device, tmp_path_factory: pytest.TempPathFactory) -> torch.Tensor:
    """Return a matrix with so much between its rows; on the CPU a file, of which what is not written takes no space."""
    size = (ROWS - 1) * STRIDE + 96
    if device.type == "cuda":
        memory = torch.empty(size, dtype=torch.float16, device=device)
    else:
        file: Path = tmp_path_factory.mktemp("far") / "memory"
        memory = torch.from_file(str(file), shared=True, size=size, dtype=torch.float16)
    return memory.as_strided((ROWS, 96), (STRIDE, 1))


@pytest.mark.parametrize("operation", [adapt, add_norm, gelu, adapted_gelu, rotate])
@pytest.mark.parametrize("variant", KERNELS)
def test_far_rows_are_as_near_ones(operation: Operation, variant: str, far: torch.Tensor, device: torch.device) -> None:
    torch.manual_seed(1)
    near = torch.randn(ROWS, 96).to(device, torch.float16)
    far.copy_(near)
    for matrix in (near, far):
        torch.manual_seed(2)
        operation(KERNELS[variant], matrix, device)
    assert torch.equal(far, near)
