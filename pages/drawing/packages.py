"""The part of the drawing that follows from the sources: packages, and who imports whom."""

from __future__ import annotations

from typing import Final

from pages.drawing import repository
from pages.drawing.panels import module_line
from pages.drawing.svg import Box, Line, Picture

_PLACES: Final = {
    "jina_v3_client": (40, 190),
    "jina_v3_infra": (640, 200),
    "jina_v3_batch": (640, 200),
    "local_aws": (40, 190),
}
"""Where a package of the wheel stands, beside the layers of ``jina_v3``: x and width."""

_ABOUT: Final = {
    "jina_v3_client": "what callers install",
    "jina_v3_infra": "stacks, publishing, commands",
    "jina_v3_batch": "the function's steps",
    "local_aws": "an AWS on this machine",
    "demo": "make demo",
    "evaluation": "make evaluate",
    "benchmarks": "make bench…",
    "openapi": "make openapi",
    "lab": "make notebooks",
    "pages": "make docs",
}


def draw_packages(picture: Picture, y: float) -> float:
    """Draw the packages, and which imports which of those that ship."""
    names, shipped = list(repository.packages()), repository.shipped()
    unknown = set(names) - {repository.LAYERED} ^ _ABOUT.keys()
    assert not unknown, f"say in pages/drawing/packages.py where {sorted(unknown)} belong, or take them out"
    picture.panel(y, 396, "Packages, and who imports whom")
    top = y + 42
    layers = repository.layers()
    frame = picture.frame(
        290, top, 300, 30 + 38 * len(layers) + 8, Line(repository.LAYERED, "code package", repository.LAYERED)
    )
    boxes = {}
    for number, layer in enumerate(layers):
        width = (280 - 8 * (len(layer) - 1)) / len(layer)
        for place, module in enumerate(layer):
            boxes[module] = picture.box(
                300 + place * (width + 8), top + 28 + 38 * number, width, 30, "ours",
                [module_line(module, module.removeprefix(f"{repository.LAYERED}."))],
            )  # fmt: skip
    lowest = boxes[layers[-1][0]]
    heights = {
        "jina_v3_client": lowest.y - 12,
        "jina_v3_infra": lowest.y - 12,
        "jina_v3_batch": top + 16,
        "local_aws": top + 16,
    }
    for name, (x, width) in _PLACES.items():
        lines = [Line(name, "code package", name), Line(_ABOUT[name])]
        boxes[name] = picture.box(x, heights[name], width, 54, "ours", lines)
    picture.text(440, frame.y + frame.height + 18, Line("each layer imports those below it alone"), middle=True)
    for one, other in sorted(repository.imports()):
        if one in shipped and other in boxes:
            _join(picture, boxes[one], boxes[other])
    beside = [name for name in names if name not in shipped]
    row = frame.y + frame.height + 34
    picture.frame(
        40, row, 800, 82, Line("Programs beside them: they import what they need, and nothing that ships imports them")
    )
    width = (780 - 8 * (len(beside) - 1)) / len(beside)
    for number, name in enumerate(beside):
        lines = [Line(name, "code package", name), Line(_ABOUT[name])]
        picture.box(50 + number * (width + 8), row + 28, width, 44, "yours", lines)
    return y + 408


def _join(picture: Picture, one: Box, other: Box) -> None:
    if one.x == other.x:
        picture.way(one.top, other.bottom)
    elif one.x < other.x:
        picture.way(one.right, (other.x, one.right[1]))
    else:
        picture.way(one.left, (other.x + other.width, one.left[1]))
