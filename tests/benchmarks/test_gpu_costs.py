"""The table of costs: its arithmetic, what a measurement changes, and that the page has it."""

from pathlib import Path

import pytest
from benchmarks import gpu_costs
from benchmarks.variants import encoder_flop

from jina_v3_infra.config.instances import instance_type

HEADER = "date,commit,device,precision,part,case,variant,unit,value,index,tokens,work,note\n"


def row(device: str, case: str, variant: str, value: str, index: int, tokens: int) -> str:
    return f"2026-01-01,abc,{device},bfloat16,throughput,{case},{variant},s,{value},{index},{tokens},1,\n"


@pytest.mark.parametrize("length", gpu_costs.LENGTHS)
def test_the_arithmetic_is_the_benchmarks(length: int) -> None:
    assert gpu_costs.flop_per_token(length) * length == encoder_flop([length], 24, 1024, 4096)


def test_an_estimate_by_hand() -> None:
    """An L4 at 512: 121e12 / (604e6 + 98,304 · 512) = 185,000 tokens/s at its peak; a third of it for $1.1267."""
    one = gpu_costs.rate(instance_type("ml.g6.xlarge"), 512, {})
    assert one.low == pytest.approx(0.33 * 184_930, rel=1e-3)
    assert one.high == pytest.approx(0.52 * 184_930, rel=1e-3)
    line = next(line for line in gpu_costs.table({}).splitlines() if "ml.g6.xlarge" in line)
    assert "| 0.0033–0.0051 | estimate |" in line
    assert gpu_costs.rate(instance_type("ml.p5.48xlarge"), 512, {}).low == pytest.approx(
        8 * 0.33 * 989e12 / (603_979_776 + 98_304 * 512)
    )


def test_a_measurement_takes_the_estimates_place(tmp_path: Path) -> None:
    path = tmp_path / "gpu.csv"
    quoted = f'"{gpu_costs._FORWARD}"'
    path.write_text(
        HEADER
        + "".join(
            row("NVIDIA L4", "512", quoted, value, index, 1000) for index, value in enumerate(("0.5", "0.01", "0.02"))
        )
        + row("NVIDIA L4", "512", '"ours, texts to vectors"', "9", 1, 1000)
        + row("NVIDIA L4", "512 mixed", quoted, "9", 1, 1000)
        + row("NVIDIA L40S", "128", quoted, "0.001", 1, 1000)
    )
    measured = gpu_costs.read_measured(path)
    assert measured == {("NVIDIA L4", 512): pytest.approx(50_000), ("NVIDIA L40S", 128): pytest.approx(1e6)}
    rows = [line for line in gpu_costs.table(measured).splitlines() if line.startswith("| `")]
    lines = dict(zip(gpu_costs.MACHINES, (line.removesuffix(" |") for line in rows), strict=True))
    assert "| 50,000 |" in lines["ml.g6.xlarge"]
    assert f"| {1.1267 / 3600 * 20:.4f} | 512 measured; 128, 2048 estimate" in lines["ml.g6.xlarge"]
    assert lines["ml.g6e.xlarge"].endswith("| 128 measured; 512, 2048 estimate")
    assert lines["ml.p5.48xlarge"].endswith("| estimate")


def test_nothing_measured_is_all_estimates(tmp_path: Path) -> None:
    assert gpu_costs.read_measured(tmp_path / "none.csv") == {}
    rows = [line for line in gpu_costs.table({}).splitlines() if line.startswith("| `")]
    assert len(rows) == len(gpu_costs.MACHINES)
    assert all(line.endswith("| estimate |") for line in rows)


def test_the_page_has_the_table() -> None:
    page = gpu_costs.PAGE.read_text(encoding="utf-8")
    written = gpu_costs.page_with(page, gpu_costs.table(gpu_costs.read_measured(gpu_costs.MEASURED)))
    assert page == written, "run: PYTHONPATH=inference:infra:. .venv/bin/python -m benchmarks.gpu_costs"
