"""Targets and tables from known rows."""

from pathlib import Path

import pytest
from benchmarks.gpu import bench as names
from benchmarks.gpu import checks, kernel_rates, latency, memory, precisions, report, task_mix, throughput, waterfall
from benchmarks.gpu.engines import FULL, GRAPHS_OFF
from benchmarks.gpu.micro_report import crossover_rows, kernel_rows
from benchmarks.gpu.peaks import find_peak
from benchmarks.gpu.rows import Log, Results, Row
from benchmarks.gpu.targets import TARGETS, target_rows
from benchmarks.timing import Timings


def write(folder: Path, device: str = "NVIDIA H200", facts: dict[str, str] | None = None) -> Log:
    log = Log(folder / "gpu-bfloat16.csv", {"date": "2026-01-02", "commit": "abc1234", "device": device})
    log.add_facts({"device": device, "commit": "abc1234", "smoke": "no"} | (facts or {}))
    return log


def add(log: Log, part: str, case: str, tokens: int, seconds: dict[str, list[float]], flop: float = 1.0) -> None:
    log.add_timings(part, case, tokens, Timings(dict(seconds), dict.fromkeys(seconds, flop)))


def verdicts(folder: Path) -> dict[tuple[str, str], tuple[str, str]]:
    rows = target_rows(Results.read(folder / "gpu-bfloat16.csv"))
    return {(row[0], row[1]): (row[3], row[4]) for row in rows}


def test_nothing_measured_is_no_target_reached(tmp_path: Path) -> None:
    write(tmp_path)
    assert {verdict for _, verdict in verdicts(tmp_path).values()} == {"not measured"}
    assert len(verdicts(tmp_path)) == len(TARGETS)


def test_shares_and_rates_are_of_the_median_time(tmp_path: Path) -> None:
    # 0.52 · 989.5 TFLOP/s for a second at the median
    log = write(tmp_path)
    add(log, throughput.PART, "128", 834_000, {names.FORWARD: [0.5, 1.0, 3.0]}, flop=0.52 * 989.5e12)
    add(log, throughput.PART, "512", 785_000, {names.FORWARD: [1.0]}, flop=0.519 * 989.5e12)
    found = verdicts(tmp_path)
    assert found["packs of 128 tokens a text", "datasheet's peak"] == ("52.0%", "reached")
    assert found["packs of 128 tokens a text", "on an H200"] == ("834k tokens/s", "reached")
    assert found["packs of 512 tokens a text", "datasheet's peak"] == ("51.9%", "**not reached**")
    assert found["packs of 512 tokens a text", "on an H200"] == ("785k tokens/s", "**not reached**")


def test_an_absolute_rate_is_judged_on_the_device_that_it_is_for(tmp_path: Path) -> None:
    log = write(tmp_path, "NVIDIA L40S")
    add(log, throughput.PART, "128", 834_000, {names.FORWARD: [1.0]}, flop=0.52 * 362e12)
    add(log, precisions.PART, "512", 2_000_000, {"float8": [1.0]})
    found = verdicts(tmp_path)
    assert found["packs of 128 tokens a text", "datasheet's peak"][1] == "reached"
    assert found["packs of 128 tokens a text", "on an H200"][1] == "not measured"
    assert found["packs of 512 tokens a text in float8", "on an H200"][1] == "not measured"


def test_ratios_are_of_rounds(tmp_path: Path) -> None:
    log = write(tmp_path)
    add(log, throughput.PART, "512", 100, {names.FROM_TEXTS: [1.0, 2.0, 4.0], names.PACKED: [1.3, 2.7, 5.6]})
    add(log, task_mix.PART, "128", 128, {task_mix.ONE_TASK: [1.0, 10.0], task_mix.FIVE_TASKS: [1.06, 10.6]})
    add(log, latency.PART, "16", 16, {latency.DEVICE_GRAPH: [9e-4, 1e-3, 5e-3]})
    found = verdicts(tmp_path)
    assert found["texts of 512 tokens, faster than", names.PACKED] == ("1.35×", "reached")
    assert found["five-task mix of 128 tokens, time against", "one task"] == ("1.06×", "**not reached**")
    assert found["one query of 16 tokens, p50 on the device alone", ""] == ("1.00 ms", "reached")


def test_a_speed_is_shown_with_its_accuracy(tmp_path: Path) -> None:
    log = write(tmp_path)
    add(log, precisions.PART, "512", 2_000_000, {"float8": [1.0]})
    where = ("packs of 512 tokens a text in float8", "on an H200")
    assert verdicts(tmp_path)[where] == ("2,000k tokens/s", "reached; accuracy not measured")
    log.add(
        Row(precisions.PART, precisions.GATE, "float8", checks.MEAN, 4e-4),
        Row(precisions.PART, precisions.GATE, "float8", checks.WORST, 2e-3),
        Row(precisions.PART, precisions.GATE, "float8", precisions.BOUND, 1e-3, note=precisions.REFUSES),
    )
    assert verdicts(tmp_path)[where][1] == "reached; **refused** by the accuracy gate"
    text = report.markdown(Results.read(log.path))
    assert "| 512 | float8 | 2,000,000 |  | 4.0e-04 | 2.0e-03 | 1.0e-03 | **refused** by the accuracy gate |" in text


