"""What `jina-v3-infra batch` does: start, status, report and stop, from their words to their exit status."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

from jina_v3_batch.wording import count
from jina_v3_infra.config import Deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.batch.following import describe_time, follow, show_end, why_no_report
from jina_v3_infra.deploy.batch.progress import RunProgress
from jina_v3_infra.deploy.batch.runs import FAILED, Run, Runs, name_run, open_runs
from jina_v3_infra.deploy.batch.upload import list_files, upload_dataset
from jina_v3_infra.deploy.failures import CommandError
from jina_v3_infra.deploy.screen import Screen

NO_TASK: Final = "none"
_GIVEN: Final = (
    "output",
    "dimensions",
    "embedding_type",
    "format",
    "text_field",
    "id_field",
    "instances",
    "max_usd",
    "resume",
)
"""Words whose values are the run's, as they are."""
_LISTED: Final = 20
_SHOWN: Final = 5


def call_batch(words: argparse.Namespace, account: Account, deployment: Deployment, screen: Screen) -> bool:
    """Do what the words ask for, and say whether it came out well.

    **Raises**: ``CommandError``; ``StoppedFollowing`` on Ctrl-C while a run is followed.
    """
    return _ACTIONS[words.action](words, open_runs(account, deployment), screen)


def _start(words: argparse.Namespace, runs: Runs, screen: Screen) -> bool:
    fields = _read_fields(words)
    fields["dataset"] = dataset = _find_dataset(words, runs, screen)
    run = runs.start(name_run(dataset), fields)
    screen.say(f"run {run.name} of {dataset} is started", style="bold")
    if words.follow:
        return follow(runs, run, screen)
    screen.say(f"to see how far it is: jina-v3-infra batch status {run.name} (--follow stays with it)")
    report = "its estimate, and nothing is embedded" if words.dry_run else "its report"
    screen.say(f"{report}, at the end: jina-v3-infra batch report {run.name}")
    return True


def _read_fields(words: argparse.Namespace) -> dict[str, object]:
    """Return what was given of the run's input; what was not is the deployment's, or the steps', to choose."""
    fields: dict[str, object] = {name: value for name in _GIVEN if (value := getattr(words, name)) is not None}
    if words.task is not None:
        fields["task"] = None if words.task == NO_TASK else words.task
    for name in ("dry_run", "allow_missing_text"):
        if getattr(words, name):
            fields[name] = True
    return fields


def _find_dataset(words: argparse.Namespace, runs: Runs, screen: Screen) -> str:
    given: str | None = words.dataset
    planned = None if words.resume is None else _find_resumed(words.resume, runs)
    if given is None:
        if planned is None:
            raise CommandError("batch start needs a dataset: an s3:// place, a file or a folder; or --resume RUN")
        return planned
    if given.startswith("s3://"):
        return given
    path = Path(given).expanduser()
    if not path.exists():
        raise CommandError(
            f"there is no {given} here; a dataset is a file or folder of this machine, or an s3:// place"
        )
    files, left_out = list_files(path, any_name=words.format not in (None, "auto"))
    if left_out:
        more = ", …" if len(left_out) > _SHOWN else ""
        screen.say(f"left out, as no data by its name: {', '.join(left_out[:_SHOWN])}{more} ({len(left_out)} in all)")
    place, sent = upload_dataset(runs.account.client("s3"), runs.bucket, path, files)
    screen.say(f"{given} is at {place}" + (f": {count(sent, 'file')} sent" if sent else ", where it was already"))
    return place


def _find_resumed(name: str, runs: Runs) -> str:
    """Return the dataset of a run that is to be resumed: one that has ended, and had a plan."""
    planned = runs.read_json(name, "plan.json").get("dataset")
    try:
        run = runs.find(name)
    except CommandError:  # AWS forgets a run, and its plan may still be there
        if planned is None:
            raise
        return str(planned)
    if run.is_running:
        raise CommandError(
            f"the run {name} still goes on, and both would write to the same place; wait for its end, or end it: "
            f"jina-v3-infra batch stop {name}"
        )
    if planned is None:
        raise CommandError(f"the run {name} {run.status.lower()} before it had a plan; start its dataset anew")
    return str(planned)


def _status(words: argparse.Namespace, runs: Runs, screen: Screen) -> bool:
    if words.run is None:
        for line in describe_runs(runs, _LISTED):
            screen.say(line)
        return True
    run = runs.find(words.run)
    if words.follow:
        return follow(runs, run, screen)
    if not run.is_running:
        return show_end(runs, run, screen)
    screen.say(f"{run.name}: running since {run.started:%Y-%m-%d %H:%M:%S %Z}", style="bold")
    plan = runs.read_json(run.name, "plan.json")
    for name in ("dataset", "output"):
        if name in plan:
            screen.say(f"{name}: {plan[name]}")
    screen.say(RunProgress(runs, run.name).describe(run))
    return True


def describe_runs(runs: Runs, count: int) -> list[str]:
    """Say of the newest runs how they stand, one in a line."""
    found = runs.latest(count)
    return [_describe(runs, run) for run in found] or ["no run was started yet; jina-v3-infra batch start starts one"]


def _describe(runs: Runs, run: Run) -> str:
    outcome = runs.read_json(run.name, "report.json").get("outcome") if run.status == FAILED else None
    how = run.status.lower() + (f" ({outcome})" if outcome not in (None, run.status.lower()) else "")
    took = "" if run.stopped is None else f", took {describe_time(run.stopped - run.started)}"
    return f"run {run.name}: {how}, started {run.started:%Y-%m-%d %H:%M:%S}{took}"


def _report(words: argparse.Namespace, runs: Runs, screen: Screen) -> bool:
    report = runs.read(words.run, "report.txt")
    if report is None:
        run = runs.find(words.run)
        hint = "it is running; batch status --follow stays with it" if run.is_running else why_no_report(run)
        raise CommandError(f"the run {run.name} has no report: {hint}")
    screen.say(report.rstrip("\n"))
    return True


def _stop(words: argparse.Namespace, runs: Runs, screen: Screen) -> bool:
    run = runs.find(words.run)
    if not run.is_running:
        screen.say(f"{run.name} goes on no more: it is {run.status.lower()}")
        return True
    runs.stop(run.name)
    screen.say(f"{run.name} is stopped, and its jobs with it; what was verified stays, what they were at is done again")
    screen.say(f"to go on with the rest: jina-v3-infra batch start --resume {run.name}")
    return True


_ACTIONS: Final[dict[str, Callable[[argparse.Namespace, Runs, Screen], bool]]] = {
    "start": _start,
    "status": _status,
    "report": _report,
    "stop": _stop,
}
