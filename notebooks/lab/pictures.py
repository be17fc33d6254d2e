"""`python -m lab.pictures`: write the pictures of `docs/notebooks.md` anew, from what `make notebooks` has left.

The page says which: a picture ``images/notebooks/01-deploy-and-call.search.png`` is the first of the cell ``search`` of
that notebook. Pictures that the page does not show are removed.
"""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from pathlib import Path
from typing import Final

from PIL import Image

from lab.run import FOLDER, SHOWN

PAGE: Final = FOLDER.parent / "docs" / "notebooks.md"
_PICTURE: Final = re.compile(r"\]\(images/notebooks/(([\w-]+)\.([\w-]+)\.png)\)")
_COLOURS: Final = 256  # a palette: half the bytes, and nothing to be seen of it


def pictures_of(page: str) -> dict[str, tuple[str, str]]:
    """Return the pictures that a page shows, by file: the notebook, and the cell."""
    return {name: (notebook, cell) for name, notebook, cell in _PICTURE.findall(page)}


def picture(shown: Path, notebook: str, cell: str) -> bytes:
    """Return the first picture of a cell of an executed notebook, as a small PNG.

    **Raises**: ``LookupError`` where there is none.
    """
    path = shown / f"{notebook}.ipynb"
    if not path.is_file():
        raise LookupError(f"{notebook} was not run yet: make notebooks NOTEBOOK={notebook}")
    for one in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        for output in one.get("outputs", ()) if one["id"] == cell else ():
            if drawn := output.get("data", {}).get("image/png"):
                return _small(base64.b64decode(drawn))
    raise LookupError(f"{notebook} has no picture in a cell {cell!r}")


def main() -> int:
    """Write them; returns the exit status."""
    folder = PAGE.parent / "images" / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = pictures_of(PAGE.read_text(encoding="utf-8"))
    failed = 0
    for name, (notebook, cell) in wanted.items():
        try:
            content = picture(SHOWN, notebook, cell)
        except LookupError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
        else:
            (folder / name).write_bytes(content)
            print(f"{name}  {len(content) / 1000:.0f} KB")
    for path in folder.glob("*.png"):
        if path.name not in wanted:
            path.unlink()
    return 1 if failed else 0


def _small(png: bytes) -> bytes:
    file = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
