"""A run that outlives its failures: every step is tried, written down, and timed within what time is left."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch

from benchmarks.agreement import Vectors
from benchmarks.gpu.journal import FAILED, OK, Journal
from benchmarks.gpu.rows import ABSENT, CUT, Log, Results, Row
from benchmarks.gpu.rows import FAILED as FAILED_ROW
from benchmarks.timing import Timings, Variant, interleave

T = TypeVar("T")
_LEAST_S = 0.5
"""A case that would get less time than this is cut."""


class UnavailableError(RuntimeError):
    """What is to be measured cannot be had here, which is no failure: a package or a kernel that is not there."""


class DeviceLostError(RuntimeError):
    """The device answers with errors only since a kernel failed; a new process is needed."""


@dataclass(slots=True)
class Session:
    """Where results go, on which device, and until when. ``deadline`` is of :func:`time.time`."""

    log: Log
    journal: Journal
    device: torch.device
    deadline: float
    clock: Callable[[], float] = time.time
    progress: Callable[[str], None] = field(default=lambda message: print(message, file=sys.stderr, flush=True))

    def attempt(self, part: str, case: str, variant: str, run: Callable[[], T]) -> T | None:
        """Run a step; an error is written down and gives ``None``, and so does a step that failed before.

        **Raises**: DeviceLostError.
        """
        key = f"{part}/{case}/{variant}"
        if self.journal.outcome(key) == FAILED:
            return None
        self.journal.begin(key)
        try:
            result = run()
            self.synchronize()
        except DeviceLostError:
            raise
        except UnavailableError as reason:
            self.log.add(Row(part, case, variant, ABSENT, note=first_line(reason)))
            self.journal.end(key, FAILED)
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, the other steps are worth having
            note = f"{type(error).__name__}: {first_line(error)}"
            self._write_failure(part, case, variant, note)
        else:
            self.journal.end(key, OK)
            return result
        self.journal.end(key, FAILED)
        self._recover()
        return None

    def give_up(self, part: str, case: str, variant: str, note: str) -> None:
        """Write down that a variant which had been warmed up failed later. **Raises**: DeviceLostError."""
        self._write_failure(part, case, variant, note)
        self.journal.end(f"{part}/{case}/{variant}", FAILED)
        self._recover()

    def _write_failure(self, part: str, case: str, variant: str, note: str) -> None:
        self.progress(f"  failed: {part}/{case}/{variant}: {note}")
        self.log.add(Row(part, case, variant, FAILED_ROW, note=note))

    def case(self, part: str, case: str, limit_s: float, run: Callable[[], None]) -> None:
        """Run a case that writes its own rows, if no earlier process has ended it and there is time."""
        if self.journal.outcome(f"{part}/{case}/") is not None:
            return
        if limit_s < _LEAST_S:
            self.log.add(Row(part, case, "", CUT, note="no time was left for it"))
            return
        self.progress(f"{part}: {case} ({limit_s:.0f} s)")
        self.attempt(part, case, "", run)

    def limits(self, until: float, weights: Sequence[float]) -> Iterator[float]:
        """Share the time until ``until`` out over cases by weight: what one leaves over is the next ones'."""
        left = sum(weights)
        for weight in weights:
            yield max(0.0, min(until, self.deadline) - self.clock()) * weight / left
            left -= weight

    def rounds(
        self,
        part: str,
        case: str,
        tokens: int,
        variants: Sequence[Variant],
        *,
        most: int,
        limit_s: float,
        inspect: Callable[[str, Vectors], None] | None = None,
    ) -> Timings:
        """Warm each variant up, time those that ran in rounds, and write all times down.

        ``inspect`` sees the vectors of a variant's warm-up; one that it raises for is not timed.
        """
        begun = self.clock()
        runnable = [
            variant
            for variant in variants
            if self.attempt(part, case, variant.name, self._warming(variant, inspect)) is not None
        ]
        guards = [_Guard(variant, self, part, case) for variant in runnable]
        guarded = [Variant(guard.name, guard.run, guard.variant.work, guard.variant.max_rounds) for guard in guards]
        left = max(0.0, limit_s - (self.clock() - begun))
        timings = interleave(guarded, most, limit_s=left, min_rounds=min(2, most), label=f"{part}: {case}")
        for guard in guards:
            if guard.error is not None:
                times = timings.seconds[guard.name]
                timings.seconds[guard.name] = [None if i >= guard.runs else t for i, t in enumerate(times)]
        self.log.add_timings(part, case, tokens, timings)
        return timings

    def results(self) -> Results:
        """Return all that has been written so far, by earlier processes too."""
        return Results.read(self.log.path)

    def synchronize(self) -> None:
        """Wait for the device, so that a kernel's error is found where it belongs."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def settled(self, run: Callable[[], T]) -> Callable[[], T]:
        """Wait for the device after each run, so that wall time is the device's time."""

        def settled() -> T:
            result = run()
            self.synchronize()
            return result

        return settled

    def _warming(self, variant: Variant, inspect: Callable[[str, Vectors], None] | None) -> Callable[[], bool]:
        def warm() -> bool:
            vectors = variant.run()
            if vectors is not None and inspect is not None:
                inspect(variant.name, vectors)
            variant.run()
            return True

        return warm

    def _recover(self) -> None:
        if self.device.type != "cuda":
            return
        gc.collect()  # what a failed step held of the device
        try:
            torch.cuda.synchronize(self.device)
            torch.cuda.empty_cache()
        except RuntimeError as error:
            raise DeviceLostError(first_line(error)) from error


class _Guard:
    """A variant that stays out of the rounds once it has failed in one."""

    def __init__(self, variant: Variant, session: Session, part: str, case: str) -> None:
        self.variant, self.name, self._session = variant, variant.name, session
        self._part, self._case = part, case
        self.runs = 0
        self.error: str | None = None

    def run(self) -> Vectors | None:
        if self.error is not None:
            return None
        try:
            vectors = self.variant.run()
            self._session.synchronize()
        except Exception as error:  # noqa: BLE001 - the other variants are worth having
            self.error = f"{type(error).__name__}: {first_line(error)}"
        if self.error is not None:
            self._session.give_up(self._part, self._case, self.name, self.error)
            return None
        self.runs += 1
        return vectors


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message that says anything."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")[:300]
