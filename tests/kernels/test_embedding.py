"""The embedding's kernel against fp64 and against the reference's."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jina_v3.contract import TASKS
from jina_v3.encoder.fused.kernels.interface import EmbeddingTables, NormParameters
from jina_v3.encoder.fused.kernels.reference import ReferenceKernels
from jina_v3.encoder.fused.kernels.triton_kernels.embedding import embed

TOLERANCES = {torch.float32: 2e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}
"""Of values of about ±3: a rounding of the largest."""


@pytest.fixture(params=[torch.float16, torch.float32, torch.bfloat16], ids=str)
def dtype(request: pytest.FixtureRequest, device: torch.device) -> torch.dtype:
    if request.param == torch.bfloat16 and device.type == "cpu":
        pytest.skip("the interpreter rounds bfloat16 wrongly")
    return request.param


def make_tables(
    device: torch.device, dtype: torch.dtype, hidden: int, rank: int = 4, vocab: int = 50, tasks: tuple[int, ...] = ()
) -> tuple[EmbeddingTables, NormParameters]:
    """Without ``tasks`` all have adapters."""
    generator = torch.Generator().manual_seed(hidden + rank)

    def normal(*shape: int) -> torch.Tensor:
        return torch.empty(shape).normal_(generator=generator)

    owners = tasks or range(len(TASKS))
    slots = torch.full((len(TASKS) + 1,), -1, dtype=torch.int32)
    for slot, task in enumerate(owners):
        slots[task] = slot
    count = len(owners) if rank else 0
    tables = EmbeddingTables(
        normal(vocab, hidden).to(device, dtype),
        normal(len(TASKS) + 1, hidden).to(device),
        normal(count * vocab, rank).to(device, dtype),
        normal(count * rank, hidden).to(device),
        slots.to(device) if rank else torch.full_like(slots, -1).to(device),
        rank,
    )
    return tables, NormParameters((1 + 0.1 * normal(hidden)).to(device), normal(hidden).to(device), 1e-5)


def make_tokens(device: torch.device, count: int, vocab: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(count)
    ids = torch.randint(vocab, (count,), generator=generator, dtype=torch.int32)
    tasks = torch.randint(-1, len(TASKS), (count,), generator=generator, dtype=torch.int32)
    return ids.to(device), tasks.to(device)


def exact(ids: torch.Tensor, tasks: torch.Tensor, tables: EmbeddingTables, norm: NormParameters) -> torch.Tensor:
    """Token by token in fp64."""
    rows = []
    for token, task in zip(ids.tolist(), tasks.tolist(), strict=True):
        x = tables.words[token].double() + tables.constant[task].double()
        slot = int(tables.slots[task])
        if slot >= 0:
            a = tables.a.view(-1, len(tables.words), tables.rank)[slot, token].double()
            x = x + a @ tables.b.view(-1, tables.rank, len(x))[slot].double()
        x = (x - x.mean()) / (x.var(correction=0) + norm.eps).sqrt()
        rows.append(x * norm.weight.double() + norm.bias.double())
    return torch.stack(rows)


def check(
    ids: torch.Tensor, tasks: torch.Tensor, tables: EmbeddingTables, norm: NormParameters, columns: int = 32
) -> None:
    """Compare, in a wide matrix with rows to spare: nothing beyond the tokens' own values may change."""
    hidden = tables.words.shape[1]
    guarded = torch.full((len(ids) + 2, hidden + columns), 7.0, dtype=tables.words.dtype, device=ids.device)
    out = guarded[1:-1, :hidden]
    embed(ids, tasks, tables, norm, out)
    tolerance = TOLERANCES[out.dtype]
    torch.testing.assert_close(
        out.double(), exact(ids, tasks, tables, norm), atol=tolerance, rtol=tolerance, check_device=False
    )
    reference = torch.empty_like(out)
    ReferenceKernels().embed(ids, tasks, tables, norm, reference)
    torch.testing.assert_close(out, reference, atol=tolerance, rtol=tolerance)
    guarded[1:-1, :hidden] = 7.0
    assert (guarded == 7.0).all()


