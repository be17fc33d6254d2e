"""A notebook run as `make notebooks` runs it, and asked what it found and what it left behind."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
import psutil

from lab import run

Ran = Callable[[str, Mapping[str, str]], dict[str, Any]]
"""Takes a notebook's name and expressions over its variables; returns their values, as JSON has them."""

_ROOT = Path(__file__).parents[2]
_SAID = "what-the-notebook-found "
MARK = "JINA_V3_TESTED_NOTEBOOK"
_ENDING_S = 60

_WATCH = f"""
import importlib.util

_spec = importlib.util.spec_from_file_location("inventory", {str(_ROOT / "tests/support/inventory.py")!r})
_inventory = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_inventory)
_left = {{"folder": str(here.aws.settings.state_folder)}}


def _take():
    found = _inventory.take_inventory(lambda service: here.aws.client(service, here.deployment.region))
    found["log groups"].discard("/aws/sagemaker/TransformJobs")  # the account's: SageMaker makes it for all jobs
    return {{what: {{name for name in names if "cdk-" not in name}} for what, names in found.items()}}


def _look(before):
    after = _take()
    _left["things"] = {{what: sorted(names - before[what]) for what, names in after.items() if names - before[what]}}


here._close.callback(_look, _take())  # before the local AWS stops
"""


def run_and_ask(name: str, expressions: Mapping[str, str], into: Path, mark: str) -> dict[str, Any]:
    """Run a notebook; it must end well, quietly, and leave neither a process nor anything in its account.

    ``mark`` is what the variable ``MARK`` holds now, which everything that is started here inherits.
    """
    notebook = nbformat.read(run.FOLDER / f"{name}.ipynb", as_version=4)
    first = next(place for place, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    notebook.cells.insert(first + 1, nbformat.v4.new_code_cell(_WATCH))
    watched = into / f"{name}.ipynb"
    nbformat.write(notebook, watched)
    outcome = run.run(watched, into / "shown", [_ask(expressions)])
    found = json.loads(_printed(outcome.notebook).rpartition(_SAID)[2])
    left = found["left"]
    assert left["things"] == {}, left["things"]
    assert not Path(left["folder"]).exists()
    assert (processes := _processes_of(left["folder"], mark)) == [], processes
    assert (complaints := _printed(outcome.notebook, "stderr")) == "", complaints
    return found["values"]


def _ask(expressions: Mapping[str, str]) -> str:
    values = ", ".join(f"{name!r}: ({expression})" for name, expression in expressions.items())
    return (
        "import json\n"
        f"_found = {{'left': _left, 'values': {{{values}}}}}\n"
        f"print({_SAID!r} + json.dumps(_found, default=lambda one: one.tolist()))"
    )


def _printed(notebook: Any, name: str = "stdout") -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == name)


def _processes_of(folder: str, mark: str) -> list[str]:
    """Return what still runs of a notebook: by its variable, which children inherit, or by its AWS's folder."""
    until = time.monotonic() + _ENDING_S
    while found := [what for one in psutil.process_iter() if (what := _what(one, folder, mark))]:
        if time.monotonic() > until:
            break
        time.sleep(0.2)
    return found


def _what(process: psutil.Process, folder: str, mark: str) -> str:
    try:
        if process == psutil.Process():
            return ""
        environment = process.environ()
        words = [*process.cmdline(), *environment.values(), process.cwd()]
        is_its = environment.get(MARK) == mark or any(folder in word for word in words)
        return " ".join(process.cmdline()) if is_its and process.status() != psutil.STATUS_ZOMBIE else ""
    except psutil.Error:  # another's, or gone meanwhile
        return ""
