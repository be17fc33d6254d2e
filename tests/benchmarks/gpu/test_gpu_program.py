"""The GPU benchmark from end to end on a tiny model, and what it does where there is no GPU."""

from pathlib import Path

import pytest
import torch
from benchmarks import bench_gpu
from benchmarks.gpu import bench as names
from benchmarks.gpu import checks, latency, memory, precisions, task_mix, throughput, waterfall, worker
from benchmarks.gpu.engines import COMBINATIONS, FULL, engine_facts
from benchmarks.gpu.options import PART_NAMES
from benchmarks.gpu.rows import CUT, FAILED, Log, Results, Row
from benchmarks.gpu.supervise import Files
from benchmarks.gpu.worker import PARTS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run, whose worker is a process of its own as always."""
    folder = tmp_path_factory.mktemp("gpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ROOT / 'inference'}:{ROOT}")
        patch.setenv("OUT", str(folder / "out"))
        patch.chdir(ROOT)
        options = ["--device", "cpu", "--smoke", "--cache", str(folder / "cache"), "--commit", "abc1234"]
        assert bench_gpu.main(options) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def results(out: Path) -> Results:
    return Results.read(out / "gpu-bfloat16.csv")


def test_every_part_leaves_figures(results: Results) -> None:
    assert results.cases(throughput.PART) == ["16", "32", "6 mixed"]
    assert set(results.timings(throughput.PART, "16").seconds) >= {
        names.FORWARD, names.FORWARD_TASK, names.FROM_TEXTS, names.DEVICE, names.NATIVE, names.PACKED,
    }  # fmt: skip
    assert {names.FROM_TEXTS, latency.DEVICE_GRAPH} <= set(results.timings(latency.PART, "16").seconds)
    assert set(results.timings(task_mix.PART, "160").seconds) == {
        task_mix.BASE, task_mix.ONE_TASK, task_mix.FIVE_TASKS,
    }  # fmt: skip
    assert "16, ids" in results.cases(waterfall.PART)
    assert {"bfloat16", "float16"} <= set(results.timings(precisions.PART, "16").seconds)
    assert results.values(precisions.PART, precisions.GATE, "float16", checks.WORST)[0] > 0
    for part in ("products", "attention", "kernels", "few rows or many"):
        assert results.cases(part), part
    assert all(row.value is not None and row.value > 0 for row in results.rows if row.unit == "s")


def test_correctness_is_measured_against_the_native_class(results: Results) -> None:
    ratios = {(row.case, row.variant): row.value for row in results.of(checks.PART, checks.RATIO)}
    assert ("all techniques", "base weights") in ratios
    assert (names.PACKED, "base weights") in ratios
    assert all(ratio is not None and ratio <= checks.ALLOWED_RATIO for ratio in ratios.values())


def test_nothing_is_cut_or_lost_and_what_is_absent_says_why(results: Results) -> None:
    assert not [row for row in results.rows if row.unit == CUT]
    assert [row.note for row in results.of(memory.PART, "absent") if row.case == "1"]
    timed = [row for row in results.rows if row.unit == FAILED and row.part != "load"]
    assert timed == []


def test_tables_carry_the_facts(out: Path, results: Results) -> None:
    text = (out / "gpu-bfloat16.md").read_text(encoding="utf-8")
    assert results.facts()["commit"] == "abc1234"
    assert "- commit: abc1234" in text
    assert "smoke run" in text
    assert "reached" not in text.split("## Are the vectors right")[0].replace("not reached", "")
    assert not list(out.glob("*.journal"))
    assert "](gpu-bfloat16.png)" in text
    assert (out / "gpu-bfloat16.png").stat().st_size > 10_000


def test_every_engine_says_what_it_is(results: Results) -> None:
    facts = engine_facts(results)
    assert set(facts) >= set(COMBINATIONS)
    assert facts[FULL]["kernels"] == "torch"
    assert int(facts[FULL]["max_batch_tokens"]) > 0


def test_the_option_knows_all_parts() -> None:
    assert tuple(part.name for part in PARTS) == PART_NAMES


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_it_says_when_there_is_no_gpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status = worker.main(["--deadline", "0", "--folder", str(tmp_path)])
    monkeypatch.setattr(bench_gpu, "supervise", lambda *_: status)
    assert bench_gpu.main(["--out", str(tmp_path / "out"), "--cache", str(tmp_path)]) == 2
    assert "CUDA" in capsys.readouterr().err
    assert not (tmp_path / "out" / "gpu-bfloat16.md").exists()


def test_an_end_from_outside_leaves_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(_: object, files: Files, *__: object) -> int:
        Log(files.csv, {}).add(Row(latency.PART, "16", latency.DEVICE_GRAPH, "s", 7e-4, 1, 16))
        raise SystemExit(143)

    monkeypatch.setattr(bench_gpu, "supervise", ended)
    with pytest.raises(SystemExit):
        bench_gpu.main(["--out", str(tmp_path / "out"), "--cache", str(tmp_path)])
    assert "0.700 ms" in (tmp_path / "out" / "gpu-bfloat16.md").read_text(encoding="utf-8")
