"""Attention for packs of short sequences, against the reference and against the formula in fp64."""

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.checkpoints import TINY, write_layout

from jina_v3.contract import TASKS
from jina_v3.encoder.checkpoint import open_checkpoint
from jina_v3.encoder.fused.attention import sdpa
from jina_v3.encoder.fused.inputs import Capacity, Inputs, fill
from jina_v3.encoder.fused.kernels.reference import ReferenceKernels
from jina_v3.encoder.fused.kernels.triton_kernels import TritonKernels, short_attention
from jina_v3.encoder.fused.kernels.triton_kernels.short_attention import attend_short
from jina_v3.encoder.fused.model import FusedModel
from jina_v3.encoder.rotary import rotary_table
from jina_v3.tokens.sequences import NO_TASK, TokenSequence, lay_out

HEADS, DIM = 2, 64
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
TOLERANCE = {torch.float32: 2e-6, torch.float16: 2e-3}


def make_rotations(dim: int = DIM) -> torch.Tensor:
    table = rotary_table(256, dim, 20_000.0, DEVICE)
    return torch.cat((table.real, table.imag), 1).contiguous()


def make_positions(lengths: list[int]) -> torch.Tensor:
    return torch.cat([torch.arange(length, dtype=torch.int32) for length in lengths]).to(DEVICE)


def make_qkv(tokens: int, dtype: torch.dtype, *, heads: int = HEADS, dim: int = DIM, seed: int = 1) -> torch.Tensor:
    values = torch.randn(tokens, 3 * heads * dim, generator=torch.Generator().manual_seed(seed))
    return values.to(DEVICE, dtype)


