"""The log's line of each minute: what requests waited, and that an idle server is silent."""

import asyncio
import logging
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jina_v3.serving.load_report import describe_load, report_load
from jina_v3.serving.metrics import Metrics

SERVING = Path(__file__).parents[2] / "inference/jina_v3/serving"


def test_a_line_for_each_time_with_requests(caplog):
    async def scenario():
        metrics = Metrics()
        metrics.watch("queue_requests", "x", lambda: 3)
        metrics.watch("queue_tokens", "x", lambda: 70)
        for number in range(200):
            metrics.left_queue(number / 1000)
        reporting = asyncio.create_task(report_load(metrics, 0.005))
        while len(caplog.records) < 2:
            await asyncio.sleep(0.005)
        reporting.cancel()

    caplog.set_level(logging.INFO, "jina_v3.load")
    asyncio.run(scenario())
    first, second = (record.fields for record in caplog.records[:2])
    assert first == {"requests": 200, "queue_wait_p99_ms": 197.0, "queue_requests": 3, "queue_tokens": 70}
    assert (second["requests"], second["queue_wait_p99_ms"]) == (0, 0.0)  # what still waits is told too


def test_an_idle_server_is_silent(caplog):
    async def scenario():
        reporting = asyncio.create_task(report_load(Metrics(), 0.001))
        await asyncio.sleep(0.05)
        reporting.cancel()

    caplog.set_level(logging.INFO, "jina_v3.load")
    asyncio.run(scenario())
    assert not caplog.records


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=300))
def test_the_quantile_is_a_wait_that_one_in_a_hundred_exceeds(waits_s):
    p99_ms = describe_load(waits_s, 0, 0)["queue_wait_p99_ms"]
    above = sum(round(wait * 1000, 3) > p99_ms for wait in waits_s)
    assert above <= len(waits_s) / 100
    assert any(round(wait * 1000, 3) == p99_ms for wait in waits_s)


@pytest.mark.parametrize("path", sorted(SERVING.rglob("*.py")), ids=lambda path: path.stem)
def test_critical_is_said_only_of_what_ends_the_service(path):
    ends = {
        "the model could not be loaded",
        "cannot start",
        "an engine is gone; /ping is 503 from now on",
        "the batcher is broken",
        "the device hangs: a batch has not come back; its process is killed",
    }
    said = set(re.findall(r"_log\.critical\(\s*\"([^\"]+)\"", path.read_text(encoding="utf-8")))
    assert said <= ends
