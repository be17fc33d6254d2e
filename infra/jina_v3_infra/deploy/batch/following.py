"""Following a run to its end: a line that moves on a terminal, a line for each change elsewhere, then the report."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import Final

from rich.console import Console

from jina_v3_infra.deploy.batch.progress import RunProgress
from jina_v3_infra.deploy.batch.runs import COMPLETE, DRY_RUN, FAILED, Run, Runs
from jina_v3_infra.deploy.screen import Screen

_POLL_S: Final = 5.0


class StoppedFollowing(KeyboardInterrupt):
    """Ctrl-C came while a run was followed, whose name is the message; the run goes on."""


def follow(runs: Runs, run: Run, screen: Screen) -> bool:
    """Show a run until it ends, and its report; return whether it did all that was asked of it.

    **Raises**: ``StoppedFollowing`` on Ctrl-C.
    """
    try:
        ended = _await_end(runs, run, screen)
    except KeyboardInterrupt as error:
        raise StoppedFollowing(run.name) from error
    return show_end(runs, ended, screen)


def show_end(runs: Runs, run: Run, screen: Screen) -> bool:
    """Show how a run ended; return whether it did all that was asked of it."""
    took = "" if run.stopped is None else f" after {describe_time(run.stopped - run.started)}"
    screen.say(f"{run.name}: {run.status.lower()}{took}", style="bold")
    report = runs.read(run.name, "report.txt")
    if report is None:
        screen.complain(f"it has no report: {why_no_report(run)}")
        return False
    screen.say(report.rstrip("\n"))
    return runs.read_json(run.name, "report.json").get("outcome") in (COMPLETE, DRY_RUN)


def why_no_report(run: Run) -> str:
    """Say why a run that has ended has no report, and how it is gone on with."""
    told = run.cause or run.status.lower()
    return told if run.status == FAILED else f"{told}. To go on: jina-v3-infra batch start --resume {run.name}"


def describe_time(duration: object) -> str:
    """Write a duration without fractions of a second."""
    return str(duration).partition(".")[0]


def _await_end(runs: Runs, run: Run, screen: Screen) -> Run:
    progress, console = RunProgress(runs, run.name), Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        told = ""
        while (now := runs.find(run.name)).is_running:
            if (line := progress.describe(now)) != told:
                screen.say(f"{datetime.now(UTC):%H:%M:%S} {line}")
                told = line
            time.sleep(_POLL_S)
        return now
    with console.status("") as shown:
        while (now := runs.find(run.name)).is_running:
            elapsed = describe_time(datetime.now(UTC) - now.started)
            shown.update(f"{progress.describe(now)} ({elapsed})")
            time.sleep(_POLL_S)
    return now
