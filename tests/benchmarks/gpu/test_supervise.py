"""The worker that crashes, hangs or loses the device is replaced; the step at fault is named."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.gpu.journal import Journal
from benchmarks.gpu.options import INCOMPLETE
from benchmarks.gpu.rows import Log, Results, Row
from benchmarks.gpu.supervise import Files, supervise

# a worker of two steps that never ends the first: it has no session and no log, which take seconds to load
WORKER = """
import os, signal, sys, time
from pathlib import Path
from benchmarks.gpu.journal import Journal
folder, way, good = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
journal = Journal(folder / "gpu-x.journal")
journal.begin("part/case/")
if journal.outcome("part/case/bad") is None:
    journal.begin("part/case/bad")
    if way == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if way == "hang":
        time.sleep(600)
    sys.exit(3)
with (folder / "gpu-x.csv").open("a") as file:
    file.write(good)
"""


def once_it_hangs(files: Files, later_s: float) -> Callable[[], float]:
    """A clock that is so much later while the step that hangs is the last that was begun."""

    def clock() -> float:
        hangs = files.journal.exists() and Journal(files.journal).last_open() == "part/case/bad"
        return time.time() + (later_s if hangs else 0.0)

    return clock


def run(folder: Path, way: str, deadline_s: float, later_s: float) -> tuple[int, Files]:
    files = Files(folder, "gpu-x")
    scratch = Log(folder / "scratch.csv", {"device": "a device"})
    scratch.add(Row("part", "case", "good", "s", 1.0, 1))
    good = scratch.path.read_text().splitlines(keepends=True)[-1]
    Log(files.csv, {}).add_facts({"device": "a device"})
    command = [sys.executable, "-c", WORKER, str(folder), way, good]
    return supervise(command, files, time.time() + deadline_s, 200.0, once_it_hangs(files, later_s)), files


@pytest.mark.parametrize(
    ("way", "why"),
    [("crash", "by signal 11"), ("hang", "nothing happened for 200 s"), ("exit", "with status 3")],
)
def test_the_step_at_fault_is_passed_over(tmp_path: Path, way: str, why: str) -> None:
    status, files = run(tmp_path, way, 10_000.0, 201.0 if way == "hang" else 0.0)
    assert status == 0
    results = Results.read(files.csv)
    assert results.values("part", "case", "good") == [1.0]
    (row,) = results.of("part", "failed")
    assert (row.case, row.variant) == ("case", "bad")
    assert why in row.note
    assert not files.journal.exists()


def test_a_worker_that_never_begins_is_not_started_for_ever(tmp_path: Path) -> None:
    files = Files(tmp_path, "gpu-x")
    marks = tmp_path / "starts"
    program = f"open({str(marks)!r}, 'a').write('x'); raise SystemExit(9)"
    assert supervise([sys.executable, "-c", program], files, time.time() + 60, 30.0) == INCOMPLETE
    assert marks.read_text() == "x"
    assert Results.read(files.csv).of("part", "failed")


def test_the_run_ends_when_its_time_is_over(tmp_path: Path) -> None:
    status, files = run(tmp_path, "hang", 100.0, 150.0)
    assert status == 0  # the step that hung is passed over: the second worker has little left to do
    (row,) = Results.read(files.csv).of("part", "failed")
    assert "the time was over" in row.note
    assert not files.journal.exists()
