"""The step ``settle``: what is verified after an attempt, what is tried again and when, and what is given up."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from jina_v3_batch.failures import CAPACITY, COMPLETED, FATAL, FILES, classify, described, reason_of
from jina_v3_batch.job_state import read_state, write_state
from jina_v3_batch.run import Run
from jina_v3_batch.suspicion import guilty, is_careful, learn

_FIRST_WAIT_S: Final = 60
_LONGEST_WAIT_S: Final = 1800
MOST_WAITS: Final = 60
"""Attempts in a row without a machine before a job is given up: about 20 hours."""
_WAITS_OF_STARTED: Final = 5
"""Of jobs in a row that had begun: then a file may be what the service calls an internal error."""
_MESSAGE: Final = 500


def settle(run: Run, event: Mapping[str, Any]) -> dict[str, Any]:
    """Write the account after an attempt; ``event`` has the ``transform``'s result or error."""
    number, attempt = event["job"], event["attempt"]
    transform = event.get("transform") or {}
    state = read_state(run, number, attempt)
    outcome = classify(transform)
    if outcome == CAPACITY and state["waits"] >= _WAITS_OF_STARTED and described(transform).get("TransformStartTime"):
        outcome = FILES
    reason = reason_of(transform)[:_MESSAGE]
    groups = run.find(f"jobs/{number}/groups-{attempt}.json") or []
    chosen = [index for group in groups for index in group]
    results = _read_results(run, number, attempt)
    verified = {index for index in chosen if index in results and results[index]["ok"]}
    careful = outcome in (COMPLETED, FILES) and is_careful(state)
    convicted = guilty(chosen, verified) if careful and outcome == FILES else set(chosen) - verified
    for index in chosen:
        is_own = outcome != CAPACITY and index in convicted
        _settle_file(run, state, str(index), results.get(index), is_own=is_own, reason=reason)
    state["transforms"].append(_describe_transform(transform, attempt, outcome, reason))
    state["waits"] = state["waits"] + 1 if outcome == CAPACITY and not verified else 0
    if careful and learn(state, chosen, verified, convicted):
        _give_up_all(state, f"one file after the other fails alone: {reason}")
    if outcome == FATAL or state["waits"] > MOST_WAITS:
        _give_up_all(state, reason if outcome == FATAL else f"no machine for {MOST_WAITS} attempts: {reason}")
    write_state(run, number, attempt + 1, state)
    wait_s = _wait_s(run.name, number, attempt, state["waits"] if outcome == CAPACITY else 0)
    return {
        "run": run.name,
        "job": number,
        "attempt": attempt + 1,
        "done": not state["outstanding"],
        "wait_s": wait_s,
        "verified": len(state["verified"]),
        "outstanding": len(state["outstanding"]),
        "given_up": len(state["given_up"]),
    }


def _settle_file(
    run: Run, state: dict[str, Any], index: str, result: Mapping[str, Any] | None, *, is_own: bool, reason: str
) -> None:
    state["stale"].pop(index, None)
    if result is not None and result["ok"]:
        state["verified"][index] = {name: result[name] for name in _KEPT}
        del state["outstanding"][index]
        return
    entry = state["outstanding"][index]
    if result is None:
        result = {"reason": "not_verified", "message": reason or "its output could not be verified"}
    entry |= {"reason": result["reason"], "message": str(result.get("message", ""))[:_MESSAGE]}
    if result.get("stale"):
        state["stale"][index] = result["stale"]
    if result.get("rewritten"):
        state["rewritten"][index] = result["rewritten"]
        return
    if is_own:
        entry["failures"] += 1
    if result.get("permanent") or entry["failures"] >= run.settings.attempts:
        state["given_up"][index] = state["outstanding"].pop(index)


_KEPT: Final = ("output", "records", "embedded", "tokens", "errors")


def _give_up_all(state: dict[str, Any], reason: str) -> None:
    for index in list(state["outstanding"]):
        entry = state["outstanding"].pop(index)
        state["given_up"][index] = {**entry, "reason": "no_job", "message": reason}


def _read_results(run: Run, number: int, attempt: int) -> dict[int, dict[str, Any]]:
    prefix = f"jobs/{number}/verified-{attempt}-"
    found: dict[int, dict[str, Any]] = {}
    for item in run.list(f"jobs/{number}"):
        if item.key.startswith(prefix):
            found |= {result["index"]: result for result in run.read(item.key)["files"]}
    return found


def _describe_transform(transform: Mapping[str, Any], attempt: int, outcome: str, reason: str) -> dict[str, Any]:
    job = described(transform)
    resources = job.get("TransformResources") or {}
    return {
        "attempt": attempt,
        "outcome": outcome,
        "reason": reason if outcome != "completed" else "",
        "name": job.get("TransformJobName"),
        "instances": resources.get("InstanceCount"),
        "start": job.get("TransformStartTime"),
        "end": job.get("TransformEndTime"),
    }


def _wait_s(run: str, number: int, attempt: int, waits: int) -> int:
    """Return how long to wait before the next attempt: doubled each time, and spread so that jobs do not meet."""
    if waits == 0:
        return 1
    longest = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (waits - 1))
    digest = hashlib.sha256(f"{run} {number} {attempt}".encode()).digest()[0]
    return int(longest * (0.5 + digest / 512)) + 1
