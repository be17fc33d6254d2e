"""Draw latency against load from ``endpoint.csv``: open loops as points, closed loops as lines. Needs matplotlib.

``endpoint.csv``; writes ``endpoint.svg`` beside it.
"""

from __future__ import annotations

import csv
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib as mpl  # type: ignore[import-not-found, unused-ignore]

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "endpoint"  # the same figures give the same file

_COLOURS = {
    "ours": "#0b6e4f",
    "infinity": "#c8553d",
    "sentence-transformers + FastAPI": "#5b6abf",
    "hf-serve": "#b58900",
}
Points = dict[tuple[str, str], list[tuple[float, float, float, float]]]


def read_points(path: Path) -> Points:
    """Return by kind and server: clients, requests a second (due in an open loop, else answered), p50, p99."""
    runs: dict[tuple[str, str, str], list[dict[str, str]]] = defaultdict(list)
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["workload"] == "queries" and row["server"] in _COLOURS:
                runs[row["kind"], row["server"], row["load"]].append(row)
    points: Points = defaultdict(list)
    for (kind, server, _), rows in runs.items():
        names = ("rate_s" if kind == "open loop" else "requests_s", "p50_ms", "p99_ms")
        rate, p50, p99 = (statistics.median(float(row[name]) for row in rows) for name in names)
        points[kind, server].append((float(rows[0]["clients"] or 0), rate, p50, p99))
    return points


def draw(points: Points, path: Path) -> None:
    """Write the picture."""
    from matplotlib import pyplot as plt  # type: ignore[import-not-found, unused-ignore]

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), sharey=True)
    _panel(left, points, "closed loop", "closed loop: 1, 8 and 64 clients, queries", "requests answered a second")
    _panel(right, points, "open loop", "open loop: random arrivals, queries", "requests due a second")
    left.set_ylabel("latency, ms")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False, fontsize=9)
    figure.suptitle("Points: median latency. Bars: up to the 99th percentile.", fontsize=10)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(path, metadata={"Date": None})


def _panel(axes: Any, points: Points, kind: str, title: str, label: str) -> None:
    for server, colour in _COLOURS.items():
        if found := sorted(points.get((kind, server), [])):
            _, rates, p50, p99 = zip(*found, strict=True)
            axes.plot(rates, p50, marker="o", markersize=4, color=colour, label=server)
            axes.vlines(rates, p50, p99, color=colour, alpha=0.35, linewidth=5)
    axes.set_yscale("log")
    axes.set_xlim(left=0)
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(label)
    axes.grid(alpha=0.25, which="both")
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    source = Path(sys.argv[1])
    draw(read_points(source), source.with_suffix(".svg"))