def attend(qkv: torch.Tensor, lengths: list[int], *, heads: int = HEADS) -> torch.Tensor:
    out = torch.full((len(qkv), qkv.shape[1] // 3), 7.0, dtype=qkv.dtype, device=DEVICE)
    rotations = make_rotations(out.shape[1] // heads)
    attend_short(qkv, rotations, make_positions(lengths), heads, max(lengths), out)
    return out


def formula(qkv: torch.Tensor, lengths: list[int], heads: int = HEADS) -> torch.Tensor:
    """Every sequence in fp64, rotated as complex numbers."""
    dim = qkv.shape[1] // (3 * heads)
    half = dim // 2
    results = []
    for run in qkv.double().cpu().split(lengths):
        positions = torch.arange(len(run), dtype=torch.float64)
        frequencies = 20_000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
        turn = torch.polar(torch.ones(1, dtype=torch.float64), torch.outer(positions, frequencies))[:, None]
        q, k, v = run.view(len(run), 3, heads, dim).unbind(1)
        q, k = (torch.complex(part[..., :half], part[..., half:]) * turn for part in (q, k))
        scores = torch.einsum("ihd,jhd->hij", q, k.conj()).real / dim**0.5
        results.append(torch.einsum("hij,jhd->ihd", scores.softmax(-1), v).flatten(1))
    return torch.cat(results)


PACKS = {
    "one token": [1],
    "one query": [16],
    "longest": [128],
    "single tokens": [1] * 70,
    "aligned": [16] * 8,
    "over the edge of a tile": [60, 7, 57, 9],
    "ends with its tile": [64, 64],
    "one row in the last tile": [50, 15],
    "mixed": [1, 128, 2, 31, 33, 64, 5, 17, 100],
    "a tile inside a sequence": [3, 128, 128, 1],
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("lengths", PACKS.values(), ids=PACKS.keys())
def test_the_reference_and_the_formula(lengths: list[int], dtype: torch.dtype) -> None:
    qkv = make_qkv(sum(lengths), dtype)
    before = qkv.clone()
    got = attend(qkv, lengths)
    wanted = torch.empty_like(got)
    ReferenceKernels().attend_short(qkv, make_rotations(), make_positions(lengths), HEADS, max(lengths), wanted)
    tolerance = TOLERANCE[dtype]
    torch.testing.assert_close(got, wanted, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(got.double().cpu(), formula(qkv, lengths), atol=2 * tolerance, rtol=2 * tolerance)
    assert torch.equal(qkv, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize(("heads", "dim"), [(1, 64), (4, 16), (2, 32), (3, 24)])
def test_other_widths_of_heads(heads: int, dim: int, dtype: torch.dtype) -> None:
    lengths = [5, 40, 30]
    qkv = make_qkv(75, dtype, heads=heads, dim=dim)
    tolerance = 2 * TOLERANCE[dtype]
    torch.testing.assert_close(
        attend(qkv, lengths, heads=heads).double().cpu(), formula(qkv, lengths, heads), atol=tolerance, rtol=tolerance
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_scores_far_from_zero(dtype: torch.dtype) -> None:
    lengths = [40, 24, 33]
    rotations = make_rotations()
    qkv = make_qkv(97, dtype)
    qkv[:, : 2 * HEADS * DIM] *= 2.5
    qkv[::3, 5] = 22.0  # a channel of q and of k that is an outlier, as trained models have them
    qkv[::2, HEADS * DIM + 5] = 20.0
    rotated = qkv.clone()
    ReferenceKernels().rotate_(rotated, rotations, make_positions(lengths), HEADS)
    q, k = (part.float()[:40, :DIM] for part in rotated.split(HEADS * DIM, 1)[:2])
    assert (q @ k.T / DIM**0.5).abs().max() > 50
    tolerance = 5 * TOLERANCE[dtype] if dtype == torch.float32 else 2e-2  # q and k are rounded before the scores
    torch.testing.assert_close(
        attend(qkv, lengths).double().cpu(), formula(qkv, lengths), atol=tolerance, rtol=tolerance
    )


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("part", [0, 1, 2])
def test_rows_that_fill_up_reach_no_sequence(part: int, garbage: float) -> None:
    lengths = [20, 1, 16]
    qkv = make_qkv(90, torch.float16)
    alone = attend(qkv[:37], lengths)
    qkv[37:, part * HEADS * DIM : (part + 1) * HEADS * DIM] = garbage
    with np.errstate(invalid="ignore"):
        padded = attend(qkv, [*lengths, *[1] * 53])
    assert torch.equal(padded[:37], alone)


def test_a_broken_value_is_seen_by_its_own_sequence_alone() -> None:
    lengths = [20, 20, 20]
    qkv = make_qkv(60, torch.float16)
    whole = attend(qkv, lengths)
    qkv[25, 2 * HEADS * DIM + 3] = float("inf")
    with np.errstate(invalid="ignore"):
        broken = attend(qkv, lengths)
    assert broken[20:40, :DIM].isnan().all()
    broken[20:40, :DIM] = whole[20:40, :DIM]
    assert torch.equal(broken, whole)


def test_rows_at_a_distance() -> None:
    lengths = [30, 45]
    qkv = make_qkv(75, torch.float16)
    wide_qkv = torch.full((75, qkv.shape[1] + 24), 9.0, dtype=torch.float16, device=DEVICE)
    wide_qkv[:, :-24] = qkv
    wide = torch.full((75, HEADS * DIM + 32), 7.0, dtype=torch.float16, device=DEVICE)
    attend_short(wide_qkv[:, :-24], make_rotations(), make_positions(lengths), HEADS, 45, wide[:, : HEADS * DIM])
    assert torch.equal(wide[:, : HEADS * DIM], attend(qkv, lengths))
    assert (wide[:, HEADS * DIM :] == 7.0).all()


def test_memory_beyond_the_last_token_is_left_alone() -> None:
    lengths = [30, 8]
    qkv, positions = make_qkv(64, torch.float16), make_positions([30, 8, *[3] * 9])[:64]
    qkv[38:] = float("nan")
    out = torch.full((64, HEADS * DIM), 7.0, dtype=torch.float16, device=DEVICE)
    attend_short(qkv[:38], make_rotations(), positions[:38], HEADS, 30, out[:38])
    assert torch.equal(out[:38], attend(qkv[:38], lengths))
    assert (out[38:] == 7.0).all()


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=4), st.data())
def test_a_sequence_alone_and_in_a_pack(lengths: list[int], data: st.DataObject) -> None:
    qkv = make_qkv(sum(lengths), torch.float32, seed=sum(lengths))
    chosen = data.draw(st.integers(0, len(lengths) - 1))
    start, length = sum(lengths[:chosen]), lengths[chosen]
    packed = attend(qkv, lengths)[start : start + length]
    alone = attend(qkv[start : start + length], [length])
    torch.testing.assert_close(packed, alone, atol=1e-6, rtol=1e-6)


def test_a_sequence_at_the_same_place_in_a_tile_is_the_same_bit_for_bit() -> None:
    qkv = make_qkv(128, torch.float16)
    qkv[64:] = qkv[:64]
    packed = attend(qkv, [40, 24, 40, 24])
    assert torch.equal(packed[:64], packed[64:])
    assert torch.equal(attend(qkv[:40], [40]), packed[:40])


@pytest.mark.parametrize("longest", [0, 129])
@pytest.mark.parametrize("call", [attend_short, ReferenceKernels().attend_short])
def test_other_longest_sequences_are_refused(call: object, longest: int) -> None:
    qkv, out = make_qkv(4, torch.float16), torch.empty(4, HEADS * DIM, dtype=torch.float16, device=DEVICE)
    with pytest.raises(ValueError, match=f"has {longest} tokens"):
        call(qkv, make_rotations(), make_positions([4]), HEADS, longest, out)  # type: ignore[operator]


def test_what_does_not_fit_together_is_refused() -> None:
    qkv, positions, rotations = make_qkv(4, torch.float16), make_positions([4]), make_rotations()
    out = torch.empty(4, HEADS * DIM, dtype=torch.float16, device=DEVICE)
    with pytest.raises(ValueError, match="3 heads do not fit"):
        attend_short(qkv, rotations, positions, 3, 4, out)
    with pytest.raises(ValueError, match=r"needs out \(4, 128\)"):
        attend_short(qkv, rotations, positions, HEADS, 4, out[:3])
    with pytest.raises(ValueError, match=r"positions \(4,\), not \(3,\)"):
        attend_short(qkv, rotations, positions[:3], HEADS, 4, out)
    with pytest.raises(ValueError, match=r"out torch\.float32"):
        attend_short(qkv, rotations, positions, HEADS, 4, out.float())
    with pytest.raises(ValueError, match=r"positions torch\.int64"):
        attend_short(qkv, rotations, positions.long(), HEADS, 4, out)
    with pytest.raises(ValueError, match="must be neighbours"):
        attend_short(qkv, rotations, positions, HEADS, 4, out.T.contiguous().T)


@pytest.mark.parametrize(
    ("tasks", "dtype"), [([NO_TASK] * 5, torch.float16), ([1, 2, NO_TASK, 2, 1], torch.float32)], ids=["none", "mixed"]
)
def test_the_whole_model_with_and_without(tmp_path: Path, tasks: list[int], dtype: torch.dtype) -> None:
    checkpoint = open_checkpoint(write_layout(tmp_path / "model", "original", TINY, TASKS))
    rng = np.random.default_rng(4)
    batch = lay_out(
        [
            TokenSequence(rng.integers(5, 590, length), task, ((length, row),))
            for row, (length, task) in enumerate(zip((3, 17, 20, 9, 1), tasks, strict=True))
        ],
        5,
    )
    room = Capacity(tokens=70, sequences=8, segments=8, max_length=20)
    block = np.full(room.values, 77, np.int32)
    fill(block, room, batch)
    inputs = Inputs.view(torch.from_numpy(block).to(DEVICE), room, adapted=max(tasks) != NO_TASK)
    results = {}
    for short in (19, 20):
        kernels = TritonKernels(few_tokens=0)
        model = FusedModel(checkpoint, DEVICE, dtype, kernels, sdpa, short=short)
        memory = model.workspace(room.tokens)
        for name in memory.__slots__:
            getattr(memory, name).fill_(torch.nan)
        with patch.object(kernels, "attend_short", wraps=kernels.attend_short) as attended:
            results[short] = model.states(inputs, memory)[: len(batch.ids)].clone()
        assert attended.call_count == (TINY.layers if short == 20 else 0)
    tolerance = 2e-5 if dtype == torch.float32 else 2e-2
    torch.testing.assert_close(results[20], results[19], atol=tolerance, rtol=tolerance)


@pytest.mark.skipif(DEVICE.type == "cuda", reason="only the interpreter can tell how often")
@pytest.mark.parametrize(("tokens", "broken", "passes"), [(5, False, 2), (64, False, 2), (70, False, 4), (5, True, 3)])
def test_tiles_are_computed_twice_only_where_a_value_is_no_number(tokens: int, broken: bool, passes: int) -> None:
    """Two heads, of which one has the value. Tokens seldom fill the last tile; a query never fills its only one."""
    qkv = make_qkv(tokens, torch.float32)
    if broken:
        qkv[2, 5] = torch.nan  # q's, of the first head
    with patch.object(short_attention, "_attend", wraps=short_attention._attend) as attended:
        attend(qkv, [tokens])
    assert attended.call_count == passes
