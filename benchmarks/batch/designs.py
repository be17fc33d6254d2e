"""Simpler state machines, and the number of shards at which each meets a limit of AWS's."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.batch.limits import HISTORY_EVENTS, JOB_S, LAMBDA_S, PAYLOAD_BYTES
from benchmarks.batch.world import READ_BYTES_PER_S, TOKENS, Dataset, shard_key

_EVENTS_OF_A_CALL: Final = 7
"""An iteration begins and ends, its state is entered and left, its task is scheduled, started and done."""

_EVENTS_OF_A_LOOK: Final = 9
"""Wait and Choice are entered and left, and so is the task that asks for the job's status, with its three events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A way to do it, what it meets, and how much of that so many shards need; ``unit`` is the limit's."""

    name: str
    limit_name: str
    limit: float
    unit: str
    needs: Callable[[int], float]

    def most_shards(self) -> int:
        """Return the most shards that stay within the limit."""
        low, high = 0, 1
        while self.needs(high) <= self.limit:
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.needs(middle) <= self.limit else (low, middle)
        return low


def simpler_designs(dataset: Dataset, machines: int, tokens_per_s: float) -> list[Design]:
    """Return the designs that were not taken, for shards like those of a dataset and so many machines."""
    read_bytes = dataset.shard_bytes + dataset.output_bytes
    key_bytes = len(json.dumps(shard_key(0))) + 2
    shard_s = dataset.documents * TOKENS / tokens_per_s / machines
    return [
        Design(
            name="the state carries the names of the files",
            limit_name="payload of a state",
            limit=PAYLOAD_BYTES,
            unit="bytes",
            needs=lambda shards: shards * key_bytes,
        ),
        Design(
            name="an inline Map verifies file by file",
            limit_name="events of an execution",
            limit=HISTORY_EVENTS,
            unit="events",
            needs=lambda shards: shards * _EVENTS_OF_A_CALL,
        ),
        Design(
            name="one call of the function verifies everything",
            limit_name="time of a call",
            limit=LAMBDA_S,
            unit="s",
            needs=lambda shards: shards * read_bytes / READ_BYTES_PER_S,
        ),
        Design(
            name="one transform job has all files",
            limit_name="time of a transform job",
            limit=JOB_S,
            unit="s",
            needs=lambda shards: shards * shard_s,
        ),
        Design(
            name="a loop asks each minute whether the job has ended",
            limit_name="events of an execution",
            limit=HISTORY_EVENTS,
            unit="events",
            needs=lambda shards: shards * shard_s / 60 * _EVENTS_OF_A_LOOK,
        ),
    ]