@pytest.mark.parametrize("hidden", [64, 1000, 1024])
def test_every_token_is_its_rows_sum_normalised(device: torch.device, dtype: torch.dtype, hidden: int) -> None:
    check(*make_tokens(device, 11), *make_tables(device, dtype, hidden))


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_any_rank(device: torch.device, rank: int) -> None:
    check(*make_tokens(device, 9), *make_tables(device, torch.float16, 64, rank))


def test_without_adapters_the_empty_tables_are_not_read(device: torch.device) -> None:
    check(*make_tokens(device, 9), *make_tables(device, torch.float16, 64, rank=0))


def test_a_task_without_an_adapter_has_its_constant_alone(device: torch.device) -> None:
    tables, norm = make_tables(device, torch.float16, 64, tasks=(3, 1))
    check(*make_tokens(device, 14), tables, norm)
    ids = torch.zeros(2, dtype=torch.int32, device=device)
    same = tables.constant.clone()
    same[0] = same[-1]
    out = torch.empty(2, 64, dtype=torch.float16, device=device)
    embed(ids, torch.tensor([0, -1], dtype=torch.int32, device=device), replace(tables, constant=same), norm, out)
    assert torch.equal(out[0], out[1])


def test_what_is_not_a_tokens_own_is_not_in_its_row(device: torch.device) -> None:
    tables, norm = make_tables(device, torch.float16, 64, tasks=(0, 2))
    clean = torch.empty(3, 64, dtype=torch.float16, device=device)
    ids, tasks = (torch.tensor(values, dtype=torch.int32, device=device) for values in ([4, 5, 6], [2, -1, 1]))
    embed(ids, tasks, tables, norm, clean)
    tables.words[7:] = torch.nan
    tables.a.view(2, -1, 4)[0] = torch.nan  # task 0, whose slot tokens without an adapter must not read either
    tables.b.view(2, 4, -1)[0] = torch.nan
    tables.constant[0] = torch.nan
    out = torch.empty_like(clean)
    embed(ids, tasks, tables, norm, out)
    assert torch.equal(out, clean)


def test_outlier_channels_keep_the_others_exact(device: torch.device) -> None:
    tables, norm = make_tables(device, torch.float16, 1024)
    tables.words[:, 5] = 300.0
    tables.words[:, 700] = -800.0
    norm.weight[5] = 12.0
    ids, tasks = make_tokens(device, 12)
    out = torch.empty(12, 1024, dtype=torch.float16, device=device)
    embed(ids, tasks, tables, norm, out)
    torch.testing.assert_close(out.double(), exact(ids, tasks, tables, norm), atol=2e-3, rtol=1e-3)


def test_rows_far_into_a_table(device: torch.device) -> None:
    tables, norm = make_tables(device, torch.float16, 64, vocab=70_000)
    check(*make_tokens(device, 8, vocab=70_000), tables, norm)


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_a_row_depends_on_its_token_and_task_alone(device: torch.device, data: st.DataObject) -> None:
    tables, norm = make_tables(device, torch.float16, 64, tasks=(4, 0, 1))
    pairs = data.draw(st.lists(st.tuples(st.integers(0, 49), st.integers(-1, 4)), min_size=1, max_size=5))
    ids, tasks = torch.tensor(pairs, dtype=torch.int32, device=device).T.contiguous().unbind(0)
    together = torch.empty(len(pairs), 64, dtype=torch.float16, device=device)
    embed(ids, tasks, tables, norm, together)
    index = data.draw(st.integers(0, len(pairs) - 1))
    alone = torch.empty(1, 64, dtype=torch.float16, device=device)
    embed(ids[index : index + 1], tasks[index : index + 1], tables, norm, alone)
    assert torch.equal(together[index], alone[0])
