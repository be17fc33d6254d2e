"""The four products of a layer by themselves: with the tasks' columns and without, and in float8 and fast float16."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.device import call_times
from benchmarks.gpu.rows import SECONDS, Row
from benchmarks.gpu.session import UnavailableError
from benchmarks.variants import DTYPES

PART = "products"
NARROW, WIDE = "base weights", "with the tasks' columns"
FLOAT8, FAST = "float8, scales by row", "float16, accumulated in float16"
_COLUMNS = 32
_INNER = 16
"""Calls between two events: one is shorter than the events are exact."""


def run(bench: Bench, until: float) -> None:
    """Time each shape in each way."""
    config = bench.plan.config
    shapes = {
        "qkv": (config.hidden, 3 * config.hidden),
        "out": (config.hidden, config.hidden),
        "fc1": (config.hidden, config.intermediate),
        "fc2": (config.intermediate, config.hidden),
    }
    limits = bench.session.limits(until, [1.0] * len(shapes))
    for (name, shape), limit_s in zip(shapes.items(), limits, strict=True):
        bench.session.case(PART, name, limit_s, partial(_case, bench, name, *shape))


def _case(bench: Bench, name: str, wide_in: int, wide_out: int) -> None:
    ways: dict[str, Callable[..., bool]] = {
        NARROW: partial(_half, extra=0),
        WIDE: partial(_half, extra=_COLUMNS),
        FLOAT8: _float8,
        FAST: _fast,
    }
    for variant, way in ways.items():
        record = partial(_record, bench, name, variant, 2.0 * bench.plan.kernel_rows * wide_in * wide_out)
        bench.session.attempt(PART, name, variant, partial(way, bench, wide_in, wide_out, record=record))


def _record(bench: Bench, name: str, variant: str, flop: float, call: Callable[[], object]) -> bool:
    def several() -> None:
        for _ in range(_INNER):
            call()

    several()
    times = call_times(several, bench.plan.repeats, bench.device)
    rows = bench.plan.kernel_rows
    bench.session.log.add(
        *(Row(PART, name, variant, SECONDS, t / _INNER, i, rows, flop) for i, t in enumerate(times, 1))
    )
    return True


Record = Callable[[Callable[[], object]], bool]


def _half(bench: Bench, wide_in: int, wide_out: int, *, record: Record, extra: int) -> bool:
    return _plain(bench, wide_in, wide_out, DTYPES[bench.dtype], record, extra)


def _plain(bench: Bench, wide_in: int, wide_out: int, dtype: torch.dtype, record: Record, extra: int) -> bool:
    rows, device = bench.plan.kernel_rows, bench.device
    # both as the engine has them: rows as far apart as the wide buffer's, whether its last columns are used or not
    x = torch.randn(rows, wide_in + _COLUMNS, device=device).to(dtype)[:, : wide_in + extra]
    weight = torch.randn(wide_out, wide_in + _COLUMNS, device=device).to(dtype)[:, : wide_in + extra].T
    out = torch.empty(rows, wide_out, dtype=dtype, device=device)
    return record(lambda: torch.mm(x, weight, out=out))


def _fast(bench: Bench, wide_in: int, wide_out: int, *, record: Record) -> bool:
    if bench.device.type != "cuda":
        raise UnavailableError("accumulating in float16 is a setting of CUDA devices")
    with _fast_accumulation():
        return _plain(bench, wide_in, wide_out, torch.float16, record, 0)


@contextmanager
def _fast_accumulation() -> Iterator[None]:
    settings = torch.backends.cuda.matmul
    before = settings.allow_fp16_accumulation
    settings.allow_fp16_accumulation = True
    try:
        yield
    finally:
        settings.allow_fp16_accumulation = before


def _float8(bench: Bench, wide_in: int, wide_out: int, *, record: Record) -> bool:
    device, rows = bench.device, bench.plan.kernel_rows
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < (8, 9):
        raise UnavailableError("float8 products need compute capability 8.9")
    x = torch.randn(rows, wide_in, device=device).to(torch.float8_e4m3fn)
    weight = torch.randn(wide_out, wide_in, device=device).to(torch.float8_e4m3fn)
    scale_x, scale_weight = torch.ones(rows, 1, device=device), torch.ones(1, wide_out, device=device)
    return record(
        lambda: torch._scaled_mm(
            x, weight.T, scale_a=scale_x, scale_b=scale_weight, out_dtype=torch.bfloat16, use_fast_accum=True
        )
    )
