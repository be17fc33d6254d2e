"""Targets and tables from known times."""

import csv
import io
from pathlib import Path

import pytest
from benchmarks import cases, include
from benchmarks.cases import Measurement
from benchmarks.report import TARGETS, markdown, ratio_rows, raw_csv, strongest, target_rows
from benchmarks.timing import Timings

FACTS = {"date": "2026-01-02", "commit": "abc1234", "processor": "a processor"}


def measurement(case: str, seconds: dict[str, list[float | None]], work: dict[str, float] | None = None) -> Measurement:
    timings = Timings(seconds, dict.fromkeys(seconds, 1.0) | (work or {}))
    return Measurement(case, 24, "float32", 64, 5439, timings, {cases.OURS: 2e-13})


MIXED = measurement(
    "mixed-64",
    {
        cases.OURS: [1.0, 1.0, 2.0],
        cases.peer_name(32): [4.5, 4.4, 9.2],
        cases.peer_name(8): [1.7, 1.5, 3.0],
        cases.peer_name(4): [1.9, 1.9, 3.8],
        cases.PLAIN_PRODUCT: [0.08, 0.08, 0.16],
    },
    {cases.OURS: 100.0, cases.PLAIN_PRODUCT: 10.0, **{cases.peer_name(size): 100.0 for size in (32, 8, 4)}},
)
TASKS = measurement("tasks-2000", {cases.BASE: [0.9], cases.ONE_TASK: [1.0], cases.FIVE_TASKS: [1.15]})


def rows_by_title(*measurements: Measurement) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in target_rows(measurements)}


def test_each_target_is_judged_by_the_median() -> None:
    rows = rows_by_title(MIXED, TASKS)
    where = "float32, 24 layers"
    batch_32, best, _, _, share, packed, tasks = rows.values()
    assert packed[-1] == "not measured"
    assert batch_32 == [where, cases.peer_name(32), "≥4×", "4.50×", "4.40×", "reached"]
    # the batch size hardest to beat counts, not the one with the fewest seconds in some round
    assert best == [where, cases.peer_name(8), "≥1.6×", "1.50×", "1.50×", "**not reached**"]
    assert share == [where, cases.PLAIN_PRODUCT, "≥0.75×", "0.80×", "0.80×", "reached"]
    assert tasks == [where, cases.FIVE_TASKS, "≤1.15×", "1.15×", "1.15×", "reached"]


def test_what_was_not_measured_is_said() -> None:
    rows = rows_by_title(TASKS)
    assert sum(row[-1] == "not measured" for row in rows.values()) == len(TARGETS) - 1
    without_peers = measurement("mixed-64", {cases.OURS: [1.0], cases.PLAIN_PRODUCT: [0.9]})
    first, best, *_ = rows_by_title(without_peers).values()
    assert (first[-1], best[-1]) == ("not measured", "not measured")


def test_a_batch_32_target_is_not_met_by_another_batch_size() -> None:
    only_320 = measurement("mixed-64", {cases.OURS: [1.0], f"{cases.SENTENCE_TRANSFORMERS}, batch 320": [9.0]})
    assert strongest(only_320, cases.peer_name(32), cases.OURS) is None


def test_an_upper_bound_is_missed_above_it() -> None:
    slow = measurement("tasks-2000", {cases.ONE_TASK: [1.0], cases.FIVE_TASKS: [1.16]})
    assert rows_by_title(slow)["five-task mix, time against one task"][-1] == "**not reached**"


def test_tables_and_csv_hold_everything() -> None:
    text = markdown("Measured", FACTS, [MIXED, TASKS])
    for wanted in ("2026-01-02", "a processor", "## Targets", "sentence-transformers, batch 4", "2.0e-13"):
        assert wanted in text
    assert len(ratio_rows(MIXED)) == 4
    assert [row[3] for row in ratio_rows(TASKS)] == [cases.BASE, cases.FIVE_TASKS]
    rows = list(csv.DictReader(io.StringIO(raw_csv(FACTS, [MIXED, TASKS]))))
    assert len(rows) == 15 + 3
    assert rows[0]["commit"] == "abc1234"
    ours = [float(row["seconds"]) for row in rows if row["variant"] == cases.OURS]
    assert ours == pytest.approx([1.0, 1.0, 2.0])


def test_readme_shows_what_was_measured(tmp_path: Path) -> None:
    readme = "before\n<!-- results/a.md -->\nold\n<!-- end -->\nbetween\n<!-- results/b.md -->\n<!-- end -->\n"
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.md").write_text("# Measured\n\n## Targets\n")
    text = include.included(readme, tmp_path)
    assert "<!-- results/a.md -->\n### Measured\n\n#### Targets\n<!-- end -->\nbetween" in text
    assert "<!-- results/b.md -->\nNot measured.\n<!-- end -->" in text
    assert include.included(text, tmp_path) == text


def test_committed_readme_agrees_with_the_committed_results() -> None:
    readme = (include.HERE / "README.md").read_text(encoding="utf-8")
    assert include.included(readme, include.HERE) == readme
    assert readme.count("<!-- results/") == 5
