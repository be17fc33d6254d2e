"""Draw the GPU benchmark's picture from its CSV alone: ``python -m benchmarks.gpu_plot CSV``. Needs matplotlib.

On the left tokens a second by length, ours beside the peers; on the right what each technique is worth, by length.
The picture is written beside the CSV.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl  # type: ignore[import-not-found, unused-ignore]

from benchmarks.gpu import bench as names
from benchmarks.gpu import throughput, waterfall
from benchmarks.gpu.engines import FULL
from benchmarks.gpu.rows import Results
from benchmarks.gpu.targets import rate

mpl.use("agg")

_COLOURS = {
    names.FORWARD: "#0b6e4f",
    names.FROM_TEXTS: "#5fb49c",
    names.PACKED: "#c8553d",
    names.SENTENCE_TRANSFORMERS_FLASH: "#8a6d9e",
    names.SENTENCE_TRANSFORMERS: "#5b6abf",
    names.NATIVE: "#b58900",
}
_BARS = ("#0b6e4f", "#5fb49c", "#b58900", "#c8553d")


def draw(results: Results, path: Path) -> None:
    """Write the picture. **Raises**: ValueError where the run has no throughput."""
    from matplotlib import pyplot as plt  # type: ignore[import-not-found, unused-ignore]

    cases = results.cases(throughput.PART)
    if not cases:
        raise ValueError("the run has no throughput to draw")
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5), width_ratios=(3, 2))
    _rates(left, results, cases)
    _techniques(right, results)
    facts = results.facts()
    smoke = "SMOKE RUN, NO MEANING. " if facts.get("smoke") == "yes" else ""
    title = f"{smoke}{facts.get('device', '')}, {facts.get('precision', '')}, {facts.get('commit', '')}"
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


def _rates(axes: Any, results: Results, cases: list[str]) -> None:
    present = [
        name for name in _COLOURS if any(rate(results, throughput.PART, case, name) is not None for case in cases)
    ]
    width = 0.8 / max(1, len(present))
    for index, name in enumerate(present):
        heights = [(rate(results, throughput.PART, case, name) or 0.0) / 1e3 for case in cases]
        places = [place - 0.4 + width * (index + 0.5) for place in range(len(cases))]
        axes.bar(places, heights, width, color=_COLOURS[name], label=name)
    axes.set_xticks(range(len(cases)), cases)
    axes.set_xlabel("tokens a text")
    axes.set_ylabel("thousand tokens a second")
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    _plain(axes, "y")


def _techniques(axes: Any, results: Results) -> None:
    """Draw the cases from ids: the median of the rounds' ratios to the engine with all techniques."""
    cases = sorted((one for one in results.cases(waterfall.PART) if one.endswith("ids")), key=_length)
    ratios = {case: _ratios(results, case) for case in cases}
    ordered = sorted({name for found in ratios.values() for name in found}, key=lambda name: _worth(ratios, name))
    if not ordered:
        axes.set_axis_off()
        return
    height = 0.8 / len(cases)
    for index, case in enumerate(cases):
        found = [(place, ratios[case][name]) for place, name in enumerate(ordered) if name in ratios[case]]
        places = [place + 0.4 - height * (index + 0.5) for place, _ in found]
        axes.barh(
            places, [ratio for _, ratio in found], height, color=_BARS[index % len(_BARS)], label=str(_length(case))
        )
        for place, (_, ratio) in zip(places, found, strict=True):
            axes.text(ratio, place, f" {ratio:.2f}×", va="center", fontsize=7)
    axes.set_yticks(range(len(ordered)), ordered, fontsize=8)
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_xlabel("time against all techniques")
    axes.legend(title="tokens a text", frameon=False, fontsize=8, title_fontsize=8)
    axes.margins(x=0.15)
    _plain(axes, "x")


def _length(case: str) -> int:
    return int(case.partition(",")[0])


def _ratios(results: Results, case: str) -> dict[str, float]:
    timings = results.timings(waterfall.PART, case)
    return {
        name: statistics.median(found)
        for name in timings.seconds
        if name != FULL and (found := timings.ratios(name, FULL))
    }


def _worth(ratios: dict[str, dict[str, float]], name: str) -> float:
    return max(found[name] for found in ratios.values() if name in found)


def _plain(axes: Any, grid: str) -> None:
    axes.grid(alpha=0.25, axis=grid)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    source = Path(sys.argv[1])
    draw(Results.read(source), source.with_suffix(".png"))
