"""The account of one job between its steps: which files are verified, outstanding and given up.

``jobs/<n>/files.json`` has the job's files; ``jobs/<n>/state-<attempt>.json`` what stands before an attempt. Each is
written once, from what was there before, so that a step that Step Functions calls twice writes the same again.
"""

from __future__ import annotations

import re
from typing import Any, Final

from jina_v3_batch.run import Run

_STATE: Final = re.compile(r"jobs/(\d+)/(files|state-(\d+))\.json")


def new_state(files: int) -> dict[str, Any]:
    """Return the account before the first attempt.

    ``outstanding``: by a file's index how often it failed, and why last. ``rewritten``: files that are to be read from
    the run's own copy. ``stale``: outputs that are to be deleted. ``waits``: attempts in a row that failed for want of
    machines. ``few`` and ``given_up_alone`` are those of ``suspicion``.
    """
    return {
        "outstanding": {str(index): {"failures": 0} for index in range(files)},
        "verified": {},
        "given_up": {},
        "rewritten": {},
        "stale": {},
        "transforms": [],
        "waits": 0,
        "few": 0,
        "given_up_alone": 0,
    }


def read_state(run: Run, job: int, attempt: int) -> dict[str, Any]:
    """Read the account before an attempt."""
    state: dict[str, Any] = run.read(f"jobs/{job}/state-{attempt}.json")
    return state


def write_state(run: Run, job: int, attempt: int, state: dict[str, Any]) -> None:
    """Write the account before an attempt."""
    run.write(f"jobs/{job}/state-{attempt}.json", state)


def last_states(run: Run) -> dict[int, dict[str, Any]]:
    """Return the newest account of each job, by the job's number."""
    newest: dict[int, int] = {}
    for item in run.list("jobs"):
        match = _STATE.fullmatch(item.key)
        if match and match[3]:
            newest[int(match[1])] = max(newest.get(int(match[1]), 0), int(match[3]))
    return {job: read_state(run, job, attempt) for job, attempt in sorted(newest.items())}
