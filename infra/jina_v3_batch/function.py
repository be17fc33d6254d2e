"""The Lambda function: one handler for all steps of the state machine."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

import boto3
from botocore.config import Config

from jina_v3_batch.errors import RunStateError
from jina_v3_batch.job import job
from jina_v3_batch.plan import plan
from jina_v3_batch.report import report
from jina_v3_batch.run import Run
from jina_v3_batch.settings import Settings, read_settings
from jina_v3_batch.settle import settle
from jina_v3_batch.shards import reshard
from jina_v3_batch.store import Store
from jina_v3_batch.verify import verify

_CLIENT: Final = Config(retries={"max_attempts": 8, "mode": "standard"}, max_pool_connections=32)
"""Patience with S3's "slow down", and a connection for each of the threads that sample."""
_WITHOUT_LIMIT_S: Final = 1e9


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Do one step: ``event`` has its name, the run's, and what the step's own docstring says.

    **Raises**: ``BatchError``, whose name and sentence Step Functions shows.
    """
    settings, store = _edge()
    return take_step(settings, store, event, _remaining(context))


def take_step(
    settings: Settings, store: Store, event: Mapping[str, Any], remaining_s: Callable[[], float]
) -> dict[str, Any]:
    """Do one step; ``remaining_s`` says how long it may still take."""
    steps: dict[str, Callable[[Run, Mapping[str, Any]], dict[str, Any]]] = {
        "plan": plan,
        "reshard": reshard,
        "job": job,
        "verify": functools.partial(verify, remaining_s=remaining_s),
        "settle": settle,
        "report": report,
    }
    step = steps.get(event.get("step", ""))
    if step is None:
        raise RunStateError(f"there is no step {event.get('step')!r}; there are {', '.join(steps)}")
    return step(Run(store, settings, event["run"]), event)


@functools.cache
def _edge() -> tuple[Settings, Store]:
    """Read the environment and open S3 once for all calls of a function's instance."""
    return read_settings(os.environ), Store(boto3.client("s3", config=_CLIENT))


def _remaining(context: Any) -> Callable[[], float]:
    if context is None:
        return lambda: _WITHOUT_LIMIT_S
    return lambda: context.get_remaining_time_in_millis() / 1000
