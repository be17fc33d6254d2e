"""Comparisons as tables: on the terminal, as CSV, as Markdown."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table as Drawn

from evaluation.comparison import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One table: lines of a comparison, the models they are set beside, and what is to be known of it."""

    title: str
    lines: Sequence[Line]
    models: Sequence[str] = ()
    unit: str = "points"
    note: str = ""

    @property
    def header(self) -> list[str]:
        """The columns' names; the measured one comes first, published ones are named as such."""
        compared = ["Δ"] if self.models else []
        return ["", f"measured ({self.unit})", *compared, *(f"published: {model}" for model in self.models), "remark"]

    def cells(self) -> list[list[str]]:
        """Return the lines as texts, an empty one where there is no figure."""
        rows = []
        for line in self.lines:
            compared = ["" if line.difference is None else f"{line.difference:+.2f}"] if self.models else []
            published = [_number(line.published.get(model)) for model in self.models]
            rows.append([line.name, _number(line.measured), *compared, *published, line.remark])
        return rows


def draw(sheet: Sheet, console: Console) -> None:
    """Print for a person; what differs is bold."""
    table = Drawn(title=sheet.title, title_justify="left", caption=sheet.note or None, caption_justify="left")
    for number, name in enumerate(sheet.header):
        last = number == len(sheet.header) - 1
        table.add_column(name, justify="left" if number == 0 or last else "right", overflow="fold")
    for cells, line in zip(sheet.cells(), sheet.lines, strict=True):
        table.add_row(*cells, style="bold" if line.remark.startswith("differs") else None)
    console.print(table)


def to_markdown(sheets: Sequence[Sheet], heading: str) -> str:
    """Return one document of all the sheets."""
    parts = [f"# {heading}\n"]
    for sheet in sheets:
        parts.append(f"## {sheet.title}\n")
        if sheet.note:
            parts.append(f"{sheet.note}\n")
        rows = [sheet.header, [":--", *("--:" for _ in sheet.header[2:]), ":--"], *sheet.cells()]
        parts.append(
            "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows) + "\n"
        )
    return "\n".join(parts)


def write(sheets: Sequence[Sheet], folder: Path, heading: str) -> list[Path]:
    """Write ``comparison.md`` and one ``comparison.csv`` of all sheets. Return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    markdown, table = folder / "comparison.md", folder / "comparison.csv"
    markdown.write_text(to_markdown(sheets, heading), encoding="utf-8")
    models = list(dict.fromkeys(model for sheet in sheets for model in sheet.models))
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["table", "name", "unit", "measured", "difference", *models, "remark"])
        for sheet in sheets:
            for line in sheet.lines:
                published = [_exact(line.published.get(model)) for model in models]
                writer.writerow(
                    [sheet.title, line.name, sheet.unit, _exact(line.measured), _exact(line.difference), *published,
                     line.remark]
                )  # fmt: skip
    return [markdown, table]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _exact(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
