"""How the notebooks' plots look: one style, axes with names, and under each what computed it.

Labels are in English and in Latin letters: matplotlib's own font has no others, and no other is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

COLOURS: Final = ("#2a6f97", "#e07a2f", "#5a9e5f", "#b5485d", "#7a5ea8", "#8a8a8a", "#c9a227", "#3aa6a6")
"""Told apart also by those who see colours otherwise; use them in this order, with marks or labels beside them."""

_STYLE: Final[Any] = {
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "figure.dpi": 110,
    "figure.titlesize": 13,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "font.size": 10,
}
_FOOT_SIZE: Final = 8
_DARK: Final = 0.6  # of a heat map's range: above it numbers are white


def figure(
    title: str, *, source: str, columns: int = 1, width: float = 8.0, height: float = 4.2
) -> tuple[Figure, list[Axes]]:
    """Make a figure with ``columns`` axes beside one another.

    ``source`` stands under it: what computed the figures, such as ``place.model``. **Units**: inches.
    """
    plt.rcParams.update(_STYLE)
    made, axes = plt.subplots(1, columns, figsize=(width, height), layout="constrained", squeeze=False)
    made.suptitle(title, x=0.01, ha="left", fontweight="bold")
    made.supxlabel(source, x=0.99, ha="right", fontsize=_FOOT_SIZE, color="#666666")
    return made, list(axes[0])


def heat_map(
    axes: Axes,
    values: NDArray[Any],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    limits: tuple[float, float] | None = None,
    numbers: bool = True,
) -> Any:
    """Draw a matrix with its numbers; returns the image, for a colour bar. **Shapes**: (rows, columns)."""
    low, high = limits or (float(values.min()), float(values.max()))
    image = axes.imshow(values, cmap="Blues", vmin=low, vmax=high, aspect="auto")
    axes.grid(visible=False)
    axes.set_xticks(range(len(columns)), columns, rotation=45 if max(map(len, columns)) > 3 else 0, ha="center")
    axes.set_yticks(range(len(rows)), rows)
    if numbers:
        for row, column in np.ndindex(*values.shape):
            dark = values[row, column] > low + _DARK * (high - low)
            axes.text(
                *(column, row, f"{values[row, column]:.2f}"),
                ha="center",
                va="center",
                fontsize=_FOOT_SIZE,
                color="white" if dark else "black",
            )
    return image
