"""The client's benchmark from end to end on a few texts, and its arithmetic from known figures."""

import csv
from pathlib import Path

import numpy as np
import pytest
from benchmarks import bench_client
from benchmarks.client import contestants, measure, report
from benchmarks.client.records import Record, median, times, within_rounds
from benchmarks.loopback.faults import Place
from benchmarks.loopback.hosting import Hosted, Hosting, Pace


@pytest.mark.slow
def test_a_smoke_run_measures_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench_client.main(["--smoke", "--out", str(tmp_path)]) == 0, capsys.readouterr().err
    with (tmp_path / "client.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = {(row["case"], row["variant"], row["figure"]) for row in rows}
    assert {variant for case, variant, _ in found if case == measure.MANY} == set(measure.WAYS)
    assert (measure.QUERY, contestants.BARE, "ms") in found
    assert (measure.STREAM, contestants.OURS, "peak_mb") in found
    assert all(float(row["value"]) > 0 for row in rows)
    text = (tmp_path / "client.md").read_text(encoding="utf-8")
    assert "without meaning" in text
    assert "not measured" not in text


def test_wrong_vectors_void_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measure, "expected", lambda texts, task: np.zeros((len(texts), 1024), np.float32))
    monkeypatch.setattr(measure, "measure_imports", lambda rounds: iter(()))
    assert bench_client.main(["--smoke", "--out", str(tmp_path)]) == 1
    assert "ours: not the vectors" in capsys.readouterr().err


def test_ratios_are_of_one_round() -> None:
    figures = {"slow": [3.0, 8.0, 30.0], "ours": [1.0, 4.0, 3.0]}
    records = [
        Record("many", name, index, "seconds", value)
        for name, values in figures.items()
        for index, value in enumerate(values, 1)
    ]
    assert times(records, "many", "slow", "ours") == 3.0
    assert median(records, "many", "slow", "seconds") == 8.0
    assert within_rounds(records, "many", "slow", "ours", "seconds", lambda a, b: a - b) == 4.0
    assert times(records, "many", "slow", "nobody") is None


def test_targets_are_judged_by_medians() -> None:
    paced = measure.paced_case(5000)
    records = [
        Record(measure.MANY, contestants.OURS, 1, "seconds", 1.0),
        Record(measure.MANY, contestants.BOTO3_FLOATS, 1, "seconds", 2.9),
        Record(measure.MANY, contestants.JINA_WAY, 1, "seconds", 3.0),
        Record(paced, contestants.OURS, 1, "share", 0.9),
        Record(measure.STREAM, contestants.OURS, 1, "peak_mb", 301.0),
    ]
    verdicts = [row[-1] for row in report.target_rows(records, [5000])]
    assert (
        verdicts == ["**not reached**", "reached", "reached", "not measured", "**not reached**"] + ["not measured"] * 2
    )


def test_a_paced_endpoint_is_busy_as_long_as_its_slots_are() -> None:
    pace = Pace(slots=2, request_s=1.0, text_s=0.1)
    hosting = Hosting([Hosted(pace=pace)], [])
    place = Place(region="eu-west-1", endpoint="texts")
    assert [hosting.busy_until(place, 10, now) for now in (0.0, 0.0, 0.5, 3.0)] == [2.0, 2.0, 4.0, 5.0]
    assert pace.seconds(40, 4) == 4.0
