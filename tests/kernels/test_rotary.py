"""Rotary positions, in place on packed q and k, against rotations of complex numbers in fp64."""

import pytest
import torch
from tests.support.kernels import ROUNDING, assert_guarded, guarded

from jina_v3.encoder.fused.kernels.triton_kernels import TritonKernels
from jina_v3.encoder.rotary import rotary_table


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("tokens", "heads", "head_dim"), [(1, 4, 16), (29, 4, 16), (5, 3, 24), (3, 16, 64)])
def test_q_and_k_are_turned_by_their_positions_angles(
    tokens: int, heads: int, head_dim: int, dtype: torch.dtype, device: torch.device
) -> None:
    torch.manual_seed(tokens)
    hidden = heads * head_dim
    qkv, whole = guarded(tokens, 3 * hidden, dtype, device)
    qkv.copy_(torch.randn(tokens, 3 * hidden))
    qkv[:, 2] = 1000
    before = qkv.clone()
    table = rotary_table(8194, head_dim, 10_000.0, device)
    positions = torch.randint(0, 8194, (tokens,), dtype=torch.int32).to(device)
    positions[0] = 8193

    rotations = torch.cat((table.real, table.imag), 1).contiguous()
    TritonKernels().rotate_(qkv, rotations, positions, heads)

    assert_guarded(qkv, whole)
    assert torch.equal(qkv[:, 2 * hidden :], before[:, 2 * hidden :])
    pairs = before[:, : 2 * hidden].double().view(tokens, 2 * heads, 2, head_dim // 2)
    turned = torch.complex(pairs[:, :, 0], pairs[:, :, 1]) * table[positions.long()].to(torch.complex128)[:, None]
    wanted = torch.stack((turned.real, turned.imag), 2).flatten(1)
    scale = float(wanted.abs().max())
    torch.testing.assert_close(qkv[:, : 2 * hidden].double(), wanted, rtol=ROUNDING[dtype], atol=3e-7 * scale)


def test_rows_without_a_sequence_reach_no_other(device: torch.device) -> None:
    qkv = torch.randn(6, 192, device=device)
    rotations = torch.randn(9, 16, device=device)
    positions = torch.tensor([0, 1, 2, 3, 4, 0], dtype=torch.int32, device=device)
    dirty = qkv.clone()
    dirty[5] = torch.nan
    for one in (qkv, dirty):
        TritonKernels().rotate_(one, rotations, positions, 4)
    assert torch.equal(qkv[:5], dirty[:5])
