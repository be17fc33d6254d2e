"""Arithmetic that several kernels share, and how big their blocks are."""

from __future__ import annotations

import triton
import triton.language as tl


def warps_for(values: int) -> int:
    """Return how many warps a block of ``values`` is for: each thread has at least 8, the 16 bytes of one load.

    No value is then loaded by two warps, which a kernel that works in place relies on.
    """
    return max(1, min(8, values // 256))


@triton.jit
def gelu(x):
    """Return x·Φ(x) to fp32's precision, as relu(x) - |x|·Φ(-|x|) with no cancellation in either tail.

    Φ(-u) is 2 to a polynomial in u, fitted to least error of u·Φ(-u) (below 5e-8): half of erf's instructions.
    """
    u = tl.abs(x)
    power = u * -1.9020648096557125e-06 + 2.805692929541692e-05
    power = power * u - 0.00013147314894013107
    power = power * u - 0.00027207593666389585
    power = power * u + 0.007245421409606934
    power = power * u - 0.05262761190533638
    power = power * u - 0.4591621458530426
    power = power * u - 1.1511110067367554
    power = power * u - 1.0
    return tl.where(x < 0, 0.0, x) - u * tl.exp2(power)


@triton.jit
def own_additions(
    y, rows, live, columns, a, first, ranks, tasks,
    TASKS: tl.constexpr, WIDTH: tl.constexpr, COLUMNS_BLOCK: tl.constexpr, MOST: tl.constexpr,
):  # fmt: skip
    """Return the products of rows with those rows of A that their tasks own, each in its column, zeros elsewhere.

    **Shapes**: ``y: (rows, block)`` fp32; ``rows``, ``live``: ``(rows,)``; ``columns: (block,)``;
    the result ``(rows, COLUMNS_BLOCK)`` fp32.
    """
    task = tl.load(tasks + rows, mask=live, other=-1)
    task = tl.where(task < 0, TASKS, task)  # the last entry is for no task
    begin = tl.load(first + task)
    rank = tl.load(ranks + task)
    column = tl.arange(0, COLUMNS_BLOCK)
    inside = columns < WIDTH
    result = tl.zeros((y.shape[0], COLUMNS_BLOCK), tl.float32)
    for step in tl.static_range(MOST):
        owned = step < rank
        row = begin + step
        places = a + row[:, None] * WIDTH + columns[None, :]
        weights = tl.load(places, mask=owned[:, None] & inside[None, :], other=0.0)
        sums = tl.sum(y * weights.to(tl.float32), 1)
        here = owned[:, None] & (column[None, :] == row[:, None])
        result = tl.where(here, sums[:, None], result)
    return result
