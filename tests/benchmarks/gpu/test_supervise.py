"""The worker that crashes, hangs or loses the device is replaced; the step at fault is named."""

import sys
import time
from pathlib import Path

import pytest
from benchmarks.gpu import supervise as supervise_module
from benchmarks.gpu.options import INCOMPLETE
from benchmarks.gpu.rows import Results
from benchmarks.gpu.supervise import Files, supervise

# a worker of two steps that never ends the first: it has no session, which would load torch first
WORKER = """
import os, signal, sys, time
from pathlib import Path
from benchmarks.gpu.journal import Journal
from benchmarks.gpu.rows import Log, Row
folder, way = Path(sys.argv[1]), sys.argv[2]
log = Log(folder / "gpu-x.csv", {"device": "a device"})
log.add_facts({"device": "a device"})
journal = Journal(folder / "gpu-x.journal")
journal.begin("part/case/")
if journal.outcome("part/case/bad") is None:
    journal.begin("part/case/bad")
    if way == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if way == "hang":
        time.sleep(600)
    sys.exit(3)
log.add(Row("part", "case", "good", "s", 1.0, 1))
"""


def run(folder: Path, way: str, stall_s: float = 60.0) -> tuple[int, Files]:
    files = Files(folder, "gpu-x")
    status = supervise([sys.executable, "-c", WORKER, str(folder), way], files, time.time() + 100, stall_s)
    return status, files


@pytest.mark.parametrize(
    ("way", "why", "stall_s"),
    [("crash", "by signal 11", 60.0), ("hang", "nothing happened for 8 s", 8.0), ("exit", "with status 3", 60.0)],
)
def test_the_step_at_fault_is_passed_over(tmp_path: Path, way: str, why: str, stall_s: float) -> None:
    status, files = run(tmp_path, way, stall_s)
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


def test_the_run_ends_when_its_time_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise_module, "_OVERTIME_S", 0.0)
    files = Files(tmp_path, "gpu-x")
    command = [sys.executable, "-c", WORKER, str(tmp_path), "hang"]
    begun = time.time()
    assert supervise(command, files, begun + 8, 600.0) == INCOMPLETE
    (row,) = Results.read(files.csv).of("part", "failed")
    assert "the time was over" in row.note
    assert not files.journal.exists()
