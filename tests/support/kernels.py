"""What tests of kernels share: adapters of chosen ranks, memory with guards around it, formulas in fp64."""

import math

import torch

from jina_v3.contract import TASKS
from jina_v3.encoder.checkpoint import LowRank
from jina_v3.encoder.fused.kernels.interface import Adapters
from jina_v3.encoder.fused.layer import make_adapters

GUARD = 77.0
ROUNDING = {torch.float32: 2e-6, torch.float16: 2**-10, torch.bfloat16: 2**-7}
"""A unit in the last place, twice what rounding once may err by; for fp32 what sums may."""


def adapters_of(
    ranks: list[int], width: int, dtype: torch.dtype, device: torch.device, columns: int | None = None
) -> Adapters:
    """Return random adapters; ``ranks`` by task, 0 for a task without one; ``columns`` as the engine counts them."""
    columns = -(-sum(ranks) // 32) * 32 if columns is None else columns
    low_ranks = [
        LowRank(task, torch.randn(rank, width) / math.sqrt(width), torch.empty(0, rank))
        for task, rank in zip(TASKS, ranks, strict=True)
        if rank
    ]
    return make_adapters(low_ranks, width, columns, device, dtype)


def random_tasks(tokens: int, device: torch.device) -> torch.Tensor:
    """Return every task and none, mixed."""
    return torch.randint(-1, len(TASKS), (tokens,), dtype=torch.int32).to(device)


def guarded(tokens: int, width: int, dtype: torch.dtype, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a matrix's view of a larger one, and the larger one; all that is outside the view has a guard value."""
    whole = torch.full((tokens + 4, -(-width // 8) * 8 + 16), GUARD, dtype=dtype, device=device)
    return whole[2 : tokens + 2, 8 : width + 8], whole


def assert_guarded(view: torch.Tensor, whole: torch.Tensor, columns: int | None = None) -> None:
    """Check that nothing was written outside the view, or outside its first ``columns``."""
    outside = whole.clone()
    outside[2 : len(view) + 2, 8 : 8 + (view.shape[1] if columns is None else columns)] = GUARD
    assert (outside == GUARD).all()


def gelu64(x: torch.Tensor) -> torch.Tensor:
    """GELU by its definition."""
    x = x.double()
    return x * 0.5 * torch.special.erfc(-x / math.sqrt(2))


def additions64(x: torch.Tensor, adapters: Adapters, tasks: torch.Tensor) -> torch.Tensor:
    """The tasks' additions, token by token from its task's own rows."""
    result = torch.zeros(len(x), len(adapters.a), dtype=torch.float64)
    for token, task in enumerate(tasks.tolist()):
        begin, rank = int(adapters.first[task]), int(adapters.ranks[task])
        if task >= 0:
            result[token, begin : begin + rank] = (
                adapters.a[begin : begin + rank].double().cpu() @ x[token].double().cpu()
            )
    return result.to(x.device)
