"""What a person sees: colour and tables on a terminal, plain lines in a pipe; knows nothing of what is said."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Final, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jina_v3_infra.deploy.findings import Finding, Verdict

_STYLES: Final = {Verdict.RIGHT: "green", Verdict.WRONG: "bold red", Verdict.UNSURE: "yellow"}


class Screen:
    """Standard output, and errors on standard error."""

    def __init__(self, out: TextIO | None = None, errors: TextIO | None = None) -> None:
        self._console = Console(file=out or sys.stdout, highlight=False)
        self._errors = Console(file=errors or sys.stderr, highlight=False)

    @property
    def is_terminal(self) -> bool:
        """Say whether a person is there to see colours and to be asked."""
        return self._console.is_terminal and sys.stdin.isatty()

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line; it is not cut or wrapped, so that what it names can be copied."""
        self._console.print(Text(text, style=style), soft_wrap=True)
        self._console.file.flush()  # what a child prints comes after it

    def complain(self, text: str) -> None:
        """Print an error."""
        self._errors.print(Text(text, style="red"), soft_wrap=True)

    def ask(self, question: str) -> bool:
        """Ask for a yes; nothing and everything else is a no."""
        self._console.print(Text(f"{question} [y/N] "), end="", soft_wrap=True)
        try:
            return input().strip().lower() in ("y", "yes")
        except EOFError:
            return False

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """Print one line a check, and the fix beneath where there is one."""
        if not self._console.is_terminal:
            for finding in findings:
                self.say(f"{finding.verdict} {finding.check}: {finding.sentence}")
                if finding.fix:
                    self.say(f"  fix: {finding.fix}")
            return
        table = Table(box=None, show_header=False, padding=(0, 1))
        for finding in findings:
            style = _STYLES[finding.verdict]
            table.add_row(Text(finding.verdict, style=style), Text(finding.check), Text(finding.sentence))
            if finding.fix:
                table.add_row("", "", Text(finding.fix, style="dim"))
        self._console.print(table)

    def show_lines(self, lines: Iterable[str]) -> None:
        """Print lines, set in a little."""
        for line in lines:
            self.say(f"  {line}")
