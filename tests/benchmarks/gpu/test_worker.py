"""The parts of a run: one that fails is no reason to leave the others out, and each has its share of the time."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from benchmarks.gpu.journal import Journal
from benchmarks.gpu.options import WRONG
from benchmarks.gpu.rows import Log
from benchmarks.gpu.session import Session
from benchmarks.gpu.worker import PARTS, Part, run_parts


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def open_bench(folder: Path, clock: Clock) -> Any:
    folder.mkdir(exist_ok=True)
    log, journal = Log(folder / "run.csv", {}), Journal(folder / "run.journal")
    return SimpleNamespace(
        session=Session(log, journal, torch.device("cpu"), 100.0, clock=clock, progress=lambda _: None)
    )


def test_a_part_that_fails_leaves_its_time_to_the_others(tmp_path: Path) -> None:
    clock, untils = Clock(), []

    def slow(_: Any, until: float) -> None:
        untils.append(until)
        clock.now += 10.0

    def bad(_: Any, until: float) -> None:
        untils.append(until)
        raise AttributeError("module 'torch' has no attribute 'varlen'\nmore")

    bench = open_bench(tmp_path, clock)
    parts = [
        Part(name, weight, part, needs=())
        for name, weight, part in (("slow", 1, slow), ("bad", 1, bad), ("left out", 9, slow), ("last", 2, slow))
    ]
    assert run_parts(bench, ["slow", "bad", "last"], parts) == 0
    assert untils == [pytest.approx(25.0), pytest.approx(40.0), pytest.approx(100.0)]
    (failed,) = bench.session.results().of("part", "failed")
    assert (failed.case, failed.note) == ("bad", "AttributeError: module 'torch' has no attribute 'varlen'")
    # a process that comes after has nothing left to do
    assert run_parts(open_bench(tmp_path, clock), ["slow", "bad", "last"], parts) == 0
    assert len(untils) == 3


def test_a_part_brings_what_it_needs(tmp_path: Path) -> None:
    ran: list[str] = []

    def parts() -> list[Part]:
        return [replace(part, run=lambda *_, name=part.name: ran.append(name)) for part in PARTS]

    run_parts(open_bench(tmp_path / "a", Clock()), ["waterfall"], parts())
    assert ran == ["checks", "combinations", "waterfall"]
    ran.clear()
    run_parts(open_bench(tmp_path / "b", Clock()), ["kernels"], parts())
    assert ran == ["kernels"]


def test_wrong_vectors_are_the_status(tmp_path: Path) -> None:
    bench = open_bench(tmp_path, Clock())

    def checks(_: Any, until: float) -> None:
        bench.session.case("checks", "all techniques", until, lambda: pytest.fail("wrong"))

    bench.session.journal.begin("checks/all techniques/")
    bench.session.journal.end("checks/all techniques/", "failed")
    assert run_parts(bench, ["checks"], (Part("checks", 1, checks),)) == WRONG
