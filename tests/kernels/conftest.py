"""Where there is no CUDA device, Triton's interpreter runs the kernels; it must be chosen before they are imported."""

import os
import sys

import pytest
import torch

CUDA = torch.cuda.is_available()
if not CUDA:
    assert "jina_v3.encoder.fused.kernels.triton_kernels" not in sys.modules, "imported too early to be interpreted"
    os.environ["TRITON_INTERPRET"] = "1"
    from tests.support.triton_interpreter import allow_bounds_from_memory

    allow_bounds_from_memory()


@pytest.fixture(scope="session")
def device() -> torch.device:
    return torch.device("cuda" if CUDA else "cpu")
