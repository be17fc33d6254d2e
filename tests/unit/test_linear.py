"""The adapted product against the formula it stands for, packed and plain; rotary positions against theirs."""

import pytest
import torch
import torch.nn.functional as F

from jina_v3.contract import TASKS, Task
from jina_v3.encoder import linear
from jina_v3.encoder.checkpoint import LinearWeights, LowRank
from jina_v3.encoder.linear import AdaptedLinear, PackedProduct, PlainProduct, TaskMask
from jina_v3.encoder.rotary import pair_channels, rotary_table, rotate
from jina_v3.tokens.sequences import NO_TASK

CPU = torch.device("cpu")
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 4e-2, torch.float16: 5e-3}


def make_weights(dtype: torch.dtype, ranks: dict[Task, int], out: int = 40, width: int = 48) -> LinearWeights:
    generator = torch.Generator().manual_seed(3)

    def normal(*shape: int) -> torch.Tensor:
        return (torch.randn(shape, generator=generator) / shape[-1] ** 0.5).to(dtype)

    low_ranks = tuple(LowRank(task, normal(rank, width), normal(out, rank)) for task, rank in ranks.items())
    return LinearWeights(normal(out, width), normal(out), low_ranks)


def by_formula(weights: LinearWeights, x: torch.Tensor, tasks: torch.Tensor) -> torch.Tensor:
    """W·x + B·A·x + b, token by token, in fp64."""
    rows = []
    for vector, task in zip(x.double(), tasks.tolist(), strict=True):
        row = weights.weight.double() @ vector + weights.bias.double()
        for one in weights.low_ranks:
            if task != NO_TASK and one.task is TASKS[task]:
                row = row + one.b.double() @ (one.a.double() @ vector)
        rows.append(row)
    return torch.stack(rows)


@pytest.fixture(params=["packed", "plain"])
def product(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "plain":
        monkeypatch.setattr(linear, "packs", lambda _device, _dtype: False)
    return str(request.param)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    "ranks",
    [{}, dict.fromkeys(TASKS, 4), {Task.SEPARATION: 4, Task.TEXT_MATCHING: 12}, {Task.RETRIEVAL_QUERY: 33}],
)
def test_mixed_tasks_gelu_residual_and_spare_columns(product: str, dtype: torch.dtype, ranks: dict[Task, int]) -> None:
    weights = make_weights(dtype, ranks)
    layer = AdaptedLinear(weights, CPU, dtype, spare=32)
    if product == "packed" and linear.packs(CPU, dtype):
        assert isinstance(layer._product, PackedProduct)
    else:
        assert isinstance(layer._product, PlainProduct)
    x = torch.randn(23, 48).to(dtype)
    tasks = torch.arange(23) % 6 - 1
    wide = layer.widen(x, TaskMask(tasks, dtype))
    expected = by_formula(weights, x, tasks)
    y = layer(wide)
    assert y.shape == (23, 72)
    assert not y[:, 40:].any()  # the next layer's room
    torch.testing.assert_close(y[:, :40].double(), expected, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])
    gelu = layer(wide, gelu=True)[:, :40].double()
    torch.testing.assert_close(gelu, F.gelu(expected), atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])
    residual = torch.randn(23, 72).to(dtype)
    added = layer(wide, residual=residual)[:, :40].double()
    torch.testing.assert_close(
        added, expected + residual[:, :40].double(), atol=2 * TOLERANCE[dtype], rtol=TOLERANCE[dtype]
    )


def test_no_task_is_the_base_weights() -> None:
    weights = make_weights(torch.float32, dict.fromkeys(TASKS, 4))
    layer = AdaptedLinear(weights, CPU, torch.float32)
    x = torch.randn(9, 48)
    masked = layer(layer.widen(x, TaskMask(torch.full((9,), NO_TASK), torch.float32)))
    torch.testing.assert_close(layer(layer.widen(x, None)), masked, atol=0, rtol=0)
    torch.testing.assert_close(masked, F.linear(x, weights.weight, weights.bias), atol=1e-6, rtol=1e-6)


def test_garbage_in_the_room_never_reaches_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = AdaptedLinear(make_weights(torch.float32, dict.fromkeys(TASKS, 4)), CPU, torch.float32)
    monkeypatch.setattr(
        torch.Tensor, "new_empty", lambda self, *shape: torch.full(shape, float("nan"), dtype=self.dtype)
    )
    mask = TaskMask(torch.arange(64) % 6 - 1, torch.float32)
    for tasks in (None, mask):
        room = layer.room(torch.empty(64, 48))
        room[:, :48] = 1.0
        assert torch.isfinite(layer(layer.adapt_(room, tasks))).all()


def test_a_torch_without_the_private_operators_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare:
        def __getattr__(self, name: str) -> object:
            raise AttributeError(name)

    monkeypatch.setattr(torch.ops, "mkldnn", Bare(), raising=False)
    assert not linear.packs(CPU, torch.float32)


def test_rotation_is_the_reference_rotation_up_to_the_pairing() -> None:
    """q·k after rotate on paired channels equals q·k after rotate_half on the model's own order."""
    heads, head_dim, tokens = 3, 8, 11
    hidden = heads * head_dim
    x, w = torch.randn(tokens, 16, dtype=torch.float64), torch.randn(3 * hidden, 16, dtype=torch.float64)
    angles = torch.outer(torch.arange(tokens).double(), 20000.0 ** (-torch.arange(0, head_dim, 2).double() / head_dim))
    cos, sin = (torch.cat([f, f], -1)[:, None] for f in (angles.cos(), angles.sin()))

    def reference(v: torch.Tensor) -> torch.Tensor:
        half = head_dim // 2
        return v * cos + torch.cat([-v[..., half:], v[..., :half]], -1) * sin

    q, k, v = (x @ w.T).view(tokens, 3, heads, head_dim).unbind(1)
    expected = torch.einsum("thd,shd->hts", reference(q), reference(k))
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 0.02)):
        qkv = (x @ pair_channels(w, heads).T).to(dtype).view(tokens, 3, heads, head_dim)
        table = rotary_table(64, head_dim, 20000.0, CPU)
        rq, rk, rv = (part.double() for part in rotate(qkv, table[torch.arange(tokens)][:, None, None]))
        scores = torch.einsum("thd,shd->hts", rq, rk)
        assert (scores - expected).abs().max() <= tolerance * expected.abs().max()
        torch.testing.assert_close(rv, v, atol=0.2 if dtype == torch.bfloat16 else 1e-5, rtol=tolerance)


def test_far_positions_keep_their_accuracy() -> None:
    table = rotary_table(8192, 64, 20000.0, CPU)
    exact = torch.polar(torch.ones(32, dtype=torch.float64), 8191 * 20000.0 ** (-torch.arange(0, 64, 2).double() / 64))
    assert (table[8191] - exact).abs().max() < 1e-7
