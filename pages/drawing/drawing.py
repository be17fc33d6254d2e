"""The whole drawing."""

from __future__ import annotations

from typing import Final

from pages.drawing.packages import draw_packages
from pages.drawing.panels import draw_call, draw_dataset, draw_legend, draw_stacks
from pages.drawing.repository import ROOT
from pages.drawing.svg import Picture

PATH: Final = ROOT / "docs/assets/architecture.svg"
_WIDTH: Final = 880
_HEIGHT: Final = 1354


def draw() -> str:
    """Return the drawing as SVG."""
    picture = Picture(_WIDTH, _HEIGHT, "The parts of the project and what goes between them")
    y = 12.0
    for part in (draw_call, draw_dataset, draw_stacks, draw_packages):
        y = part(picture, y)
    draw_legend(picture, y + 2)
    return picture.write()
