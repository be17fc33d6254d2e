"""How far a run is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

State = Literal["running", "succeeded", "failed", "stopped"]
Phase = Literal["planning", "cutting", "embedding", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStatus:
    """A run as far as it is known; ``None`` is what nobody knows (yet).

    ``outcome`` is the report's: ``complete``, ``incomplete``, ``refused``, ``failed`` or ``dry_run``; ``reason`` says
    why a run failed. ``records`` is an estimate until the run has ended. ``jobs`` are transform jobs or, while files
    are cut, pieces.

    >>> print(BatchStatus(name="docs-1", state="running", phase="embedding", jobs=4, jobs_done=1, records_done=20_000))
    docs-1: embedding, 1 of 4 jobs done, 20,000 records verified
    """

    name: str
    state: State
    phase: Phase | None = None
    started: datetime | None = None
    ended: datetime | None = None
    outcome: str | None = None
    reason: str = ""
    files: int | None = None
    files_done: int | None = None
    records: int | None = None
    records_done: int | None = None
    records_bad: int | None = None
    jobs: int | None = None
    jobs_done: int | None = None

    @property
    def is_running(self) -> bool:
        """Say whether it goes on."""
        return self.state == "running"

    def __str__(self) -> str:
        parts = [(self.phase if self.is_running else self.outcome) or self.state]
        if self.jobs is not None and self.is_running:
            parts.append(
                f"{self.jobs_done or 0:,} of {self.jobs:,} {'pieces' if self.phase == 'cutting' else 'jobs'} done"
            )
        if self.records_done is not None:
            parts.append(f"{count(self.records_done, 'record')} verified")
        if self.records_bad:
            parts.append(f"{self.records_bad:,} bad")
        return f"{self.name}: {', '.join(parts)}{f' ({self.reason})' if self.reason else ''}"


def count(number: int, noun: str) -> str:
    """Write how many there are: ``1 file``, ``2,000 files``.

    >>> count(1, "file"), count(2000, "file")
    ('1 file', '2,000 files')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
