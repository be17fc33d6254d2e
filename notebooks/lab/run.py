"""`make notebooks`: run notebooks from top to bottom, each in a kernel of its own, and keep what they showed.

The notebooks themselves stay as they are, without outputs. Copies with everything they showed, and each of their
pictures as a file, are left in ``.cache/notebooks``.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from traitlets.config import Config

FOLDER: Final = Path(__file__).parents[1]
SHOWN: Final = FOLDER.parent / ".cache" / "notebooks"
CELL_LIMIT_S: Final = 300
_ENDING_S: Final = 60  # a kernel that ends stops its local AWS
_SHOWN_LINES: Final = 12  # of a cell that failed, and of what it said
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")

Progress = Callable[[int, int], None]
"""Is told which cell begins, and how many there are."""


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
    parser = argparse.ArgumentParser(
        prog="python -m lab.run",
        description="Run notebooks from top to bottom, each in a kernel of its own. They stay as they are.",
    )
    parser.add_argument("notebook", nargs="*", help="numbers, or parts of names; all by default")
    parser.add_argument("--into", type=Path, default=SHOWN, help="where outputs are left (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        paths = find(options.notebook)
    except NotebookError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        failed = sum(not _run_and_say(path, options.into) for path in paths)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    print(f"{len(paths) - failed} of {len(paths)} ran to their end; what they showed is in {options.into}")
    return 1 if failed else 0


def _run_and_say(path: Path, into: Path) -> bool:
    """Run a notebook with a line of its progress; returns whether it reached its end."""
    name = f"{path.stem:<24}"
    terminal = sys.stdout.isatty()

    def progress(cell: int, cells: int) -> None:
        if terminal:
            print(f"\r{name}cell {cell} of {cells}  ", end="", flush=True)

    print(name, end="", flush=True)
    try:
        outcome = run(path, into, progress=progress)
    except NotebookError as error:
        print(f"{_again(terminal, name)}FAILED, {error}", flush=True)
        return False
    print(f"{_again(terminal, name)}{outcome.seconds:4.0f} s, {len(outcome.pictures)} pictures   ", flush=True)
    return True


def _again(terminal: bool, name: str) -> str:
    return f"\r{name}" if terminal else ""


def find(wanted: Sequence[str] = ()) -> list[Path]:
    """Return the notebooks whose numbers or parts of names are given, or all, in their order.

    **Raises**: ``NotebookError`` for what names none.
    """
    every = sorted(FOLDER.glob("*.ipynb"))
    for word in wanted:
        if not any(_is(word, path) for path in every):
            raise NotebookError(f"no notebook is called {word!r}; there are {', '.join(path.stem for path in every)}")
    return [path for path in every if not wanted or any(_is(word, path) for word in wanted)]


def run(
    path: Path, into: Path = SHOWN, more: Sequence[str] = (), *, progress: Progress = lambda _cell, _cells: None
) -> Outcome:
    """Run a notebook from top to bottom, and then the cells ``more``; outputs and pictures go ``into`` a folder.

    **Raises**: ``NotebookError``; what it had shown until then is there all the same.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in more]

    stopped = threading.Event()

    def begin(cell: Any, cell_index: int) -> None:  # noqa: ARG001  # nbclient passes both by name
        _heed_signals(stopped)
        progress(cell_index + 1, len(notebook.cells))

    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="nb-") as folder, (Path(folder) / "stderr").open("w+b") as said:
        try:
            _client(notebook, Path(folder), begin).execute(stderr=said)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            if stopped.is_set():
                raise KeyboardInterrupt from None
            said.seek(0)
            raise NotebookError(_shortly(notebook, error, said.read().decode(errors="replace"))) from error
        finally:
            seconds = time.perf_counter() - started
            into.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, into / path.name)
            pictures = tuple(_save_pictures(notebook, into, path.stem))
    return Outcome(notebook, pictures, seconds)


def _client(notebook: Any, sockets: Path, begin: Callable[..., None]) -> NotebookClient:
    """Return what runs the notebook in a kernel that is reached by files, which no one else on the machine can read."""
    manager = {"transport": "ipc", "ip": str(sockets / "kernel"), "shutdown_wait_time": _ENDING_S}
    return NotebookClient(
        notebook,
        timeout=CELL_LIMIT_S,
        kernel_name="python3",
        startup_timeout=CELL_LIMIT_S,
        resources={"metadata": {"path": str(FOLDER)}},
        on_cell_start=begin,
        config=Config(KernelManager=manager),
    )


def _heed_signals(stopped: threading.Event) -> None:
    """Let Ctrl-C end all of it: nbclient would end the kernel, and call it dead."""
    task = asyncio.current_task()
    if task is None or threading.current_thread() is not threading.main_thread():
        return

    def stop() -> None:
        stopped.set()
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)


def _shortly(notebook: Any, error: Exception, said: str) -> str:
    """Say which cell failed, and why, in a few lines; ``said`` is what the kernel itself wrote to its screen."""
    number, cell = next(
        (
            (number, cell)
            for number, cell in reversed(list(enumerate(notebook.cells, start=1)))
            if cell.cell_type == "code" and ("execution" in cell.metadata or cell.outputs)
        ),
        (0, nbformat.v4.new_code_cell("")),
    )
    if isinstance(error, CellExecutionError):
        reason = f"{error.ename}: {error.evalue}"
    elif isinstance(error, CellTimeoutError):
        reason = f"it took longer than {CELL_LIMIT_S} s"
    else:
        reason = f"its kernel died\n{said}"
    lines = _COLOURS.sub("", reason).strip().splitlines()
    source = cell.source.splitlines()
    shown = [f"    {line}" for line in source[:_SHOWN_LINES]] + ["    …"] * (len(source) > _SHOWN_LINES)
    end = ["  …"] * (len(lines) > _SHOWN_LINES + 1) + [f"  {line}" for line in lines[1:][-_SHOWN_LINES:]]
    return "\n".join([f"cell {number} of {len(notebook.cells)}", *shown, f"  {lines[0]}", *end])


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
