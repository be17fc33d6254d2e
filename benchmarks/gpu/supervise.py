"""Keep the worker going: one that hangs, crashes or loses the device is replaced, and the step at fault passed over."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gpu import report
from benchmarks.gpu.journal import FAILED, Journal
from benchmarks.gpu.options import INCOMPLETE, NO_DEVICE, RESTART, WRONG
from benchmarks.gpu.rows import FAILED as FAILED_ROW
from benchmarks.gpu.rows import Log, Results, Row

_MOST_STARTS = 12
_OVERTIME_S = 20.0
_TABLES_EVERY_S = 15.0


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a run."""

    folder: Path
    stem: str

    @property
    def csv(self) -> Path:
        """Every figure."""
        return self.folder / f"{self.stem}.csv"

    @property
    def markdown(self) -> Path:
        """The tables."""
        return self.folder / f"{self.stem}.md"

    @property
    def png(self) -> Path:
        """The picture."""
        return self.folder / f"{self.stem}.png"

    @property
    def journal(self) -> Path:
        """What was begun and what ended; of no use after the run."""
        return self.folder / f"{self.stem}.journal"

    def clear(self) -> None:
        """Remove what an earlier run left."""
        for path in (self.csv, self.markdown, self.png, self.journal):
            path.unlink(missing_ok=True)

    def write_tables(self, text: str) -> None:
        """Write the tables."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.markdown.write_text(text, encoding="utf-8")


def supervise(
    command: Sequence[str],
    files: Files,
    deadline: float,
    stall_s: float,
    clock: Callable[[], float] = time.time,
) -> int:
    """Run workers until one comes to the end, and return its status. ``deadline`` as :func:`time.time` has it."""
    for start in range(_MOST_STARTS):
        if start and clock() > deadline:
            break
        status, why = _watch(command, files, deadline, stall_s, clock)
        if status in (0, WRONG, NO_DEVICE):
            files.journal.unlink(missing_ok=True)
            return status
        if status != RESTART and not _blame(files, why):
            print(f"the worker ended before its first step: {why}", file=sys.stderr)
            break
    files.journal.unlink(missing_ok=True)
    if not files.csv.exists():
        Log(files.csv, {}).add(Row("part", "start", "", FAILED_ROW, note="the worker could not be started"))
    return INCOMPLETE


def _watch(
    command: Sequence[str], files: Files, deadline: float, stall_s: float, clock: Callable[[], float]
) -> tuple[int, str]:
    """Run one worker to its end, or end it where it hangs; return its status, and in words how it ended."""
    process = subprocess.Popen(command)
    begun = written = clock()
    try:
        while (status := process.poll()) is None:
            time.sleep(0.2)
            now = clock()
            if now - written > _TABLES_EVERY_S and files.csv.exists():
                _write_tables_so_far(files)
                written = now
            moved = max([begun, *(path.stat().st_mtime for path in (files.journal, files.csv) if path.exists())])
            if now > deadline + _OVERTIME_S or now - moved > stall_s:
                why = "the time was over" if now > deadline + _OVERTIME_S else f"nothing happened for {stall_s:g} s"
                process.kill()
                process.wait()
                return -9, f"ended from outside: {why}"
    finally:
        if process.poll() is None:
            process.kill()
    return status, f"the process ended by signal {-status}" if status < 0 else f"the process ended with status {status}"


def _write_tables_so_far(files: Files) -> None:
    try:
        files.write_tables(report.markdown(Results.read(files.csv)))
    except Exception as error:  # noqa: BLE001 - a table that cannot be made must not end the measuring
        print(f"no tables yet: {type(error).__name__}: {error}", file=sys.stderr)


def _blame(files: Files, why: str) -> bool:
    """Write down that the step that was open has failed; return False where none was."""
    if not files.csv.exists() or not files.journal.exists():
        return False
    journal = Journal(files.journal)
    key = journal.last_open()
    if key is None:
        return False
    journal.end(key, FAILED)
    part, case, variant = key.split("/", 2)
    facts = Results.read(files.csv).facts()
    Log(files.csv, facts).add(Row(part, case, variant, FAILED_ROW, note=why))
    print(f"  failed: {key}: {why}", file=sys.stderr)
    return True
