"""The segments' sums against fp64 and against the reference's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jina_v3.encoder.fused.kernels.reference import ReferenceKernels
from jina_v3.encoder.fused.kernels.triton_kernels.pooling import sum_segments


def make_states(device: torch.device, tokens: int, hidden: int, dtype: torch.dtype = torch.float16) -> torch.Tensor:
    """Return the first columns of a wide matrix whose others are NaN."""
    generator = torch.Generator().manual_seed(tokens + hidden)
    wide = torch.full((tokens, hidden + 32), torch.nan, dtype=dtype)
    wide[:, :hidden] = torch.empty(tokens, hidden).normal_(generator=generator)
    return wide.to(device)[:, :hidden]


def spans(device: torch.device, pairs: list[tuple[int, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    starts, lengths = torch.tensor(pairs, dtype=torch.int32, device=device).T.contiguous().unbind(0)
    return starts, lengths


def check(states: torch.Tensor, pairs: list[tuple[int, int]], dimensions: int) -> None:
    """Compare, with guards round the result and a row's distance that is no round number."""
    starts, lengths = spans(states.device, pairs)
    guarded = torch.full((len(pairs) + 2, dimensions + 3), 7.0, device=states.device)
    out = guarded[1:-1, :dimensions]
    sum_segments(states, starts, lengths, out)
    for row, (start, length) in enumerate(pairs):
        wanted = states[start : start + length, :dimensions].double().sum(0)
        torch.testing.assert_close(out[row].double(), wanted, atol=2e-6 * max(length, 1), rtol=1e-6)
    reference = torch.empty(len(pairs), dimensions, device=states.device)
    ReferenceKernels().sum_segments(states, starts, lengths, reference)
    torch.testing.assert_close(out, reference, atol=2e-3, rtol=1e-5)
    out.fill_(7.0)
    assert (guarded == 7.0).all()


@pytest.mark.parametrize("dimensions", [1, 31, 32, 64, 65, 768, 1024])
def test_any_dimensions(device: torch.device, dimensions: int) -> None:
    check(make_states(device, 90, 1024), [(0, 3), (3, 80), (83, 7)], dimensions)


@pytest.mark.parametrize("hidden", [64, 96, 200])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.bfloat16], ids=str)
def test_any_width_and_dtype(device: torch.device, hidden: int, dtype: torch.dtype) -> None:
    check(make_states(device, 300, hidden, dtype), [(0, 290), (290, 10)], hidden)


@pytest.mark.parametrize("length", [1, 31, 32, 33, 255, 256, 257, 511, 512, 513, 8192])
def test_lengths_round_the_steps(device: torch.device, length: int) -> None:
    check(make_states(device, length + 1, 64), [(1, length)], 64)


def test_segments_of_no_tokens_are_zeros_and_read_nothing(device: torch.device) -> None:
    states = make_states(device, 40, 64)
    states[0] = torch.nan  # padded segments begin at 0
    starts, lengths = spans(device, [(1, 39), (0, 0), (0, 0), (40, 0)])
    out = torch.full((4, 64), torch.nan, device=device)
    sum_segments(states, starts, lengths, out)
    assert not out[1:].any()
    assert out[0].isfinite().all()


def test_rows_of_no_segment_reach_none(device: torch.device) -> None:
    states = make_states(device, 700, 64)
    pairs = [(0, 10), (20, 300), (330, 31)]
    inside = torch.zeros(700, dtype=torch.bool)
    for start, length in pairs:
        inside[start : start + length] = True
    states[~inside.to(device)] = torch.nan
    check(states, pairs, 64)


def test_a_segments_sum_does_not_depend_on_its_place_or_neighbours(device: torch.device) -> None:
    states = make_states(device, 1200, 128)
    states[600:1187] = states[3:590].clone()
    starts, lengths = spans(device, [(3, 587), (0, 3), (600, 587)])
    out = torch.empty(3, 128, device=device)
    sum_segments(states, starts, lengths, out)
    assert torch.equal(out[0], out[2])
    alone = torch.empty(1, 40, device=device)
    sum_segments(states, starts[:1], lengths[:1], alone)
    assert torch.equal(alone[0], out[0, :40])  # nor on how many dimensions are wanted


def test_long_sums_of_one_sign_stay_exact(device: torch.device) -> None:
    states = torch.full((8192, 64), 1.0009765625, dtype=torch.float16, device=device)  # 1 + 2⁻¹⁰
    out = torch.empty(1, 64, device=device)
    sum_segments(states, *spans(device, [(0, 8192)]), out)
    assert (out == 8200.0).all()


@settings(max_examples=10, deadline=None)
@given(lengths=st.lists(st.integers(0, 70), min_size=1, max_size=6), dimensions=st.integers(1, 70))
def test_any_segments(device: torch.device, lengths: list[int], dimensions: int) -> None:
    pairs = [(sum(lengths[:index]), length) for index, length in enumerate(lengths)]
    check(make_states(device, sum(lengths) + 1, 70), pairs, dimensions)
