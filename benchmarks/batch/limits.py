"""What Step Functions, Lambda and batch transform allow, as their documents say in 2026."""

from __future__ import annotations

from typing import Final

PAYLOAD_BYTES: Final = 262_144
"""Of the input or result of a state. **Source**: Step Functions' service quotas."""

HISTORY_EVENTS: Final = 25_000
"""Of one execution. **Source**: Step Functions' service quotas."""

INLINE_CONCURRENCY: Final = 40
"""Iterations of an inline Map at one time. **Source**: Step Functions' developer guide, Map state."""

CHILD_CONCURRENCY: Final = 10_000
"""Child executions of a distributed Map at one time. **Source**: Step Functions' service quotas."""

LAMBDA_S: Final = 900.0
"""Of one invocation. **Source**: Lambda's quotas."""

JOB_S: Final = 5 * 24 * 3600.0
"""Of a transform job, as it is for the service's other jobs by default; its own page names none."""


class LimitReachedError(Exception):
    """AWS would have ended the execution here; the message says what was too much."""
