"""How a device's memory is planned."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jina_v3.encoder.fused.graphs import ladder
from jina_v3.encoder.fused.inputs import Capacity
from jina_v3.encoder.fused.memory import (
    MOST_FOR_GRAPHS,
    MOST_WITHOUT_GRAPHS,
    RESERVE,
    DeviceMemoryError,
    MemoryPlan,
    TokenBytes,
    default_batch_tokens,
    plan_memory,
)
from jina_v3.encoder.fused.workspace import Sizes, Workspace

HIDDEN, INTERMEDIATE, COLUMNS, HEADS, LAYERS, VOCABULARY, LONGEST = 1024, 4096, 32, 16, 24, 250_002, 8192
SIZES = Sizes(HIDDEN, INTERMEDIATE, COLUMNS)
REAL = TokenBytes.of(SIZES, HEADS, torch.bfloat16)


def plan(free: int, wanted: int = 16384, longest: int = LONGEST, graphs: bool = True) -> MemoryPlan:
    return plan_memory(free, REAL, wanted_tokens=wanted, longest=longest, graphs=graphs, device="cuda:0")


def bytes_of_weights() -> int:
    """What the engine holds of the real model, in bf16."""
    wide = HIDDEN + COLUMNS
    products = (3 * HIDDEN + HIDDEN + INTERMEDIATE) * wide + HIDDEN * (INTERMEDIATE + COLUMNS)
    down = COLUMNS * (3 * HIDDEN + INTERMEDIATE)
    words = VOCABULARY * (HIDDEN + 5 * 4)  # and five tasks' A of rank 4
    rotations = LONGEST * 64 * 2  # fp32
    return 2 * (LAYERS * (products + down) + words + rotations)


def test_a_card_of_12_gb_serves_the_longest_text_and_graphs() -> None:
    assert 1.1e9 < bytes_of_weights() < 1.2e9
    free = 12_000_000_000 - 800_000_000 - bytes_of_weights()  # 0.8 GB for CUDA's context, which is generous
    made = plan(free, wanted=default_batch_tokens(12_000_000_000, 28))
    assert (made.max_batch_tokens, made.workspace_tokens, made.graph_bytes) == (8192, LONGEST, MOST_FOR_GRAPHS)
    used = made.batch_bytes + made.graph_bytes + made.reserve_bytes
    assert used < 1.5e9  # of 10 GB
    assert plan(free).max_batch_tokens == 16384


def test_four_engines_fit_on_a_card_of_12_gb() -> None:
    each = 12_000_000_000 // 4 - 600_000_000 - bytes_of_weights()
    assert plan(each, wanted=8192).max_batch_tokens == 8192


def test_the_bytes_of_a_token_are_those_of_what_is_allocated() -> None:
    memory = Workspace.allocate(3, SIZES, torch.bfloat16, torch.device("cpu"))
    storages = [getattr(memory, name).untyped_storage() for name in memory.__slots__]
    assert REAL.workspace * 3 == sum({one.data_ptr(): one.nbytes() for one in storages}.values())
    assert REAL.attention == 2 * HIDDEN + 4 * HEADS
    most = Capacity(3000, 3000, 3000, 3000)
    assert REAL.inputs * 3000 >= 2 * 4 * (most.values - 3 * 4)  # but for the alignment of the last fields
    assert REAL.outputs == 2 * 4 * HIDDEN


@given(
    free=st.integers(0, 20 * 10**9),
    wanted=st.integers(1, 200_000),
    longest=st.sampled_from([40, 700, 1024, 8192]),
    graphs=st.booleans(),
)
def test_a_plan_never_takes_more_than_is_free(free: int, wanted: int, longest: int, graphs: bool) -> None:
    needed = RESERVE + longest * REAL.total
    if free < needed:
        with pytest.raises(DeviceMemoryError):
            plan(free, wanted, longest, graphs)
        return
    made = plan(free, wanted, longest, graphs)
    assert made.batch_bytes + made.graph_bytes + made.reserve_bytes <= free
    assert made.workspace_tokens == max(made.max_batch_tokens, longest)
    assert 0 <= made.graph_bytes <= (MOST_FOR_GRAPHS if graphs else MOST_WITHOUT_GRAPHS)
    assert 1 <= made.max_batch_tokens <= wanted
    if made.max_batch_tokens < wanted:  # then a step more would not have fitted
        assert made.max_batch_tokens % 1024 == 0 or made.max_batch_tokens == longest
        step = (made.max_batch_tokens // 1024 + 1) * 1024
        assert step * REAL.total + made.graph_bytes + RESERVE > free


def test_without_graphs_there_is_room_for_the_same_fixed_sizes() -> None:
    own = sum(4 * (one.values + one.segments * HIDDEN) for one in ladder(LONGEST, 16384))
    assert 2 * own < plan(5 * 10**9, graphs=False).graph_bytes == MOST_WITHOUT_GRAPHS


@given(st.integers(RESERVE + LONGEST * REAL.total, 8 * 10**9), st.integers(0, 10**9), st.integers(1, 10**5))
def test_more_memory_is_never_less_room(free: int, more: int, wanted: int) -> None:
    one, other = plan(free, wanted), plan(free + more, wanted)
    assert other.max_batch_tokens >= one.max_batch_tokens
    assert other.graph_bytes >= one.graph_bytes


def test_too_little_memory_says_what_is_free_and_needed_and_what_to_do() -> None:
    with pytest.raises(DeviceMemoryError) as raised:
        plan(500_000_000)
    message = str(raised.value)
    needed = (RESERVE + LONGEST * REAL.total) / 1e9
    for part in ("cuda:0", "0.50 GB free", f"{needed:.2f} GB", "8192 tokens", "Stop what else uses the device"):
        assert part in message
    assert plan(RESERVE + LONGEST * REAL.total).max_batch_tokens == LONGEST


def test_a_budget_below_the_longest_text_is_kept_and_the_workspace_holds_the_text() -> None:
    made = plan(5 * 10**9, wanted=2000)
    assert (made.max_batch_tokens, made.workspace_tokens) == (2000, LONGEST)


@pytest.mark.parametrize(
    ("card", "total", "multiprocessors", "tokens"),
    [
        ("L4", 23.6e9, 58, 8192),
        ("A10G", 23.8e9, 80, 8192),
        ("T4", 15.6e9, 40, 8192),
        ("L40S", 47.7e9, 142, 16384),
        ("A100-40", 42.4e9, 108, 16384),
        ("H200", 150e9, 132, 16384),
        ("a slice of an H100", 42e9, 60, 8192),
    ],
)
def test_small_cards_get_half_the_budget(card: str, total: float, multiprocessors: int, tokens: int) -> None:
    assert default_batch_tokens(int(total), multiprocessors) == tokens


def test_the_table_is_plain_and_adds_up() -> None:
    table = plan(10**10).table()
    assert json.loads(json.dumps(table)) == table
    assert table["batch_bytes"] == table["workspace_tokens"] * sum(table["token_bytes"].values())
