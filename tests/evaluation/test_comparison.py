"""Measured beside published: what is compared, what is not and why, and that published figures fit each other."""

import csv
import json
from itertools import pairwise
from pathlib import Path

import pytest
from evaluation.comparison import (
    NAMED_LANGUAGES,
    TOLERANCE,
    Line,
    Measured,
    by_category,
    by_dimension,
    by_language,
    by_level,
    by_task,
)
from evaluation.figures import FOLDER, NAMES, Row, Table, read_table
from evaluation.mteb.report import sheets
from evaluation.sheets import Sheet, draw, write
from rich.console import Console

TABLE = Table(
    name="t",
    title="T",
    note="n",
    counts={"STS": 2, "Retrieval": 1},
    rows=(
        Row(model="jina-embeddings-v3, paper", source="s", scores={"Average": 70.0, "STS": 80.0, "Retrieval": 50.0}),
        Row(model="rival", source="s", scores={"STS": 90.0}),
    ),
)


def measured(task: str, category: str, score: float, dimension: int = 1024, **more: object) -> Measured:
    return Measured(task=task, category=category, score=score, dimension=dimension, **more)  # type: ignore[arg-type]


def test_all_tasks_of_a_category_are_compared_and_a_difference_is_marked() -> None:
    results = [measured("a", "STS", 80.0), measured("b", "STS", 80.4), measured("c", "Retrieval", 49.0)]
    average, sts, retrieval = by_category(results, TABLE)
    assert (sts.measured, sts.difference, sts.remark) == (pytest.approx(80.2), pytest.approx(0.2), "")
    assert sts.published == {"jina-embeddings-v3, paper": 80.0, "rival": 90.0}
    assert retrieval.difference == pytest.approx(-1.0)
    assert retrieval.remark == f"differs by more than {TOLERANCE:g}"
    assert average.measured == pytest.approx((80.0 + 80.4 + 49.0) / 3)  # of tasks, not of categories


def test_a_part_of_a_category_is_not_compared() -> None:
    average, sts, retrieval = by_category([measured("a", "STS", 20.0)], TABLE)
    assert (sts.difference, sts.remark) == (None, "not comparable: 1 of 2 tasks")
    assert (average.difference, average.remark) == (None, "not comparable: 1 of 3 tasks")
    assert (retrieval.measured, retrieval.difference, retrieval.remark) == (None, None, "")


def test_a_task_in_some_of_its_languages_is_not_compared() -> None:
    results = [measured("a", "STS", 80.0, whole=False), measured("b", "STS", 80.0), measured("c", "Retrieval", 50.0)]
    _, sts, retrieval = by_category(results, TABLE)
    assert sts.remark == "not comparable: 1 of the tasks in part"
    assert retrieval.difference == 0.0


def test_cut_vectors_are_not_compared_with_whole_ones() -> None:
    short = [measured("STSBenchmark", "STS", 89.0, 256, subsets={"default": 89.0})]
    (task,) = by_task(short, [read_table("mteb_tasks")])
    assert (task.difference, task.remark) == (None, "not comparable: at 256 dimensions")
    _, sts, _ = by_category([measured("a", "STS", 80.0, 256), measured("b", "STS", 80.0, 256)], TABLE)
    assert (sts.difference, sts.remark) == (None, "not comparable: at 256 dimensions")


def test_tasks_beside_the_english_ones_count_in_no_category_of_theirs() -> None:
    results = [measured("STS12", "STS", 80.0), measured("STS22.v2", "STS", 1.0)]
    sheet = sheets(results, {"english": {"STS12"}, "STS22.v2": {"STS22.v2"}})[0]
    assert {line.name: line.measured for line in sheet.lines}["STS"] == 80.0


def test_tasks_and_their_languages_find_their_figures() -> None:
    tables = [read_table("mteb_tasks"), read_table("longembed")]
    results = [
        measured("STS17", "STS", 80.0, subsets={"ko-ko": 85.3, "xx": 1.0}, whole=False),
        measured("LEMBQMSumRetrieval", "Retrieval", 39.34, subsets={"default": 39.34}),
        measured("LEMBPasskeyRetrieval", "Retrieval", 50.0),
        measured("Unheard", "STS", 12.0),
    ]
    lines = {line.name: line for line in by_task(results, tables)}
    assert lines["STS17 (ko-ko)"].difference == pytest.approx(85.3 - 85.29)
    assert lines["STS17 (ko-ko)"].published["multilingual-e5-large-instruct"] == 84.31
    assert (lines["STS17 (xx)"].published, lines["STS17 (xx)"].difference) == ({}, None)
    assert lines["LEMBQMSumRetrieval"].difference == pytest.approx(0.0)
    assert lines["LEMBPasskeyRetrieval"].remark.startswith("not comparable: the source does not say")
    assert lines["LEMBPasskeyRetrieval"].difference is None
    assert lines["Unheard"].measured == 12.0
    assert "LEMBQMSumRetrieval (default)" not in lines


