"""What a person sees: colour and tables on a terminal, plain lines in a pipe; knows nothing of what is said."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_CONTROLS: Final = dict.fromkeys((*range(0x20), 0x7F, *range(0x80, 0xA0), 0x2028, 0x2029), " ")


class Screen:
    """Standard output for what was asked for, standard error for everything else."""

    def __init__(self) -> None:
        self._out = Console(file=sys.stdout, highlight=False)
        self._errors = Console(file=sys.stderr, highlight=False)

    @property
    def is_terminal(self) -> bool:
        """Say whether what is printed is seen by a person."""
        return self._out.is_terminal

    @property
    def is_watched(self) -> bool:
        """Say whether what is noted is seen by a person."""
        return self._errors.is_terminal

    def say(self, text: str, style: str = "") -> None:
        """Print a line; it is not cut or wrapped, so that what it names can be copied."""
        self._out.print(Text(text, style=style), soft_wrap=True)
        sys.stdout.flush()  # what takes its time is told as it comes, in a pipe too

    def say_finding(self, sign: str, style: str, check: str, sentence: str, fix: str) -> None:
        """Print how a check ended, its sign in colour, and the fix beneath it."""
        self._out.print(Text.assemble((sign, style), f" {check + ':':<13} {sentence}"), soft_wrap=True)
        if fix:
            self._out.print(Text.assemble(f"  {'fix:':<13} ", (fix, "bold")), soft_wrap=True)
        sys.stdout.flush()

    def note(self, text: str, style: str = "dim") -> None:
        """Print a line beside the output."""
        self._errors.print(Text(text, style=style), soft_wrap=True)

    def complain(self, text: str) -> None:
        """Print an error."""
        self.note(f"jina-v3: {text}", style="red")

    def show_json(self, value: Any) -> None:
        """Print a value for programs."""
        sys.stdout.write(json.dumps(value, indent=2 if self.is_terminal else None, default=str) + "\n")

    def show_table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], whole: str = "") -> None:
        """Print a table: with its head on a terminal, as tab-separated values in a pipe.

        Where it is too wide cells have several lines, but for those of the column ``whole``, which can be copied.
        """
        if not self.is_terminal:
            for row in rows:
                sys.stdout.write("\t".join(in_one_line(cell) for cell in row) + "\n")
            return
        table = Table(title=Text(in_one_line(title)) if title else None, title_justify="left", box=box.SIMPLE_HEAD)
        for column in columns:
            table.add_column(column, overflow="fold", no_wrap=column == whole)
        for row in rows:
            table.add_row(*(Text(in_one_line(cell)) for cell in row))
        self._out.print(table)


def in_one_line(text: str) -> str:
    """Return a text without what would move a terminal's cursor or end a table's cell."""
    return text.translate(_CONTROLS)
