"""From the times of single requests to what is told of a run: percentiles, rates, errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

NO_ANSWER = 0
"""The status of a request that got none: the connection broke, or its time ran out."""


class Sample(NamedTuple):
    """One request.

    ``intended_s`` is when it was due: in an open loop the arrival that was drawn, in a closed one when it was sent.
    ``message`` is which of the run's messages it was.

    **Units**: seconds from the beginning of the run.
    """

    intended_s: float
    sent_s: float
    done_s: float
    status: int
    message: int

    @property
    def latency_s(self) -> float:
        """Return how long the answer took from when the request was due, so that waiting to be sent counts."""
        return self.done_s - self.intended_s


@dataclass(frozen=True, slots=True)
class Figures:
    """What is told of one run; latencies are of the requests that were answered with 200."""

    requests: int
    errors: dict[int, int] = field(default_factory=dict)
    p50_ms: float = float("nan")
    p95_ms: float = float("nan")
    p99_ms: float = float("nan")
    requests_s: float = 0.0
    tokens_s: float = 0.0
    late_ms: float = 0.0
    client_cpu_ms: float = 0.0

    @property
    def failed(self) -> int:
        """Return how many requests were not answered with 200."""
        return sum(self.errors.values())


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least ``percent`` of the values do not exceed; NaN of none."""
    return float(np.percentile(values, percent, method="inverted_cdf")) if len(values) else float("nan")


def summarize(samples: Sequence[Sample], tokens: Sequence[int], client_cpu_s: float = 0.0) -> Figures:
    """Return a run's figures; ``tokens`` are those of each message.

    Rates are over the time from the first request due to the last one done, the last ones' waiting included.
    """
    good = [sample for sample in samples if sample.status == 200]
    if not samples:
        return Figures(0)
    elapsed_s = max(s.done_s for s in samples) - min(s.intended_s for s in samples)
    latencies_ms = [1e3 * sample.latency_s for sample in good]
    late_ms = [1e3 * (sample.sent_s - sample.intended_s) for sample in samples]
    return Figures(
        requests=len(samples),
        errors=dict(Counter(sample.status for sample in samples if sample.status != 200)),
        p50_ms=percentile(latencies_ms, 50),
        p95_ms=percentile(latencies_ms, 95),
        p99_ms=percentile(latencies_ms, 99),
        requests_s=len(good) / elapsed_s,
        tokens_s=sum(tokens[sample.message] for sample in good) / elapsed_s,
        late_ms=percentile(late_ms, 50),
        client_cpu_ms=1e3 * client_cpu_s / len(samples),
    )


def of_calls(seconds: Sequence[float], texts: int, tokens: int) -> Figures:
    """Return the figures of calls without HTTP, made one after another: latencies are a call's, rates are of texts."""
    calls_ms = [1e3 * one for one in seconds]
    total_s = sum(seconds)
    p50, p95, p99 = (percentile(calls_ms, percent) for percent in (50, 95, 99))
    return Figures(texts, {}, p50, p95, p99, texts / total_s, tokens / total_s)
