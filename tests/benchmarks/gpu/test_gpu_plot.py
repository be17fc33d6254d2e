"""The picture is drawn from a run's rows alone."""

from pathlib import Path

import pytest
from benchmarks import gpu_plot
from benchmarks.gpu import bench as names
from benchmarks.gpu import throughput, waterfall
from benchmarks.gpu.engines import FULL, GRAPHS_OFF
from benchmarks.gpu.rows import Log, Results
from benchmarks.timing import Timings
from matplotlib import image, pyplot
from matplotlib.figure import Figure


def add(log: Log, part: str, case: str, tokens: int, seconds: dict[str, list[float | None]]) -> None:
    log.add_timings(part, case, tokens, Timings(seconds, dict.fromkeys(seconds, 1.0)))


def test_rates_by_length_and_ratios_by_technique_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(tmp_path / "gpu.csv", {})
    add(log, throughput.PART, "16", 50_000, {names.FORWARD: [0.5, 1.0, 2.0], names.PACKED: [2.0]})
    add(log, throughput.PART, "512", 50_000, {names.FORWARD: [0.1]})  # the rival was not timed
    add(log, waterfall.PART, "128, ids", 10, {FULL: [1.0, 2.0], GRAPHS_OFF: [1.5, 3.0], "lost": [None, None]})
    add(log, waterfall.PART, "16, ids", 10, {FULL: [1.0], GRAPHS_OFF: [4.0]})
    add(log, waterfall.PART, "16, texts", 10, {FULL: [1.0], GRAPHS_OFF: [9.0]})
    figures: list[Figure] = []
    monkeypatch.setattr(pyplot, "close", figures.append)
    gpu_plot.draw(Results.read(log.path), tmp_path / "gpu.png")
    monkeypatch.undo()
    (figure,) = figures
    left, right = figure.axes
    heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in left.containers}
    assert heights == {names.FORWARD: [50.0, 500.0], names.PACKED: [25.0, 0.0]}
    widths = {bars.get_label(): [bar.get_width() for bar in bars] for bars in right.containers}
    assert widths == {"16": [4.0], "128": [1.5]}
    pyplot.close(figure)
    assert image.imread(tmp_path / "gpu.png")[..., :3].std() > 0.05


def test_nothing_measured_is_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no throughput"):
        gpu_plot.draw(Results.read(Log(tmp_path / "gpu.csv", {}).path), tmp_path / "gpu.png")
    assert not (tmp_path / "gpu.png").exists()


def test_a_run_without_a_waterfall_has_its_rates(tmp_path: Path) -> None:
    log = Log(tmp_path / "gpu.csv", {})
    add(log, throughput.PART, "16", 50_000, {names.FORWARD: [0.5]})
    gpu_plot.draw(Results.read(log.path), tmp_path / "gpu.png")
    assert (tmp_path / "gpu.png").stat().st_size > 5_000
