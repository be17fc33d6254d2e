"""A picture of boxes, arrows and words, light or dark as the reader's system is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import escape

LINE: Final = 16
"""Pixels from one line of small text to the next."""

_STYLE: Final = """
  svg { --paper: #ffffff; --panel: #f5f6fa; --edge: #c9cede; --ink: #1f2330; --faint: #555b6e; --way: #4a5068;
        --ours: #e8edff; --ours-edge: #4a5bc4; --aws: #fff1dd; --aws-edge: #c77700;
        --data: #e4f4e8; --data-edge: #2f8a4a; --yours: #ffffff; --yours-edge: #8a8fa3; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #1c1f29; --panel: #242836; --edge: #454b60; --ink: #eceef5; --faint: #b3b8ca; --way: #b3b8ca;
          --ours: #2b3566; --ours-edge: #8c9bf0; --aws: #4a3717; --aws-edge: #e6a23c;
          --data: #1f4229; --data-edge: #6cc486; --yours: #1c1f29; --yours-edge: #8a8fa3; }
  }
  text { font-family: system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: var(--ink); font-size: 12.5px; }
  .title { font-size: 17px; font-weight: 600; }
  .name { font-size: 13.5px; font-weight: 600; }
  .small { fill: var(--faint); }
  .code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 11.5px; }
  .paper { fill: var(--paper); }
  .panel { fill: var(--panel); stroke: var(--edge); }
  .frame { fill: none; stroke: var(--edge); stroke-width: 1.5; stroke-dasharray: 2 3; }
  .ours { fill: var(--ours); stroke: var(--ours-edge); }
  .aws { fill: var(--aws); stroke: var(--aws-edge); }
  .data { fill: var(--data); stroke: var(--data-edge); }
  .yours { fill: var(--yours); stroke: var(--yours-edge); }
  .way { fill: none; stroke: var(--way); stroke-width: 1.5; marker-end: url(#end); }
  .back { stroke-dasharray: 5 4; }
  .both { marker-start: url(#end); }
  #end path { fill: var(--way); }
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a box. ``kind`` is its class; ``about`` is kept with it, for whoever reads the picture by program."""

    text: str
    kind: str = "small"
    about: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A box that has been drawn, and the middle of each of its sides."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> tuple[float, float]:
        """The middle of the left side."""
        return self.x, self.y + self.height / 2

    @property
    def right(self) -> tuple[float, float]:
        """The middle of the right side."""
        return self.x + self.width, self.y + self.height / 2

    @property
    def top(self) -> tuple[float, float]:
        """The middle of the upper side."""
        return self.x + self.width / 2, self.y

    @property
    def bottom(self) -> tuple[float, float]:
        """The middle of the lower side."""
        return self.x + self.width / 2, self.y + self.height


@dataclass
class Picture:
    """A picture that is drawn from the back to the front. Units: pixels."""

    width: float
    height: float
    title: str
    _parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, line: Line, *, middle: bool = False) -> None:
        """Write a line, from x or with its middle there."""
        anchor = ' text-anchor="middle"' if middle else ""
        about = f' data-about="{escape(line.about)}"' if line.about else ""
        self._parts.append(f'<text x="{x:g}" y="{y:g}" class="{line.kind}"{anchor}{about}>{escape(line.text)}</text>')

    def panel(self, y: float, height: float, title: str) -> None:
        """Draw the ground of one part of the picture."""
        self._rectangle(12, y, self.width - 24, height, "panel")
        self.text(28, y + 26, Line(title, "title"))

    def frame(self, x: float, y: float, width: float, height: float, line: Line, *, indent: float = 10) -> Box:
        """Draw a frame around other boxes, with its name at its upper left."""
        self._rectangle(x, y, width, height, "frame")
        self.text(x + indent, y + 18, line)
        return Box(x, y, width, height)

    def box(self, x: float, y: float, width: float, height: float, kind: str, lines: Sequence[Line]) -> Box:
        """Draw a box with lines in its middle."""
        self._rectangle(x, y, width, height, kind)
        first = y + (height - LINE * len(lines)) / 2 + LINE * 0.75
        for number, line in enumerate(lines):
            self.text(x + width / 2, first + number * LINE, line, middle=True)
        return Box(x, y, width, height)

    def way(self, *points: tuple[float, float], kind: str = "") -> None:
        """Draw an arrow through points."""
        path = " ".join(f"{'L' if number else 'M'}{x:g} {y:g}" for number, (x, y) in enumerate(points))
        self._parts.append(f'<path class="{f"way {kind}".strip()}" d="{path}"/>')

    def _rectangle(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        self._parts.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" class="{kind}"/>')

    def write(self) -> str:
        """Return the picture as SVG."""
        size = f'width="{self.width:g}" height="{self.height:g}" viewBox="0 0 {self.width:g} {self.height:g}"'
        marker = (
            '<marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto-start-reverse"><path d="M0 0 L8 4 L0 8 z"/></marker>'
        )
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
                f"<title>{escape(self.title)}</title>",
                f"<style>{_STYLE}</style>",
                f"<defs>{marker}</defs>",
                f'<rect width="{self.width:g}" height="{self.height:g}" class="paper"/>',
                *self._parts,
                "</svg>\n",
            ]
        )
