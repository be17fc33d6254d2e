"""What the GPU benchmark writes down: one CSV row a figure, written as it comes, and all that a report needs.

A run that is killed leaves the rows it had; reports and pictures are made from the rows alone.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from benchmarks.timing import Timings

SECONDS = "s"
FAILED, ABSENT, CUT, FACT = "failed", "absent", "cut", "fact"
_COMMON = ("date", "commit", "device", "precision")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, or in ``note`` why there is none.

    ``unit`` says what ``value`` is; ``work`` is what the time was spent on (FLOP or bytes), ``index`` the round.
    """

    part: str
    case: str
    variant: str
    unit: str
    value: float | None = None
    index: int = 0
    tokens: int = 0
    work: float = 1.0
    note: str = ""


_FIELDS = tuple(field.name for field in fields(Row))


class Log:
    """The CSV file of a run, appended to row by row."""

    def __init__(self, path: Path, common: Mapping[str, str]) -> None:
        self.path = path
        self._common = [common.get(name, "") for name in _COMMON]
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write([(*_COMMON, *_FIELDS)])
        elif not path.read_bytes().endswith(b"\n"):  # a process was killed while it wrote
            with path.open("a", encoding="utf-8") as file:
                file.write("\n")

    def add(self, *rows: Row) -> None:
        """Append, and hand over to the system: what is written survives the process."""
        self._write([(*self._common, *(_shown(getattr(row, name)) for name in _FIELDS)) for row in rows])

    def add_facts(self, facts: Mapping[str, str], case: str = "run") -> None:
        """Append what a reader must know to judge the figures."""
        self.add(*(Row("facts", case, name, FACT, note=value) for name, value in facts.items()))

    def add_timings(self, part: str, case: str, tokens: int, timings: Timings) -> None:
        """Append every time of every round."""
        self.add(
            *(
                Row(part, case, name, SECONDS, seconds, index, tokens, timings.work[name])
                for name, times in timings.seconds.items()
                for index, seconds in enumerate(times, 1)
                if seconds is not None
            )
        )

    def _write(self, lines: Iterable[Iterable[str]]) -> None:
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(lines)


def _shown(value: str | float | None) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Results:
    """The rows of a run, asked for by what they measure."""

    rows: tuple[Row, ...]

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read a CSV; a last line that a killed process left unfinished is passed over."""
        rows = []
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                try:
                    rows.append(_parsed(line))
                except (TypeError, ValueError):
                    continue
        return cls(tuple(rows))

    def of(self, part: str, *units: str) -> list[Row]:
        """Return a part's rows, of the units named or of all."""
        return [row for row in self.rows if row.part == part and (not units or row.unit in units)]

    def cases(self, part: str) -> list[str]:
        """Return the cases of a part that have times, in order."""
        return list(dict.fromkeys(row.case for row in self.of(part, SECONDS)))

    def tokens(self, part: str, case: str) -> int:
        """Return how many tokens one run of the case has."""
        return next((row.tokens for row in self.of(part, SECONDS) if row.case == case), 0)

    def timings(self, part: str, case: str) -> Timings:
        """Return a case's times by variant and round."""
        found = [row for row in self.of(part, SECONDS) if row.case == case]
        rounds = max((row.index for row in found), default=0)
        timings = Timings()
        for row in found:
            timings.seconds.setdefault(row.variant, [None] * rounds)[row.index - 1] = row.value
            timings.work[row.variant] = row.work
        return timings

    def values(self, part: str, case: str, variant: str, unit: str = SECONDS) -> list[float]:
        """Return one variant's values."""
        return [
            row.value
            for row in self.of(part, unit)
            if row.case == case and row.variant == variant and row.value is not None
        ]

    def facts(self, case: str = "run") -> dict[str, str]:
        """Return the facts, the last of each name."""
        return {row.variant: row.note for row in self.of("facts", FACT) if row.case == case}


def _parsed(line: Mapping[str, str]) -> Row:
    return Row(
        part=line["part"],
        case=line["case"],
        variant=line["variant"],
        unit=line["unit"],
        value=float(line["value"]) if line["value"] else None,
        index=int(line["index"]),
        tokens=int(line["tokens"]),
        work=float(line["work"]),
        note=_text(line["note"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("the line ends before its last field")
    return value
