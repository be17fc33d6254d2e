"""Tokens a second and dollars a million tokens on SageMaker's GPU machines: ``python -m benchmarks.gpu_costs``.

Writes the table of ``docs/performance.md`` anew. A machine whose kind of GPU is in ``results/gpu-bfloat16.csv`` gets
what was measured there; every other one an estimate from the arithmetic of the model, the GPU's data sheet and an
assumed utilisation. A machine's GPUs are engines by themselves, so its rate is theirs together.
"""

from __future__ import annotations

import csv
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jina_v3_infra.config.instances import PRICES_FROM, Gpu, InstanceType, instance_type

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"
MEASURED = HERE / "results" / "gpu-bfloat16.csv"
MACHINES: Final = ("ml.g6.xlarge", "ml.g5.xlarge", "ml.g6e.xlarge", "ml.p4d.24xlarge", "ml.p5.48xlarge")
LENGTHS: Final = (128, 512, 2048)
ASSUMED: Final = (0.33, 0.52)
"""Shares of the data sheet's rate: what text-embeddings-inference reaches with this geometry on an L4 (62,000 tokens/s
of bge-large), and the target on an H200."""
_LAYERS, _HIDDEN, _INTERMEDIATE = 24, 1024, 4096
_FORWARD = "ours, ids to vectors"
_BLOCK = re.compile(r"(<!-- python -m benchmarks.gpu_costs -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rate:
    """What one GPU does at one length. **Units**: tokens a second; ``low`` and ``high`` are equal when measured."""

    low: float
    high: float
    measured: bool


def flop_per_token(length: int) -> float:
    """Return the floating-point operations of a token in a text of ``length`` tokens: linear layers and attention."""
    linear = 2.0 * (4 * _HIDDEN**2 + 2 * _HIDDEN * _INTERMEDIATE)
    return _LAYERS * (linear + 4.0 * length * _HIDDEN)


def estimate(gpu: Gpu, length: int) -> Rate:
    """Return the rates at the assumed utilisations."""
    if gpu.tflops is None:
        raise ValueError(f"the data sheet of {gpu.name} was not looked up, so nothing can be derived for it")
    at_peak = gpu.tflops * 1e12 / flop_per_token(length)
    return Rate(ASSUMED[0] * at_peak, ASSUMED[1] * at_peak, measured=False)


def read_measured(path: Path) -> dict[tuple[str, int], float]:
    """Return the median tokens a second by device and length; nothing where nothing was measured."""
    seconds = defaultdict(list)
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["variant"] == _FORWARD and row["unit"] == "s" and row["case"].isdigit() and row["value"]:
                    seconds[row["device"], int(row["case"])].append(float(row["value"]) / int(row["tokens"]))
    return {key: 1 / statistics.median(times) for key, times in seconds.items()}


def rate(machine: InstanceType, length: int, measured: Mapping[tuple[str, int], float]) -> Rate:
    """Return what all GPUs of a machine do together."""
    assert machine.gpu is not None
    name = re.compile(rf"\b{machine.gpu.name}\b")
    found = next((value for (device, of), value in measured.items() if of == length and name.search(device)), None)
    one = estimate(machine.gpu, length) if found is None else Rate(found, found, measured=True)
    return Rate(one.low * machine.gpus, one.high * machine.gpus, one.measured)


def table(measured: Mapping[tuple[str, int], float]) -> str:
    """Return the table and what it stands on, as Markdown."""
    header = ["machine", "GPU", "TFLOP/s each", "$ an hour"]
    header += [f"tokens/s at {length}" for length in LENGTHS] + ["$ a million tokens at 512", "how known"]
    lines = [_row(header), _row(["---"] * len(header))]
    for name in MACHINES:
        machine = instance_type(name)
        assert machine.gpu is not None
        assert machine.usd_per_hour is not None
        rates = {length: rate(machine, length, measured) for length in LENGTHS}
        at_512 = rates[512]
        million_s = [1e6 / one for one in dict.fromkeys((at_512.high, at_512.low))]
        dollars = "–".join(f"{machine.usd_per_hour / 3600 * seconds:.4f}" for seconds in million_s)
        known = [f"{length} measured" for length, one in rates.items() if one.measured]
        estimated = [str(length) for length, one in rates.items() if not one.measured]
        if estimated:
            known.append("estimate" if not known else f"{', '.join(estimated)} estimate")
        cells = [f"`{name}`", f"{machine.gpus} × {machine.gpu.name}" if machine.gpus > 1 else machine.gpu.name]
        cells += [f"{machine.gpu.tflops:g}", f"{machine.usd_per_hour:.2f}"]
        cells += [_span(rates[length]) for length in LENGTHS]
        lines.append(_row([*cells, dollars, "; ".join(known)]))
    span = f"{ASSUMED[0]:.0%} to {ASSUMED[1]:.0%}"
    flop = ", ".join(f"{flop_per_token(length) / 1e6:.0f} million at {length}" for length in LENGTHS)
    lines += [
        "",
        f"Prices: {PRICES_FROM}. TFLOP/s: dense half precision with fp32 accumulation, from the makers' data sheets.",
        f"Estimates: tokens/s = utilisation × TFLOP/s ÷ FLOP a token, at a utilisation of {span};",
        f"FLOP a token: {flop} tokens a text.",
        "",
    ]
    return "\n".join(lines)


def page_with(text: str, block: str) -> str:
    """Return a page with the table in its place."""
    if not _BLOCK.search(text):
        raise ValueError("the page has no place for the table")
    return _BLOCK.sub(lambda match: match[1] + block + match[2], text)


def main() -> int:
    """Rewrite the page in place."""
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), table(read_measured(MEASURED))), encoding="utf-8")
    return 0


def _span(one: Rate) -> str:
    low, high = (f"{value:,.0f}" for value in (_rounded(one.low), _rounded(one.high)))
    return low if low == high else f"{low}–{high}"


def _rounded(value: float) -> float:
    """Return three digits, which is more than an estimate is worth."""
    return float(f"{value:.3g}")


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
