"""Interleaving, ratios, and the check that voids a benchmark of a wrong result."""

from collections.abc import Iterator

import numpy as np
import pytest
from benchmarks.agreement import WrongVectorsError, check_same, cosine_errors, spread
from benchmarks.timing import Timings, Variant, interleave


class Clock:
    """Time that passes only when a variant says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.order: list[str] = []

    def __call__(self) -> float:
        return self.now

    def variant(self, name: str, seconds: Iterator[float], **options: float) -> Variant:
        def run() -> None:
            self.order.append(name)
            self.now += next(seconds)

        return Variant(name, run, **options)  # type: ignore[arg-type]


def test_rounds_are_interleaved_and_begin_with_another_variant_each() -> None:
    clock = Clock()
    variants = [clock.variant(name, iter([1.0] * 3)) for name in "abc"]
    interleave(variants, 3, clock=clock)
    assert "".join(clock.order) == "abcbcacab"


def test_ratios_are_taken_inside_rounds_so_drift_cancels() -> None:
    clock = Clock()
    slow = clock.variant("slow", iter([2.0, 6.0, 20.0]))
    fast = clock.variant("fast", iter([1.0, 3.0, 10.0]))
    timings = interleave([slow, fast], 3, clock=clock)
    assert timings.ratios("slow", "fast") == [2.0, 2.0, 2.0]
    assert timings.median_ratio("slow", "fast") == 2.0
    assert timings.best_ratio("slow", "fast") == 2.0


def test_work_makes_unlike_amounts_comparable() -> None:
    clock = Clock()
    ours = clock.variant("ours", iter([1.0]), work=80.0)
    product = clock.variant("product", iter([0.1]), work=10.0)
    timings = interleave([ours, product], 1, clock=clock)
    # ours does 80 a second, the product 100: a share of 0.8
    assert timings.median_ratio("product", "ours") == pytest.approx(0.8)
    assert timings.best_ratio("product", "ours") == pytest.approx(0.8)


def test_a_spared_variant_is_compared_only_where_it_ran() -> None:
    clock = Clock()
    slow = clock.variant("slow", iter([5.0]), max_rounds=1)
    fast = clock.variant("fast", iter([1.0, 9.0, 9.0]))
    timings = interleave([slow, fast], 3, clock=clock)
    assert timings.ratios("slow", "fast") == [5.0]
    assert (timings.rounds("slow"), timings.rounds("fast")) == (1, 3)
    assert timings.median_ratio("slow", "absent") is None
    assert timings.best_ratio("absent", "slow") is None


def test_no_round_begins_that_would_not_fit() -> None:
    clock = Clock()
    timings = interleave([clock.variant("a", iter([4.0] * 9))], 9, limit_s=13.0, clock=clock)
    assert timings.rounds("a") == 3
    clock = Clock()
    timings = interleave([clock.variant("a", iter([4.0] * 9))], 9, limit_s=0.0, min_rounds=2, clock=clock)
    assert timings.rounds("a") == 2


def test_small_cosine_errors_keep_their_digits() -> None:
    reference = np.array([[1.0, 0.0], [3.0, 4.0]], np.float32)
    turned = np.array([[1.0, 1e-4], [30.0, 40.0]], np.float32)
    assert cosine_errors(turned, reference) == pytest.approx([5e-9, 0.0], rel=1e-3, abs=1e-14)


def test_wrong_vectors_void_the_run() -> None:
    rng = np.random.default_rng(0)
    reference = (1.0 + 0.01 * rng.standard_normal((4, 64))).astype(np.float32)
    assert check_same("ours", reference, reference, 1e-5) == 0.0
    assert spread(reference) < 1e-3
    # the texts' vectors are nearly the same: a tolerance that cannot tell them apart must not count
    with pytest.raises(WrongVectorsError, match="ours: 1-cos"):
        check_same("ours", reference[::-1], reference, tolerance=1e-2)
    with pytest.raises(WrongVectorsError, match="shape"):
        check_same("ours", reference[:2], reference, 1e-2)
    with pytest.raises(WrongVectorsError):
        check_same("ours", np.full_like(reference, np.nan), reference, 1e-2)


def test_nothing_run_is_nothing_measured() -> None:
    assert Timings().median_ratio("a", "b") is None
