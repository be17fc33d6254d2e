"""How far a long call is: a bar for a person at a terminal, a function for a program, and nothing for a pipe."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from jina_v3_client.errors import InvalidInputError

if TYPE_CHECKING:
    from jina_v3_client.protocols import Progress

_LONG_S: Final = 1.0
"""What takes less shows no bar unless one was asked for."""

_ONE_AT_A_TIME: Final = threading.Lock()
"""Two bars of two threads would overwrite each other: the second shows none."""


@contextmanager
def reported(progress: Progress | None, total: int | None) -> Iterator[Callable[[int], None]]:
    """Give a function that is told how many texts are done; the bar goes when the work ends.

    ``progress=True`` shows the bar at once rather than when the work turns out to be long; where standard error is no
    terminal there is none in any case.

    >>> with reported(lambda done, total: print(done, "of", total), 3) as reach:
    ...     reach(1)
    ...     reach(3)
    1 of 3
    3 of 3
    """
    if progress is not None and not isinstance(progress, bool) and not callable(progress):
        raise InvalidInputError(
            f"progress is {progress!r}; it must be True, False or a function of two numbers",
            code="wrong_type",
            field="progress",
            value=progress,
            allowed=[True, False, "a function"],
        )
    if callable(progress):
        yield _Count(progress, total).reach
    elif progress is False or sys.stderr is None or not sys.stderr.isatty():
        yield _nothing
    else:
        bar = _Bar(total, after_s=0.0 if progress else _LONG_S)
        try:
            yield bar.reach
        finally:
            bar.end()


def _nothing(done: int) -> None:
    del done


class _Count:
    def __init__(self, tell: Callable[[int, int | None], None], total: int | None) -> None:
        self._tell, self._total, self._done = tell, total, 0

    def reach(self, done: int) -> None:
        if done != self._done:
            self._done = done
            self._tell(done, self._total)


class _Bar:
    """Drawn by whoever has got on, at most ten times a second: it needs no thread."""

    def __init__(self, total: int | None, *, after_s: float) -> None:
        self._total = total
        self._next_s = time.monotonic() + after_s
        self._end: Callable[[], None] | None = None
        self._draw: Callable[[int], None] | None = None

    def reach(self, done: int) -> None:
        now_s = time.monotonic()
        if now_s < self._next_s or (self._draw is None and done == self._total):
            return
        self._next_s = now_s + 0.1
        if self._draw is None and _ONE_AT_A_TIME.acquire(blocking=False):
            self._open()
        if self._draw is not None:
            self._draw(done)

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        shown = Progress(
            TextColumn("embedding"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,  # what the program prints goes where it wants it to go
            redirect_stderr=False,
        )
        task = shown.add_task("", total=self._total)
        shown.start()
        self._end = shown.stop
        self._draw = lambda done: shown.update(task, completed=done, refresh=True)

    def end(self) -> None:
        if self._end is not None:
            self._end()
            _ONE_AT_A_TIME.release()
