"""`make notebooks`: run notebooks from top to bottom, each in a kernel of its own, and keep what they showed.

The notebooks themselves stay as they are, without outputs. Copies with everything they showed, and each of their
pictures as a file, are left in ``.cache/notebooks``.
"""

from __future__ import annotations

import argparse
import base64
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

FOLDER: Final = Path(__file__).parents[1]
SHOWN: Final = FOLDER.parent / ".cache" / "notebooks"
CELL_LIMIT_S: Final = 300


class NotebookError(Exception):
    """A notebook did not reach its end; the message has the cell and what it said."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of a notebook has shown: the notebook with its outputs, its pictures, and how long it took."""

    notebook: Any
    pictures: tuple[Path, ...]
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the notebooks that were asked for, or all; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lab.run", description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("notebook", nargs="*", help="numbers, or parts of names; all by default")
    parser.add_argument("--into", type=Path, default=SHOWN, help="where outputs are left (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        paths = find(options.notebook)
    except NotebookError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    failed = 0
    for path in paths:
        print(f"{path.stem:<28}", end="", flush=True)
        try:
            outcome = run(path, options.into)
        except NotebookError as error:
            failed += 1
            print(f"FAILED\n{error}", flush=True)
        else:
            print(f"{outcome.seconds:4.0f} s, {len(outcome.pictures)} pictures", flush=True)
    print(f"{len(paths) - failed} of {len(paths)} ran to their end; what they showed is in {options.into}")
    return 1 if failed else 0


def find(wanted: Sequence[str] = ()) -> list[Path]:
    """Return the notebooks whose numbers or parts of names are given, or all, in their order.

    **Raises**: ``NotebookError`` for what names none.
    """
    every = sorted(FOLDER.glob("*.ipynb"))
    for word in wanted:
        if not any(_is(word, path) for path in every):
            raise NotebookError(f"no notebook is called {word!r}; there are {', '.join(path.stem for path in every)}")
    return [path for path in every if not wanted or any(_is(word, path) for word in wanted)]


def run(path: Path, into: Path = SHOWN, more: Sequence[str] = ()) -> Outcome:
    """Run a notebook from top to bottom, and then the cells ``more``; outputs and pictures go ``into`` a folder.

    **Raises**: ``NotebookError``; what it had shown until then is there all the same.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in more]
    client = NotebookClient(
        notebook, timeout=CELL_LIMIT_S, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    )
    started = time.perf_counter()
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise NotebookError(str(error)) from error
    finally:
        seconds = time.perf_counter() - started
        into.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, into / path.name)
        pictures = tuple(_save_pictures(notebook, into, path.stem))
    return Outcome(notebook, pictures, seconds)


def _is(word: str, path: Path) -> bool:
    return path.stem.startswith(f"{int(word):02}-") if word.isdecimal() else word.removesuffix(".ipynb") in path.stem


def _save_pictures(notebook: Any, into: Path, stem: str) -> Iterator[Path]:
    """Write each picture as a file, by the number of its cell; those of an earlier run are removed."""
    for old in into.glob(f"{stem}-*.png"):
        old.unlink()
    for number, cell in enumerate(notebook.cells):
        shown = [
            output["data"]["image/png"] for output in cell.get("outputs", ()) if "image/png" in output.get("data", ())
        ]
        for place, picture in enumerate(shown):
            path = into / f"{stem}-{number:02}{'abcdefgh'[place] if place else ''}.png"
            path.write_bytes(base64.b64decode(picture))
            yield path


if __name__ == "__main__":
    sys.exit(main())