def test_wrong_combinations_and_changed_bits_are_counted(tmp_path: Path) -> None:
    log = write(tmp_path)
    for name in (FULL, GRAPHS_OFF):
        log.add(Row(checks.PART, name, "base weights", checks.MEAN, 1e-5))
    log.add(Row(checks.PART, checks.GRAPHS, "base weights", checks.UNEQUAL, 0.0))
    combinations = ("combinations of options with wrong vectors", "float32 reference")
    bits = ("values that graphs change by a bit or more", "the same without graphs")
    assert verdicts(tmp_path)[combinations] == ("0", "reached")
    assert verdicts(tmp_path)[bits] == ("0", "reached")
    log.add(
        Row(checks.PART, GRAPHS_OFF, "", "failed", note="WrongVectorsError: far off"),
        Row(checks.PART, checks.GRAPHS, "separation", checks.UNEQUAL, 3.0),
    )
    assert verdicts(tmp_path)[combinations] == ("1", "**not reached**")
    assert verdicts(tmp_path)[bits] == ("3", "**not reached**")


def test_a_smoke_run_reaches_nothing(tmp_path: Path) -> None:
    log = write(tmp_path, facts={"smoke": "yes"})
    add(log, latency.PART, "16", 16, {latency.DEVICE_GRAPH: [1e-4]})
    assert verdicts(tmp_path)["one query of 16 tokens, p50 on the device alone", ""][1].startswith("no meaning")


def test_the_report_shows_figures_and_failures(tmp_path: Path) -> None:
    log = write(tmp_path)
    add(log, throughput.PART, "16", 1000, {names.FORWARD: [0.1], names.MODEL_PRODUCTS: [0.08]})
    add(log, waterfall.PART, "128, ids", 10, {FULL: [1.0, 2.0], "no graphs": [1.5, 3.0]})
    log.add(
        Row(memory.PART, "64", names.FROM_TEXTS, "s", 2.0, 1),
        Row(memory.PART, "64", names.FROM_TEXTS, memory.ALLOCATED, 3e9),
        Row(memory.PART, "64", names.FROM_TEXTS, memory.RESERVED, 4e9),
        Row(memory.PART, "64", names.NATIVE, "failed", note="OutOfMemoryError: CUDA out of memory."),
        Row(checks.PART, "graphs on and off", "base weights", checks.UNEQUAL, 0.0),
        Row(checks.PART, "graphs on and off", "separation", checks.UNEQUAL, 12.0),
    )
    text = report.markdown(Results.read(log.path), picture="gpu.png")
    for wanted in (
        "10,000", "80.0%", "| 128, ids | no graphs | 2250.000 ms | 1.50× |", "3.00 | 4.00 | 2.00",
        "OutOfMemoryError", "| graphs on and off | single texts | equal to the bit | 1 of 2 |", "](gpu.png)", "abc1234",
    ):  # fmt: skip
        assert wanted in text, wanted


def test_kernels_are_held_against_the_copy_and_families_against_each_other(tmp_path: Path) -> None:
    log = write(tmp_path)
    log.add(
        Row(kernel_rates.PART, kernel_rates.COPY, "torch", "s", 1e-3, 1, 10, 4e9),
        Row(kernel_rates.PART, "gelu", "triton", "s", 1e-3, 1, 10, 3e9),
        Row(kernel_rates.CROSSOVER, "64", f"gelu, with a task: {kernel_rates.FEW}", "s", 2e-6, 1, 64),
        Row(kernel_rates.CROSSOVER, "64", f"gelu, with a task: {kernel_rates.MANY}", "s", 3e-6, 1, 64),
    )
    results = Results.read(log.path)
    assert kernel_rows(results)[1] == ["gelu", "triton", "10", "3,000", "75%"]
    assert crossover_rows(results) == [["64", "gelu, with a task", "2.0", "3.0", kernel_rates.FEW]]


def test_peaks_are_found_by_the_longest_name() -> None:
    def tflops(name: str) -> float:
        peak = find_peak(name)
        assert peak is not None
        return peak.tflops

    assert tflops("NVIDIA L40S") == 362.0
    assert tflops("NVIDIA L4") == 121.0
    assert tflops("NVIDIA A10G") == 70.0
    assert tflops("NVIDIA H100 PCIe") < tflops("NVIDIA H100 80GB HBM3")
    assert tflops("NVIDIA H200") == pytest.approx(989.5)
    assert find_peak("cpu") is None
