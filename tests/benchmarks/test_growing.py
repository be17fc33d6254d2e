"""The page on growing: its tables are the arithmetic's, by hand and by other pages that say the same; AWS's limits."""

import re
from pathlib import Path

import boto3
import pytest
from benchmarks import growing
from benchmarks.batch.tables import Case

from jina_v3.contract import Limits
from jina_v3_client import EmbeddingClient
from jina_v3_infra.config import read_deployment

ROOT = Path(__file__).parents[2]
PAGE = growing.PAGE.read_text(encoding="utf-8")


def test_the_page_has_the_tables_of_today() -> None:
    assert growing.page_with(PAGE) == PAGE, "python -m benchmarks.growing writes them"


def test_a_page_without_a_tables_place_is_refused() -> None:
    with pytest.raises(ValueError, match="anew, break_even, vectors"):
        growing.page_with("<!-- python -m benchmarks.growing machines -->\n<!-- end -->")


def test_the_figures_by_hand() -> None:
    flop = 604e6 + 98_304 * 128
    by_hand = 1e9 * 230 / (0.4 * 121e12 / flop) / 3600
    assert growing.hours("ml.g6.xlarge", 10**9) == pytest.approx(by_hand)
    assert growing.dollars("ml.g6.xlarge", 10**9) == pytest.approx(by_hand * 1.1267)
    low, high = growing.queries_per_s("ml.g6.12xlarge")
    at_peak = 4 * 121e12 / (603_979_776 + 98_304 * 28) / 28
    assert (low, high) == (pytest.approx(0.33 * at_peak), pytest.approx(0.52 * at_peak))
    assert growing.break_even_tokens_per_s("ml.g6.xlarge", 0.02) == pytest.approx(1.1267 / 0.02 * 1e6 / 3600)
    assert growing.vector_bytes(1024) == {"float32": 4096, "int8": 1024, "binary": 128}


def test_it_says_what_the_page_on_batch_runs_says() -> None:
    case = Case(shards=100_000, instances=5, jobs=10)
    assert growing.hours(growing.CHEAPEST, 10**9) == pytest.approx(230e9 / case.tokens_per_s / 3600, rel=1e-3)
    assert growing.price(growing.CHEAPEST) == case.usd_per_hour
    cells = {}
    for line in (ROOT / "docs" / "batch-scale.md").read_text(encoding="utf-8").splitlines():
        name, *values = (cell.strip() for cell in line.strip("|").split("|"))
        cells.setdefault(name, values[-1] if values else "")
    told = PAGE.partition("## A billion documents")[2]
    for name, pattern in {
        "machine hours": r"machine hours \| (\S+)",
        "hours by the clock": r"by the clock \| (\S+) hours",
        "dollars for machines": r"\| machines \| \$(\S+)",
        "shards (files)": r"TB, (\S+) files",
        "a month of S3 for base64, 1024 dimensions": r"5\.5 TB, \$(\S+) a month",
    }.items():
        found = re.search(pattern, told)
        assert found is not None
        assert float(found[1].replace(",", "")) == float(cells[name].replace(",", "")), name


def test_its_limits_are_those_of_awss_own_models() -> None:
    runtime = boto3.client("sagemaker-runtime", region_name="us-east-1").meta.service_model
    assert runtime.shape_for("BodyBlob").metadata["max"] == 6_291_456
    assert runtime.operation_model("InvokeEndpointAsync").input_shape.members["Body"].metadata["max"] == 128_000
    sagemaker = boto3.client("sagemaker", region_name="us-east-1").meta.service_model
    assert sagemaker.shape_for("ProductionVariantList").metadata["max"] == 10
    assert "6,291,456 bytes" in PAGE
    assert "128,000 bytes" in PAGE
    assert "| variants of an endpoint | 10 |" in PAGE
    limits = Limits()
    assert f"| {limits.max_texts:,}; {limits.max_tokens_per_text:,} |" in PAGE


def test_its_variants_can_be_deployed_and_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (configuration,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "growing.toml").write_text(configuration)
    deployment = read_deployment(tmp_path / "growing.toml", ["region=eu-west-1"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, "growing.md", "exec"), names)
    client = names["client"]
    assert isinstance(client, EmbeddingClient)
    asked = {(report.target.region, getattr(report.target, "variant", None)) for report in client.routing.reports()}
    variants = {one.name for one in deployment.endpoint.variants}
    assert asked == {("us-east-1", None), *((deployment.region, variant) for variant in variants)}
    client.close()
