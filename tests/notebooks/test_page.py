"""The page of the notebooks: its pictures are those of cells that there are, and small."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from lab import pictures, run

WANTED = pictures.pictures_of(pictures.PAGE.read_text(encoding="utf-8"))
FOLDER = pictures.PAGE.parent / "images" / "notebooks"


def test_every_notebook_has_a_picture_on_the_page_and_none_is_left_over() -> None:
    assert [notebook for notebook, _ in WANTED.values()] == [path.stem for path in run.find()]
    assert sorted(WANTED) == sorted(path.name for path in FOLDER.iterdir())


@pytest.mark.parametrize("name", WANTED)
def test_a_picture_is_of_a_cell_that_plots_and_is_small(name: str) -> None:
    notebook, wanted = WANTED[name]
    cells = {cell.id: cell.source for cell in nbformat.read(run.FOLDER / f"{notebook}.ipynb", as_version=4).cells}
    assert "plots.figure(" in cells[wanted]
    content = (FOLDER / name).read_bytes()
    assert len(content) < 60_000
    with Image.open(io.BytesIO(content)) as image:
        assert image.width >= 700
        assert image.format == "PNG"


def test_a_picture_comes_from_what_a_run_has_left(tmp_path: Path) -> None:
    drawn = Image.fromarray(np.tile(np.arange(0, 250, dtype=np.uint8)[:, None, None], (1, 40, 3)))
    file = io.BytesIO()
    drawn.save(file, "PNG")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("draw()", id="draw")])
    notebook.cells[0].outputs = [
        nbformat.v4.new_output("stream", text="drawing"),
        nbformat.v4.new_output("display_data", data={"image/png": base64.b64encode(file.getvalue()).decode()}),
    ]
    (tmp_path / "09-some.ipynb").write_text(json.dumps(notebook))
    with Image.open(io.BytesIO(pictures.picture(tmp_path, "09-some", "draw"))) as small:
        assert small.size == drawn.size
        assert np.abs(np.asarray(small.convert("RGB"), int) - np.asarray(drawn, int)).max() < 8
    with pytest.raises(LookupError, match="no picture in a cell 'other'"):
        pictures.picture(tmp_path, "09-some", "other")
    with pytest.raises(LookupError, match="was not run yet"):
        pictures.picture(tmp_path, "08-none", "draw")
