"""From times to a table: the targets with reached or not, the ratios, and every single time as CSV."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import cases, include
from benchmarks.cases import Measurement

NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on a median ratio: how many times longer ``slow`` takes than ``fast`` in one round.

    ``slow`` may be the beginning of several variants' names: then the fastest of them counts, the hardest to beat.
    """

    title: str
    case: str
    slow: str
    fast: str
    bound: float
    at_most: bool = False

    def is_reached(self, ratio: float) -> bool:
        """Say whether a measured ratio keeps the bound."""
        return ratio <= self.bound if self.at_most else ratio >= self.bound

    def wanted(self) -> str:
        """Return the bound as text."""
        return f"{'≤' if self.at_most else '≥'}{self.bound:g}×"


TARGETS = (
    Target(
        "64 mixed texts, faster than sentence-transformers at batch 32",
        "mixed-64",
        cases.peer_name(cases.PEER_BATCH),
        cases.OURS,
        4.0,
    ),
    Target("… at its best batch size", "mixed-64", cases.SENTENCE_TRANSFORMERS, cases.OURS, 1.6),
    Target(
        "512 mixed texts, faster than sentence-transformers at its best",
        "mixed-512",
        cases.SENTENCE_TRANSFORMERS,
        cases.OURS,
        1.3,
    ),
    Target(
        "one 16-token query, faster than sentence-transformers",
        "query-16",
        cases.SENTENCE_TRANSFORMERS,
        cases.OURS,
        1.6,
    ),
    Target("share of a plain matrix product's rate", "mixed-64", cases.PLAIN_PRODUCT, cases.OURS, 0.75),
    Target("… of oneDNN's packed product, the faster of the two", "mixed-64", cases.PACKED_PRODUCT, cases.OURS, 0.75),
    Target("five-task mix, time against one task", "tasks-2000", cases.FIVE_TASKS, cases.ONE_TASK, 1.15, at_most=True),
)


def strongest(measurement: Measurement, prefix: str, fast: str) -> str | None:
    """Return the variant whose name begins with ``prefix`` and whose median ratio to ``fast`` is smallest."""
    timings = measurement.timings
    ratios = {
        name: ratio
        for name in timings.seconds
        if (name == prefix or name.startswith(f"{prefix}, "))
        and (ratio := timings.median_ratio(name, fast)) is not None
    }
    return min(ratios, key=ratios.__getitem__) if ratios else None


def target_rows(measurements: Sequence[Measurement], targets: Sequence[Target] = TARGETS) -> list[list[str]]:
    """Return one row a target and measurement, or one that says it was not measured."""
    rows = []
    for target in targets:
        found = [m for m in measurements if m.case == target.case]
        rated = [(m, slow) for m in found if (slow := strongest(m, target.slow, target.fast))]
        for measurement, slow in rated:
            median = measurement.timings.median_ratio(slow, target.fast) or 0.0
            best = measurement.timings.best_ratio(slow, target.fast) or 0.0
            where = f"{measurement.dtype}, {measurement.layers} layers"
            verdict = "reached" if target.is_reached(median) else "**not reached**"
            rows.append([target.title, where, slow, target.wanted(), f"{median:.2f}×", f"{best:.2f}×", verdict])
        if not rated:
            rows.append([target.title, "", "", target.wanted(), "", "", NOT_MEASURED])
    return rows


def ratio_rows(measurement: Measurement) -> list[list[str]]:
    """Return one row a variant: how its time compares with ours, or with one task's where tasks are compared."""
    fast = cases.OURS if cases.OURS in measurement.timings.seconds else cases.ONE_TASK
    where = [measurement.case, str(measurement.layers), measurement.dtype]
    rows = []
    for name in measurement.timings.seconds:
        median = measurement.timings.median_ratio(name, fast)
        best = measurement.timings.best_ratio(name, fast)
        if name == fast or median is None or best is None:
            continue
        error = measurement.errors.get(name)
        rounds = str(len(measurement.timings.ratios(name, fast)))
        shown = f"{error:.1e}" if error is not None else ""
        rows.append([*where, name, fast, f"{median:.2f}×", f"{best:.2f}×", rounds, shown])
    return rows


def markdown(title: str, facts: Mapping[str, str], measurements: Sequence[Measurement]) -> str:
    """Return the whole report."""
    lines = [f"# {title}", "", *(f"- {name}: {value}" for name, value in facts.items()), ""]
    lines += ["## Targets", ""]
    lines += table(["target", "where", "against", "wanted", "median", "best", "verdict"], target_rows(measurements))
    lines += ["", "## All ratios", ""]
    header = ["case", "layers", "precision", "variant", "time against", "median", "best", "rounds", "1−cos, worst"]
    lines += table(header, [row for m in measurements for row in ratio_rows(m)])
    lines += ["", "1−cos is each variant's worst text against transformers' native class in the same precision"]
    ours = [
        f"{m.case}, {m.layers} layers, {m.dtype}: {m.errors[cases.OURS]:.1e}"
        for m in measurements
        if cases.OURS in m.errors
    ]
    lines += [f"(ours: {'; '.join(ours)}).", ""]
    return "\n".join(lines)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a markdown table."""
    marks = ["---"] * len(header)
    return [f"| {' | '.join(cells)} |" for cells in (header, marks, *rows)]


def raw_csv(facts: Mapping[str, str], measurements: Sequence[Measurement]) -> str:
    """Return every single time, so that any other statistic can be drawn from the run."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["date", "commit", "case", "layers", "dtype", "texts", "tokens", "variant", "round", "seconds", "work"]
    )
    for m in measurements:
        for name, times in m.timings.seconds.items():
            common = [facts["date"], facts["commit"], m.case, m.layers, m.dtype, m.texts, m.tokens, name]
            work = f"{m.timings.work[name]:.6g}"
            writer.writerows(
                [*common, index, f"{seconds:.6f}", work]
                for index, seconds in enumerate(times, 1)
                if seconds is not None
            )
    return out.getvalue()


def results_folder(out: Path | None, cache: Path, *, partial: bool) -> Path:
    """Return where a run's results go: the folder asked for, or the committed one if the run was a whole one."""
    return out or (cache / "partial" if partial else include.HERE / "results")


def show_report(path: Path, text: str) -> None:
    """Print a report that has been written, and put it into the README if it is among the committed ones."""
    if path.parent == include.HERE / "results":
        include.main()
    print(text)
    print(f"written to {path} and its .csv", file=sys.stderr)


def write_report(folder: Path, stem: str, text: str, raw: str) -> Path:
    """Write ``stem.md`` and ``stem.csv`` into ``folder`` and return the first."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.csv").write_text(raw)
    path = folder / f"{stem}.md"
    path.write_text(text)
    return path
