"""Why a transform job failed: for its files, for want of machines, or for a reason that trying again does not mend."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

COMPLETED: Final = "completed"
FILES: Final = "files"
"""Some file failed, or the container did."""
CAPACITY: Final = "capacity"
"""No machine was to be had, one was lost, or the service throttled: no file's fault."""
FATAL: Final = "fatal"
"""The job cannot be made at all."""

_CAPACITY: Final = re.compile(
    r"CapacityError|insufficient.{0,20}capacity|unable to provision|throttl|rate exceeded|too many requests"
    r"|ResourceLimitExceeded|ResourceInUse|InternalServerError|internal (server )?error|service ?unavailable"
    r"|instances? (was |were )?(lost|terminated)|lost (an |its |the )?instance|SdkClient",
    re.IGNORECASE,
)
_QUOTA_OF_NONE: Final = re.compile(r"limit\W.{0,200}is 0 Instances", re.IGNORECASE | re.DOTALL)
_JOB_FAILED: Final = ("States.TaskFailed", "States.Timeout")


def classify(transform: Mapping[str, Any]) -> str:
    """Say what became of a transform job, by what the state machine has of it."""
    if "Error" not in transform:
        return COMPLETED
    reason = reason_of(transform)
    if _QUOTA_OF_NONE.search(reason):
        return FATAL
    if _CAPACITY.search(f"{transform['Error']} {reason}"):
        return CAPACITY
    return FILES if transform["Error"] in _JOB_FAILED else FATAL


def reason_of(transform: Mapping[str, Any]) -> str:
    """Return why a job failed, in the service's words."""
    job = described(transform)
    if job.get("TransformJobStatus") == "Stopped":
        return "the transform job was stopped"
    return str(job.get("FailureReason") or transform.get("Cause") or transform.get("Error") or "")


def described(transform: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the job's description, which is the task's result or stands in an error's cause; empty without one."""
    if "Error" not in transform:
        return transform
    try:
        cause = json.loads(transform.get("Cause") or "")
    except ValueError:
        return {}
    return cause if isinstance(cause, dict) and "TransformJobName" in cause else {}


def seconds(value: Any) -> float | None:
    """Read a time as Step Functions writes it (milliseconds), or as text; seconds since 1970."""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
        except ValueError:
            return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value / 1000 if value > 1e11 else float(value)
    return None
