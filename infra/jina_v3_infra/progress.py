"""What a person sees of work that takes its time: lines, and of bytes that move a bar. Knows not what moves them."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

_LINES = 10  # how many a log gets, where no bar can be drawn
_LEAST_BYTES = 1_000_000  # less is done before anybody has read of it


def open_console(*, enabled: bool = True) -> Console:
    """Return what writes lines to standard error as they are: other programs' output is no markup."""
    return Console(file=sys.stderr, quiet=not enabled, highlight=False, markup=False, emoji=False, soft_wrap=True)


class ByteProgress:
    """Total bytes of a fetch or an upload: a bar on a terminal, a few plain lines elsewhere; nothing of what is small.

    ``verb`` says in those lines what happened to the bytes.

    **Units**: bytes.
    """

    def __init__(self, total_bytes: int, name: str, *, verb: str, enabled: bool = True) -> None:
        console = Console(file=sys.stderr)
        enabled = enabled and total_bytes >= _LEAST_BYTES
        self._total_bytes = total_bytes
        self._verb = verb
        self._done_bytes = 0
        self._next_line_bytes = 0.0
        self._line_console = console if enabled and not console.is_terminal else None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not enabled or not console.is_terminal,
        )
        self._task = self._bar.add_task(name, total=total_bytes)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, count_bytes: int) -> None:
        """Count bytes in; a negative number takes back bytes that were thrown away."""
        self._done_bytes += count_bytes
        self._bar.update(self._task, completed=self._done_bytes)
        if self._line_console is not None and count_bytes > 0 and self._done_bytes >= self._next_line_bytes:
            self._next_line_bytes = min(self._done_bytes + self._total_bytes / _LINES, self._total_bytes)
            self._line_console.print(
                f"{self._verb} {self._done_bytes / 1e6:,.1f} of {self._total_bytes / 1e6:,.1f} MB", highlight=False
            )
