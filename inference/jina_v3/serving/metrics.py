"""What ``GET /metrics`` says, for Prometheus and for SageMaker, which scrapes it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import generate_latest

from jina_v3.contract import TASKS

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 300, 3600)
_TOKENS: Final = (16, 64, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
_BYTES: Final = tuple(float(4**power) for power in range(4, 15))

_WAITS: Final = 100_000


class Metrics:
    """The process's numbers. Only the event loop writes to them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = self._counter("requests_total", "Requests to /invocations by status", ["status"])
        self._request_s = self._histogram("request_seconds", "From a request's head to the end of its answer", _SECONDS)
        self._request_bytes = self._histogram("request_bytes", "Bytes of a request's body", _BYTES)
        self._response_bytes = self._histogram("response_bytes", "Bytes of a response's body", _BYTES)
        self.refused = self._counter("refused_total", "Requests refused because too much was waiting", [])
        self._queue_s = self._histogram("queue_seconds", "From a request's arrival to its first batch", _SECONDS)
        self._waits_s: deque[float] = deque(maxlen=_WAITS)
        self._texts = self._counter("texts_total", "Texts encoded by task", ["task"])
        self._tokens = self._counter("tokens_total", "Tokens encoded by task, with <s>, </s> and prompts", ["task"])
        self._batches = self._counter("batches_total", "Batches run", [])
        self._batch_tokens = self._histogram("batch_tokens", "Tokens of a batch", _TOKENS)
        self._device_s = self._counter("device_seconds_total", "Seconds that batches took on devices", [])
        for task in ("none", *TASKS):  # so that a rate over them begins at zero
            self._texts.labels(task)
            self._tokens.labels(task)

    def watch(self, name: str, about: str, read: Callable[[], float]) -> None:
        """Let a gauge say what ``read`` returns whenever it is asked for."""
        Gauge(f"jina_v3_{name}", about, registry=self.registry).set_function(read)

    def request_ended(self, status: int, seconds: float, request_bytes: int, response_bytes: int) -> None:
        """Count one request to ``/invocations``."""
        self._requests.labels(str(status)).inc()
        self._request_s.observe(seconds)
        self._request_bytes.observe(request_bytes)
        self._response_bytes.observe(response_bytes)

    def left_queue(self, seconds: float) -> None:
        """Count the wait of one request."""
        self._queue_s.observe(seconds)
        self._waits_s.append(seconds)

    def take_waits(self) -> list[float]:
        """Return the waits since the last time (s), the latest of very many."""
        waits_s = list(self._waits_s)
        self._waits_s.clear()
        return waits_s

    def read(self, name: str) -> float:
        """Return what a gauge says now, 0 where there is none of that name."""
        return self.registry.get_sample_value(f"jina_v3_{name}") or 0.0

    def encoded(self, task: str | None, texts: int, tokens: int) -> None:
        """Count what was encoded for one task."""
        self._texts.labels(task or "none").inc(texts)
        self._tokens.labels(task or "none").inc(tokens)

    def batch_ended(self, tokens: int, device_s: float) -> None:
        """Count one batch."""
        self._batches.inc()
        self._batch_tokens.observe(tokens)
        self._device_s.inc(device_s)

    def write(self) -> bytes:
        """Return all of it in Prometheus's text form."""
        return generate_latest(self.registry)

    def _counter(self, name: str, about: str, labels: list[str]) -> Counter:
        return Counter(f"jina_v3_{name}", about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"jina_v3_{name}", about, buckets=buckets, registry=self.registry)
