"""Which steps of a run were begun and how they ended, in a file: what a process that died leaves to the next one."""

from __future__ import annotations

from pathlib import Path

OK, FAILED = "ok", "failed"
_BEGUN = "begun"


class Journal:
    """Steps by key; they may lie inside one another, and the last one begun ends first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._outcomes: dict[str, str] = {}
        self._open: list[str] = []
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            outcome, _, key = line.partition(" ")
            self._note(outcome, key)

    def begin(self, key: str) -> None:
        """Write down that a step begins."""
        self._write(_BEGUN, key)

    def end(self, key: str, outcome: str) -> None:
        """Write down how it ended."""
        self._write(outcome, key)

    def outcome(self, key: str) -> str | None:
        """Return ``ok`` or ``failed``, or ``None`` for a step that has not ended."""
        found = self._outcomes.get(key)
        return found if found in (OK, FAILED) else None

    def last_open(self) -> str | None:
        """Return the innermost step that was begun and has not ended: where a process died."""
        return self._open[-1] if self._open else None

    def _write(self, outcome: str, key: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{outcome} {key}\n")
        self._note(outcome, key)

    def _note(self, outcome: str, key: str) -> None:
        self._outcomes[key] = outcome
        self._open = [one for one in self._open if one != key]
        if outcome == _BEGUN:
            self._open.append(key)
