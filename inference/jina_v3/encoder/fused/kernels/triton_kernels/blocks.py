"""Arithmetic that several kernels share, and how big their blocks are."""

from __future__ import annotations

import triton
import triton.language as tl


def warps_for(values: int) -> int:
    """Return how many warps a block of ``values`` is for: each thread has at least 8, the 16 bytes of one load.

    No value is then loaded by two warps, which a kernel that works in place relies on.
    """
    return max(1, min(8, values // 256))


def group_of(most: int) -> int:
    """Return how many rows of A are multiplied at once where a task owns at most ``most``."""
    return 1 if most <= 1 else 2 if most == 2 else 4


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
def find_own(tasks, first, ranks, row, TASKS: tl.constexpr):
    """Return which row of A is the first that a token's task owns, and how many they are."""
    task = tl.load(tasks + row)
    task = tl.where(task < 0, TASKS, task)  # the last entry is for no task
    return tl.load(first + task), tl.load(ranks + task)


@triton.jit
def load_own(a, begin, rank, columns, FROM: tl.constexpr, WIDTH: tl.constexpr, GROUP: tl.constexpr):
    """Return some of the rows of A that a task owns, as they are; zeros beyond. **Shapes**: ``(GROUP, block)``."""
    step = FROM + tl.arange(0, GROUP)
    places = a + (begin + step)[:, None] * WIDTH + columns[None, :]
    return tl.load(places, mask=(step < rank)[:, None] & (columns < WIDTH)[None, :], other=0.0)


@triton.jit
def write_additions(
    y, weights, out, a, begin, rank, columns,
    WIDTH: tl.constexpr, COLUMNS: tl.constexpr, COLUMNS_BLOCK: tl.constexpr, MOST: tl.constexpr,
    GROUP: tl.constexpr,
):  # fmt: skip
    """Write a row's products with the rows of A that its task owns, and zeros in the columns of others.

    The first ``weights`` are loaded by the caller, early: by the time ``y`` is known they are there.

    **Shapes**: ``y: (1, block)`` fp32; ``weights: (GROUP, block)``; ``out`` points at the row's first column.
    """
    column = tl.arange(0, COLUMNS_BLOCK)
    others = (column < begin) | (column >= begin + rank)
    tl.store(out + column, tl.zeros((COLUMNS_BLOCK,), out.dtype.element_ty), mask=others & (column < COLUMNS))
    for done in tl.static_range(0, MOST, GROUP):
        if done > 0:
            weights = load_own(a, begin, rank, columns, done, WIDTH, GROUP)
        sums = tl.sum(y * weights.to(tl.float32), 1)
        step = done + tl.arange(0, GROUP)
        tl.store(out + begin + step, sums.to(out.dtype.element_ty), mask=step < rank)
