"""What the README tells a user to run or read is there, and its figures are those of the pages that they come from."""

import re
from pathlib import Path

from benchmarks import gpu_costs, growing

from jina_v3_infra.config import read_deployment
from jina_v3_infra.config.instances import instance_type
from jina_v3_infra.deploy.arguments import parse

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
JINAS_WAY = "jina-sagemaker's way"
LARGEST_ASYNCHRONOUS_BODY = 104_857_600  # tests/infra/stacks/test_real_time.py holds the deployed setting to it
FIRST_SCREEN = "\n".join(README.splitlines()[:40])


def test_its_targets_are_the_makefile_s() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert {"demo", "test", "verify", "deploy", "destroy", "preflight"} <= named <= targets


def test_its_links_and_folders_are_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", README) if "://" not in link]
    folders = re.findall(r"`([a-z]+)/`", README)
    assert links
    assert folders
    assert not [name for name in links + folders if not (ROOT / name).exists() and name != "code"]


def test_the_first_screen_has_the_commands_and_the_licence() -> None:
    for text in ("make demo", "make test", "make demo KEEP=1", "CC-BY-NC-4.0", "Jina AI", "AWS Marketplace"):
        assert text in FIRST_SCREEN
    assert len(re.findall(r"```python\n", FIRST_SCREEN)) == 1


def test_it_stays_a_page() -> None:
    assert len(README.splitlines()) <= 260


def test_what_needs_the_environment_makes_it_first() -> None:
    blocks = [block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if ".venv/" in block]
    assert blocks
    assert all(block.startswith("make setup") for block in blocks)


def test_its_examples_are_there() -> None:
    named = re.findall(r"infra/examples/[\w.-]+", README)
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]


def test_its_configuration_is_understood(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        (tmp_path / "readme.toml").write_text(block)
        read_deployment(tmp_path / "readme.toml", ["model.source=jinaai/jina-embeddings-v3", "region=us-east-1"])


def test_its_words_of_the_command_line_are_understood() -> None:
    commands = re.findall(r"^\.venv/bin/jina-v3-infra (.*)$", README, re.MULTILINE)
    assert commands
    for command in commands:
        assert parse(command.split()).config is not None


def test_its_modules_can_be_run() -> None:
    for module in set(re.findall(r"-m (jina_v3_infra\.\w+)", README)):
        source = ROOT / "infra" / (module.replace(".", "/") + ".py")
        assert '__name__ == "__main__"' in source.read_text(encoding="utf-8")


def table(heading: str) -> dict[str, list[str]]:
    """Return the cells of the first table under a heading, by their row's first."""
    lines = README.partition(f"## {heading}\n")[2].partition("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {first: rest for first, *rest in rows[2:]}


def test_the_examples_cost_what_their_machines_do() -> None:
    told = table("You run the platform")
    assert {name.strip("`") for name in told} == {
        str(path.relative_to(ROOT)) for path in (ROOT / "infra" / "examples").iterdir()
    }
    for name, (purpose, dollars) in told.items():
        deployment = read_deployment(ROOT / name.strip("`"), [])
        regions = 2 if deployment.router else 1
        prices = [0.0, 0.0]
        for variant in deployment.endpoint.variants if deployment.endpoint.enabled else ():
            each = instance_type(variant.instance_type).usd_per_hour
            assert each is not None
            prices = [prices[0] + variant.scaling.min * each, prices[1] + variant.scaling.max * each]
        written = sorted({f"{regions * price:.2f}" for price in prices}, key=float)
        assert dollars.partition(";")[0] == " to ".join(written), name
        for mebibytes in re.findall(r"up to (\d+) \w+ through S3", purpose):
            assert int(mebibytes) * 2**20 == LARGEST_ASYNCHRONOUS_BODY


def test_its_estimates_are_those_of_their_pages() -> None:
    costs = README.partition("## What it costs\n")[2].partition("\n## ")[0]
    row = next(line for line in gpu_costs.table({}).splitlines() if "`ml.g6.xlarge`" in line)
    assert f"${row.split(' | ')[-2]} on `ml.g6.xlarge` at 512 tokens" in costs
    assert f"${growing.dollars('ml.g6.xlarge', 10**9):.0f} and 18 hours on 50 machines for a billion" in costs
    assert 0.5 < growing.dollars("ml.g6.xlarge", 10**6) < 1.5
    assert "| hours by the clock | 0.5 | 4.7 | 18.0 |" in (ROOT / "docs" / "batch-scale.md").read_text("utf-8")


def test_its_measurements_are_those_of_the_results() -> None:
    told = table("Beside other ways")
    results = ROOT / "benchmarks" / "results"
    endpoint = (results / "endpoint.md").read_text(encoding="utf-8")
    rate = {}
    for line in endpoint.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[:2] == ["queries", "64 clients"]:
            rate[cells[2]] = cells[6]
    ours, *_, infinity = told["queries/s, two CPU cores, 64 clients, fp32"]
    assert (ours, infinity) == (f"{rate['ours']} (measured)", f"{rate['infinity']} (measured)")
    client = (results / "client.md").read_text(encoding="utf-8").partition("## Many texts")[2].partition("\n## ")[0]
    found = re.findall(r"^\| ([^|]+) \| ([\d.]+) \| [\d.]+ \|", client, re.MULTILINE)
    seconds = {way: float(median) for way, median in found}
    ours, theirs, *_ = told["client: 10,000 texts of a loopback endpoint"]
    assert ours == f"{seconds['ours']:.2f} s (measured)"
    assert theirs == f"{seconds[JINAS_WAY]:.2f} s (measured, its way)"
    assert f"takes {seconds['boto3, threads, JSON floats']} s" in README
    assert f"and {seconds['boto3, threads, base64']:.2f} s," in README


def test_what_the_others_reach_is_as_it_was_published() -> None:
    tokens_per_request = 115_000  # of infinity's benchmark; docs/comparison.md has the source
    cells = table("Beside other ways")["on a GPU"]
    assert cells[2].startswith(f"{round(0.54 * tokens_per_request, -3):,.0f} tokens/s")
    assert cells[4].startswith(f"{round(0.51 * tokens_per_request + 1, -2):,.0f} tokens/s")
    assert gpu_costs.MEASURED.exists() == (cells[0] != "**not measured**")
