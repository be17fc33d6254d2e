"""Each kernel between the products by itself: bytes a second beside a copy on the device, and few rows or many.

Every case goes through several sets of matrices, together larger than the device's cache, and is replayed as a graph:
what is timed is the kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count

import torch

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.device import call_times, captured
from benchmarks.gpu.forward import best_kernels, triton_kernels
from benchmarks.gpu.rows import SECONDS, Row
from benchmarks.variants import DTYPES
from jina_v3.contract import TASKS
from jina_v3.encoder.fused.kernels.interface import Adapters, EmbeddingTables, Kernels, NormParameters

PART = "kernels"
CROSSOVER = "few rows or many"
COPY = "copy on the device"
FEW, MANY = "a program a row", "blocks of rows"
_CACHE_BYTES = 256 * 2**20
_RANK, _COLUMNS = 4, 32
_SEGMENT = 128
_FEW_WORDS = 8
"""Rows of the word table where embedding is not what is timed."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of a kernel on one set of matrices, and the bytes that it has to read and write at least."""

    run: Callable[[], None]
    bytes_moved: float


def run(bench: Bench, until: float) -> None:
    """Time every operation at the rows of a whole batch, then the two families over numbers of tokens."""
    names = [COPY, *operations(bench, best_kernels_or_reference(bench), 8)]
    sizes = bench.plan.crossover_tokens
    limits = bench.session.limits(until, [1.0] * (len(names) + len(sizes)))
    for name, limit_s in zip(names, limits, strict=False):
        bench.session.case(PART, name, limit_s, partial(_rate, bench, name))
    for tokens, limit_s in zip(sizes, limits, strict=True):
        bench.session.case(CROSSOVER, str(tokens), limit_s, partial(_families, bench, tokens))


def best_kernels_or_reference(bench: Bench) -> Kernels:
    """Return torch's kernels where the names of the operations are all that is wanted and Triton's cannot be had."""
    from jina_v3.encoder.fused.kernels.reference import ReferenceKernels

    return bench.session.attempt("load", "kernels", "", lambda: best_kernels(bench.device)) or ReferenceKernels()


def _rate(bench: Bench, name: str) -> None:
    rows = bench.plan.kernel_rows
    if name == COPY:
        _time(bench, PART, name, "torch", rows, partial(_copy, bench, rows))
    else:
        kernels = best_kernels(bench.device)
        _time(bench, PART, name, kernels.name, rows, partial(_made, bench, kernels, rows, name))


def _families(bench: Bench, tokens: int) -> None:
    """Time the operations with additions in both families, whichever the engine would choose."""
    if bench.device.type == "cuda":
        made = triton_kernels()
        families: dict[str, Kernels] = {FEW: made(few_tokens=2**31), MANY: made(few_tokens=0)}  # type: ignore[call-arg]
    else:
        families = dict.fromkeys((FEW, MANY), best_kernels(bench.device))
    for family, kernels in families.items():
        for name in operations(bench, kernels, 8):
            if "with a task" in name:
                make = partial(_made, bench, kernels, tokens, name)
                attempt = partial(_time, bench, CROSSOVER, str(tokens), f"{name}: {family}", tokens, make)
                bench.session.attempt(CROSSOVER, str(tokens), f"{name}: {family}", attempt)


def _made(bench: Bench, kernels: Kernels, tokens: int, name: str) -> Operation:
    return operations(bench, kernels, tokens)[name]


