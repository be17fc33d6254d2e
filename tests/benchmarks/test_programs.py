"""The CPU benchmark from end to end, on tiny models; what it shares with the GPU's."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks import bench_cpu
from benchmarks.agreement import cosine_errors
from benchmarks.cases import Models
from benchmarks.checkpoint import write_pair
from benchmarks.variants import MatrixProducts, NativeClass, encoder_flop, load_ours
from benchmarks.workload import Lexicon


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny products on two threads wait for each other for seconds when the machine is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_cpu_benchmark_runs_every_case(tmp_path: Path) -> None:
    arguments = ["--smoke", "--rounds", "1", "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    assert bench_cpu.main([*arguments, "--dtype", "float32"]) == 0
    rows = rows_of(tmp_path / "out" / "cpu.csv")
    wanted = {(case.name, case.label(bench_cpu.SMOKE).split("@")[1]) for case in bench_cpu.CASES}
    assert {(row["case"], row["layers"]) for row in rows} == wanted
    assert all(float(row["seconds"]) > 0 for row in rows)
    text = (tmp_path / "out" / "cpu.md").read_text(encoding="utf-8")
    assert "smoke run" in text
    assert "not measured" in text  # sentence-transformers has an environment of its own
    # a second run keeps the weights of the first
    before = sorted(path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.safetensors"))
    assert bench_cpu.main([*arguments, "--only", "mixed-64@1", "--only", "query-16@1", "--dtype", "bfloat16"]) == 0
    assert sorted(path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.safetensors")) == before
    rows = rows_of(tmp_path / "out" / "cpu.csv")
    assert {(row["case"], row["dtype"]) for row in rows} == {("mixed-64", "bfloat16"), ("query-16", "bfloat16")}


def test_cpu_benchmark_voids_a_case_with_wrong_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def swapped(models: Models, texts: list[str], tasks: object = None) -> np.ndarray:
        vectors = np.asarray(models.ours.encode(texts, task=None))
        return vectors if tasks is not None else vectors[::-1]

    monkeypatch.setattr(Models, "encode_ours", swapped)
    arguments = ["--smoke", "--rounds", "1", "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    assert bench_cpu.main([*arguments, "--dtype", "float32"]) == 1
    assert "ours: 1-cos" in capsys.readouterr().err
    assert rows_of(tmp_path / "out" / "cpu.csv") == []


def test_cpu_benchmark_names_the_cases_it_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench_cpu.main(["--smoke", "--only", "mixed-64@24", "--out", str(tmp_path)]) == 2
    assert "mixed-64@2" in capsys.readouterr().err


def test_both_layouts_hold_the_same_weights(tmp_path: Path) -> None:
    lexicon = Lexicon(2000)
    pair = write_pair(tmp_path, bench_cpu.SMOKE.config, lexicon)
    texts = lexicon.texts([5, 60, 23, 9, 31])
    ours = np.asarray(load_ours(pair.original, "float32").encode(texts))
    native = NativeClass(pair.native, "float32")
    for sort in (False, True):
        assert cosine_errors(native.encode(texts, batch_size=2, sort=sort), ours).max() < 1e-9


def test_flop_is_what_the_shapes_cost() -> None:
    # 604 MFLOP a token in the linear layers of the real model, 98,304 a token and token of length in attention
    assert encoder_flop([1], 24, 1024, 4096) == pytest.approx(604e6 + 98304, rel=1e-3)
    assert encoder_flop([512], 24, 1024, 4096) - 512 * encoder_flop([1], 24, 1024, 4096) == 98304 * 512 * 511
    products = MatrixProducts(10, 2, 64, 128, "float32", "cpu")
    assert products.flop == encoder_flop([1] * 10, 2, 64, 128) - 2 * 4 * 10 * 64
    assert products.prepacked() is not None