def test_languages_count_where_they_are_alone() -> None:
    subsets, languages = {"ar": 60.0, "de": 40.0, "de-en": 99.0}, {
        "ar": ("ara-Arab",), "de": ("deu-Latn",), "de-en": ("deu-Latn", "eng-Latn")
    }  # fmt: skip
    more = measured(
        "b", "STS", 0.0, subsets={"x": 80.0, "sw": 10.0}, languages={"x": ("ara-Arab",), "sw": ("swh-Latn",)}
    )
    results = [measured("a", "STS", 0.0, subsets=subsets, languages=languages), more]
    found = {line.name: (line.measured, line.remark) for line in by_language(results)}
    assert found == {"ara-Arab": (70.0, "2 parts"), "deu-Latn": (40.0, "1 part"), "swh-Latn": (10.0, "1 part")}
    assert [line.measured for line in by_level(results)] == [55.0, 10.0]
    assert len(NAMED_LANGUAGES) == 33  # 30, two of which have more than one code: nor nob nno, cmn zho


def test_what_is_left_at_a_dimension_is_compared_in_shares_of_the_full() -> None:
    table = read_table("matryoshka")
    results = [measured("a", "STS", score, d) for d, score in ((32, 72.0), (1024, 80.0))]
    results += [measured("only at one", "STS", 1.0, 1024)]
    small, full = by_dimension(results, table)
    assert small.name == "STS, 32"
    assert small.measured == pytest.approx(90.0)
    assert small.published["jina-embeddings-v3, paper"] == pytest.approx(100 * 76.35 / 77.58)
    assert small.difference == pytest.approx(90.0 - 100 * 76.35 / 77.58)
    assert "differs" in small.remark
    assert (full.measured, full.difference) == (100.0, 0.0)
    without_full = by_dimension([one for one in results if one.dimension == 32], table)
    assert [line.difference for line in without_full] == [None]


@pytest.mark.parametrize("name", NAMES)
def test_every_published_figure_has_a_source_and_is_in_points(name: str) -> None:
    table = read_table(name)
    assert table.title
    assert table.note
    for row in table.rows:
        assert row.source.startswith(
            ("arXiv 2409.10173, ", "embeddings-benchmark/", "cohere-ai/notebooks, ", "rdion044/e5-small, ")
        )
        assert row.scores
        assert all(1.0 < score <= 100.0 for score in row.scores.values())
    described = json.loads((FOLDER / f"{name}.json").read_text())
    assert described["unit"].startswith("points")


def test_each_published_average_is_the_mean_of_its_categories() -> None:
    """A figure that was copied wrongly would not fit; the paper's summarisation is wanting, so 29.71 stands in."""
    table = read_table("mteb_english")
    for row in table.rows:
        total = sum(count * row.scores.get(name, 29.71) for name, count in table.counts.items())
        assert total / sum(table.counts.values()) == pytest.approx(row.scores["Average"], abs=0.01), row.model


def test_the_leaderboards_longembed_average_is_the_mean_of_its_tasks() -> None:
    row = next(row for row in read_table("longembed").rows if "leaderboard" in row.model)
    tasks = [score for name, score in row.scores.items() if name != "Average"]
    assert len(tasks) == 6
    assert sum(tasks) / 6 == pytest.approx(row.scores["Average"], abs=0.01)


def test_miracls_averages_are_the_means_of_18_languages() -> None:
    for row in read_table("mteb_tasks").rows:
        parts = [score for name, score in row.scores.items() if name.startswith("MIRACLRetrieval (")]
        if parts:
            assert len(parts) == 18
            assert sum(parts) / 18 == pytest.approx(row.scores["MIRACLRetrieval"], abs=0.06), row.model


def test_matryoshka_figures_rise_with_the_dimension_but_for_the_last_of_sts() -> None:
    rows = read_table("matryoshka").rows
    assert [row.dimension for row in rows] == [32, 64, 128, 256, 512, 768, 1024]
    for category, slack in (("Retrieval", 0.0), ("STS", 0.011)):
        scores = [row.scores[category] for row in rows]
        assert all(after >= before - slack for before, after in pairwise(scores))


def test_a_run_of_the_quick_tasks_makes_no_table_of_categories() -> None:
    titles = [sheet.title for sheet in sheets([measured("STSBenchmark", "STS", 89.0)], {"quick": {"STSBenchmark"}})]
    assert titles == ["By task and language"]


def test_the_multilingual_average_is_never_compared() -> None:
    sheet = sheets([measured("a", "STS", 64.0), measured("b", "STS", 1.0)], {"multilingual": {"a"}, "b": {"b"}})[0]
    (line,) = sheet.lines
    assert (line.difference, line.measured, list(line.published.values())) == (None, 64.0, [64.44])
    assert line.remark == "not comparable: another choice of tasks"


def test_tables_are_written_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        Line(name="STS", measured=80.04, published={"rival": 90.0}, difference=-9.96, remark="differs"),
        Line(name="Retrieval", measured=None, published={"rival": 50.5}),
    ]
    sheet = Sheet(title="T", lines=lines, models=["rival"], note="a note")
    markdown, table = write([sheet], tmp_path / "out", "heading")
    assert "| STS | 80.04 | -9.96 | 90.00 | differs |" in markdown.read_text()
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert rows[0]["measured"] == "80.0400"
    assert (rows[1]["name"], rows[1]["measured"], rows[1]["rival"]) == ("Retrieval", "", "50.5000")
    draw(sheet, Console(width=120))
    assert "published: rival" in " ".join(capsys.readouterr().out.split())
