"""The simulation's tables, as docs/batch-scale.md has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.batch.counts import Counts
from benchmarks.batch.designs import simpler_designs
from benchmarks.batch.limits import HISTORY_EVENTS, LAMBDA_S, PAYLOAD_BYTES
from benchmarks.batch.world import TOKENS, Dataset, World

_GB_OF_FUNCTION: Final = 2
_USD_PER_GB_S: Final = 0.0000133334
_USD_PER_TRANSITION: Final = 0.000025
_USD_PER_S3_CALL: Final = 0.0000004
"""Of Lambda on Graviton, Step Functions and S3's GET, in us-east-1; PUT costs twelve times as much and is rare here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A dataset and the machines for it: ``instances`` of a job, ``jobs`` at a time."""

    shards: int
    instances: int
    jobs: int
    documents: int = 10_000
    tokens_per_s: float = 78_500
    usd_per_hour: float = 1.1267

    @property
    def dataset(self) -> Dataset:
        """The dataset."""
        return Dataset(shards=self.shards, documents=self.documents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a case."""

    case: Case
    world: World
    counts: Counts
    seconds: float
    report: dict[str, Any]

    @property
    def machine_hours(self) -> float:
        """What the service bills."""
        hours: float = self.report["billed_s"] / 3600
        return hours

    @property
    def usd_beside(self) -> float:
        """What the function, the state machine and the calls of S3 cost."""
        function = self.world.called_s * _GB_OF_FUNCTION * _USD_PER_GB_S
        return function + self.counts.transitions * _USD_PER_TRANSITION + self.world.s3.calls * _USD_PER_S3_CALL


_ROWS: Final[tuple[tuple[str, Callable[[Outcome], str]], ...]] = (
    ("documents", lambda one: f"{one.case.shards * one.case.documents:,}"),
    ("tokens", lambda one: f"{one.case.shards * one.case.documents * TOKENS / 1e9:,.2f} billion"),
    ("shards (files)", lambda one: f"{one.case.shards:,}"),
    ("bytes in", lambda one: _bytes(one.case.shards * one.case.dataset.shard_bytes)),
    ("bytes out: 1024 dimensions, base64", lambda one: _bytes(one.case.shards * one.case.dataset.output_bytes)),
    ("machines: jobs at a time × instances", lambda one: f"{one.case.jobs} × {one.case.instances}"),
    ("transform jobs, failed ones and retries too", lambda one: f"{one.world.jobs:,}"),
    ("what went wrong", lambda one: _troubles(one.world)),
    ("hours by the clock", lambda one: f"{one.seconds / 3600:,.1f}"),
    ("machine hours billed", lambda one: f"{one.machine_hours:,.0f}"),
    ("dollars for machines", lambda one: f"{one.machine_hours * one.case.usd_per_hour:,.0f}"),
    ("dollars for state machine, function, S3 calls", lambda one: f"{one.usd_beside:,.2f}"),
    ("calls of the function", lambda one: f"{sum(n for name, n in one.counts.tasks.items() if 'lambda' in name):,}"),
    (f"longest call (limit {LAMBDA_S:.0f} s)", lambda one: f"{one.world.longest_call_s:,.0f} s"),
    (f"largest payload (limit {PAYLOAD_BYTES:,} bytes)", lambda one: f"{one.counts.most_payload:,} bytes"),
    (f"longest history (limit {HISTORY_EVENTS:,} events)", lambda one: f"{one.counts.most_events:,} events"),
    ("files verified", lambda one: f"{one.report['files']['verified']:,}"),
    ("outcome", lambda one: str(one.report["outcome"])),
)


def write_outcomes(outcomes: Sequence[Outcome]) -> str:
    """Write a column for each case."""
    lines = [f"| |{' |' * len(outcomes)}", f"|---|{'---:|' * len(outcomes)}"]
    lines += ["| " + " | ".join([name, *(tell(one) for one in outcomes)]) + " |" for name, tell in _ROWS]
    return "\n".join(lines)


def write_designs(case: Case) -> str:
    """Write where simpler state machines would end, with the case's shards and machines."""
    designs = simpler_designs(case.dataset, case.jobs * case.instances, case.tokens_per_s)
    lines = ["| simpler | what it meets | ends at |", "|---|---|---:|"]
    lines += [
        f"| {one.name} | {one.limit_name}: {one.limit:,.0f} {one.unit} | {one.most_shards():,} shards |"
        for one in designs
    ]
    return "\n".join(lines)


def _bytes(count: int) -> str:
    return f"{count / 1e12:,.1f} TB" if count >= 1e12 else f"{count / 1e9:,.1f} GB"


def _troubles(world: World) -> str:
    return ", ".join(f"{count} × {what}" for what, count in sorted(world.failures.items())) or "nothing"
