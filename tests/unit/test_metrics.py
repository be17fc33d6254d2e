"""Metrics: what is counted, in the form that scrapers read, and every name documented."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from jina_v3.serving.metrics import Metrics

PAGE = (Path(__file__).parents[2] / "docs" / "server.md").read_text(encoding="utf-8")


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    families = text_string_to_metric_families(metrics.write().decode())
    return {
        (sample.name, tuple(sample.labels.values())): sample.value for family in families for sample in family.samples
    }


def test_what_is_counted():
    metrics = Metrics()
    metrics.request_ended(200, 0.02, 100, 4000)
    metrics.request_ended(429, 0.001, 0, 300)
    metrics.encoded("retrieval.query", 2, 30)
    metrics.encoded(None, 1, 5)
    metrics.batch_ended(35, 0.5)
    metrics.left_queue(0.003)
    metrics.watch("queue_tokens", "x", lambda: 7)
    counted = samples(metrics)
    assert counted["jina_v3_requests_total", ("200",)] == counted["jina_v3_requests_total", ("429",)] == 1
    assert counted["jina_v3_request_seconds_bucket", ("0.01",)] == 1
    assert counted["jina_v3_request_bytes_sum", ()] == 100
    assert counted["jina_v3_response_bytes_sum", ()] == 4300
    assert counted["jina_v3_texts_total", ("retrieval.query",)] == 2
    assert counted["jina_v3_tokens_total", ("none",)] == 5
    assert counted["jina_v3_tokens_total", ("separation",)] == 0
    assert counted["jina_v3_batch_tokens_bucket", ("64.0",)] == 1
    assert counted["jina_v3_device_seconds_total", ()] == 0.5
    assert counted["jina_v3_queue_seconds_bucket", ("0.005",)] == 1
    assert counted["jina_v3_queue_tokens", ()] == 7


def test_the_page_has_every_name():
    rows = re.findall(r"^\| (`jina_v3_.*?) \|", PAGE.partition("\n## Metrics\n")[2].partition("\n## ")[0], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    stated = {name if name.startswith("jina_v3") else f"jina_v3{name}" for name in named}
    source = (Path(__file__).parents[2] / "inference" / "jina_v3" / "serving").rglob("*.py")
    code = "".join(path.read_text(encoding="utf-8") for path in source)
    made = set(re.findall(r'(?:_counter|_histogram|\.watch)\(\s*"(\w+)"', code))
    assert {name.removeprefix("jina_v3_") for name in stated} == made
