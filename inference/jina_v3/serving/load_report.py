"""One line of the log for each minute in which there was something to do: how long requests waited, and how many wait.

CloudWatch makes metrics of it without a scraper. It knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from typing import Any, Final

from jina_v3.serving.metrics import Metrics

_log = logging.getLogger("jina_v3.load")

EVERY_S: Final = 60.0


async def report_load(metrics: Metrics, every_s: float = EVERY_S) -> None:
    """Write the line again and again, until cancelled; an idle server writes none."""
    while True:
        await asyncio.sleep(every_s)
        fields = describe_load(metrics.take_waits(), metrics.read("queue_requests"), metrics.read("queue_tokens"))
        if fields["requests"] or fields["queue_requests"]:
            _log.info("load", extra={"fields": fields})


def describe_load(waits_s: Sequence[float], queue_requests: float, queue_tokens: float) -> dict[str, Any]:
    """Return what the line says of the requests that left the queue since the last one, and of those in it."""
    return {
        "requests": len(waits_s),
        "queue_wait_p99_ms": round(_quantile(waits_s, 0.99) * 1000, 3),
        "queue_requests": round(queue_requests),
        "queue_tokens": round(queue_tokens),
    }


def _quantile(values: Sequence[float], share: float) -> float:
    """Return the least value that so large a share does not exceed; 0 of none."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else 0.0