def _time(bench: Bench, part: str, case: str, variant: str, rows: int, make: Callable[[], Operation]) -> bool:
    first = make()
    first.run()  # compiles
    sets = 1 if bench.device.type == "cpu" else min(32, int(_CACHE_BYTES // max(first.bytes_moved, 1)) + 1)
    made = [first, *(make() for _ in range(sets - 1))]

    def run_all() -> None:
        for one in made:
            one.run()

    replay = captured(run_all, bench.device)
    replay()
    times = call_times(replay, bench.plan.repeats, bench.device)
    bench.session.log.add(
        *(Row(part, case, variant, SECONDS, t / sets, i, rows, first.bytes_moved) for i, t in enumerate(times, 1))
    )
    return True


def _copy(bench: Bench, rows: int) -> Operation:
    source = torch.zeros(rows, bench.plan.config.intermediate, dtype=DTYPES[bench.dtype], device=bench.device)
    target = torch.empty_like(source)

    def run_copy() -> None:
        target.copy_(source)

    return Operation(run_copy, 2.0 * source.nbytes)


def operations(bench: Bench, kernels: Kernels, rows: int) -> dict[str, Operation]:
    """Make every operation on matrices of ``rows`` rows; the names say the order in which a layer has them."""
    config, device, dtype = bench.plan.config, bench.device, DTYPES[bench.dtype]
    hidden, wide, middle = config.hidden, config.hidden + _COLUMNS, config.intermediate
    half = dtype.itemsize
    seeds = count()

    def matrix(width: int, height: int = rows, kind: torch.dtype = dtype) -> torch.Tensor:
        generator = torch.Generator(device).manual_seed(next(seeds))
        return torch.randn(height, width, device=device, generator=generator).to(kind)

    tasks = (torch.arange(rows, device=device) // _SEGMENT % len(TASKS)).int()
    norm = NormParameters(matrix(hidden, 1, torch.float32)[0], matrix(hidden, 1, torch.float32)[0], 1e-5)
    adapters = {width: _adapters(matrix(width, _COLUMNS), device) for width in (hidden, middle)}
    x, residual, out = matrix(hidden), matrix(hidden), matrix(wide)
    bias, middle_bias = matrix(hidden, 1, torch.float32)[0], matrix(middle, 1, torch.float32)[0]
    inner, qkv = matrix(middle + _COLUMNS), matrix(3 * hidden)
    positions = (torch.arange(rows, device=device) % _SEGMENT).int()
    rotations = matrix(hidden // config.heads, _SEGMENT, torch.float32)
    segments = -(-rows // _SEGMENT)
    starts = (torch.arange(segments, device=device) * _SEGMENT).int()
    lengths = torch.full((segments,), min(_SEGMENT, rows), dtype=torch.int32, device=device)
    sums = torch.empty(segments, hidden, dtype=torch.float32, device=device)
    scaled = torch.empty(rows, hidden, dtype=torch.float8_e4m3fn, device=device)
    scales = torch.empty(rows, 1, dtype=torch.float32, device=device)
    words = config.vocab if rows == bench.plan.kernel_rows else _FEW_WORDS
    ids = (torch.arange(rows, device=device) * 7919 % words).int()
    tables = EmbeddingTables(
        matrix(hidden, words),
        matrix(hidden, len(TASKS) + 1, torch.float32),
        torch.empty(0, 0, dtype=dtype, device=device),
        torch.empty(0, hidden, dtype=torch.float32, device=device),
        torch.full((len(TASKS) + 1,), -1, dtype=torch.int32, device=device),
        0,
    )
    narrow, columns = rows * hidden * half, rows * _COLUMNS * half
    return {
        "embed": Operation(lambda: kernels.embed(ids, tasks, tables, norm, x), 2.0 * narrow),
        "rotate": Operation(lambda: kernels.rotate_(qkv, rotations, positions, config.heads), 4.0 * narrow),
        "adapt, with a task": Operation(
            lambda: kernels.adapt(out[:, :hidden], adapters[hidden], tasks, out), narrow + columns
        ),
        "add, norm": Operation(lambda: kernels.add_norm(x, bias, residual, norm, out, None, tasks), 3.0 * narrow),
        "add, norm, with a task": Operation(
            lambda: kernels.add_norm(x, bias, residual, norm, out, adapters[hidden], tasks), 3.0 * narrow + columns
        ),
        "gelu": Operation(
            lambda: kernels.gelu(inner[:, :middle], middle_bias, inner, None, tasks), 2.0 * rows * middle * half
        ),
        "gelu, with a task": Operation(
            lambda: kernels.gelu(inner[:, :middle], middle_bias, inner, adapters[middle], tasks),
            2.0 * rows * middle * half + columns,
        ),
        "sum segments": Operation(lambda: kernels.sum_segments(x, starts, lengths, sums), narrow + 1.0 * sums.nbytes),
        "quantize rows": Operation(lambda: kernels.quantize_rows(x, scaled, scales), 1.5 * narrow),
    }


def _adapters(a: torch.Tensor, device: torch.device) -> Adapters:
    used = _RANK * len(TASKS)
    a[used:] = 0
    owners = torch.full((_COLUMNS,), len(TASKS), dtype=torch.int32)
    owners[:used] = torch.arange(used, dtype=torch.int32) // _RANK
    first = torch.tensor([*range(0, used, _RANK), 0], dtype=torch.int32)
    ranks = torch.tensor([_RANK] * len(TASKS) + [0], dtype=torch.int32)
    return Adapters(a, owners.to(device), first.to(device), ranks.to(device), _RANK)
