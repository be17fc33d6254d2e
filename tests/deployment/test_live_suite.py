"""The tests of a real account, run on the local AWS: they are no broken code, and they do take everything away."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from demo.standin import StandInConfig, write_standin
from tests.support.live_register import list_live_tests

from local_aws.server import LocalAws
from local_aws.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

VERIFY = Path(__file__).parents[1] / "live" / "verify.py"
CONFIG = """
name = "verified"
region = "us-east-1"
model = {{ source = "{model}" }}
image = {{ torch = "cpu" }}

[[endpoint.variants]]
instance_type = "ml.c7i.xlarge"

[endpoint.capture]
percent = 100

[endpoint.update]
canary_wait_s = 10
termination_wait_s = 0
most_latency_ms = 60_000  # how long two busy cores take is not the subject
"""
LACKING = {
    "test_region_sells_the_machines": "its price list is empty",
    "test_image_is_built_and_scanned": "it scans no images",
    "test_trust_lets_sagemaker_alone_have_the_execution_role": "policies are not evaluated",
    "test_execution_role_is_allowed_what_hosting_needs_and_no_more": "moto simulates no policies",
    "test_metrics_come_and_an_alarm_goes_off": "calls are not counted, and alarms do not watch",
}
"""What the local AWS cannot satisfy, and why not."""

SLOW_TO_FAIL = {"test_image_is_built_and_scanned", "test_metrics_come_and_an_alarm_goes_off"}
"""Those of them that wait a quarter of an hour for what does not come."""

SKIPPED = {
    "test_endpoint_is_in_the_subnets": "no VPC",
    "test_backlog_is_counted_and_worked_off": "not asynchronous",
    "test_component_that_is_too_large_finds_no_place": "no inference component",
    "test_calls_are_shared_between_instances": "one instance",
    "test_load_adds_and_quiet_takes_away": "does not scale",
    "test_component_goes_to_zero_and_comes_back": "does not scale to zero",
    "test_asynchronous_endpoint_sleeps_and_a_call_wakes_it": "no asynchronous endpoint",
    "test_routers_answer_from_their_own_region": "no second region",
    "test_router_goes_elsewhere_where_its_region_has_nobody": "no second region",
}
"""What this configuration has no use for, and a part of the reason that is given."""


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with LocalAws(Settings(state_folder=tmp_path_factory.mktemp("aws"))) as running:
        yield running


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verified")
    shape = StandInConfig(layers=2, hidden=64, heads=4, intermediate=128, vocab=400)
    texts = ["the sun rises over the harbour", "Boote kehren heim", "le port calme"]
    model = write_standin(folder / "model", texts * 20, shape)
    path = folder / "verified.toml"
    path.write_text(CONFIG.format(model=model))
    return path


def verify(aws: LocalAws, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(VERIFY), *words],
        env=os.environ | aws.environment("us-east-1") | {"COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1500,
    )


def test_without_a_terminal_nothing_begins_unasked(aws: LocalAws, config: Path) -> None:
    ran = verify(aws, str(config))
    assert ran.returncode == 1
    assert "account 123456789012, us-east-1: verified" in ran.stdout
    assert "$0.21 an hour" in ran.stdout  # of one ml.c7i.xlarge
    assert "YES=1" in ran.stderr
    assert aws.client("cloudformation", "us-east-1").describe_stacks()["Stacks"] == []


def outcomes_of(report: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return of each test how it ended, and why where it was skipped, in the order of their running."""
    outcomes, reasons = {}, {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        bad = [child for child in case if child.tag in {"failure", "error"}]
        skips = case.findall("skipped")
        outcomes[case.attrib["name"]] = "failed" if bad else "skipped" if skips else "passed"
        reasons[case.attrib["name"]] = " ".join(skip.attrib["message"] for skip in skips)
    return outcomes, reasons


def test_the_suite_passes_and_leaves_nothing(aws: LocalAws, config: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    unwanted = "not (" + " or ".join(LACKING) + ")"
    ran = verify(aws, str(config), "--yes", "-k", unwanted, f"--junitxml={report}")
    outcomes, reasons = outcomes_of(report)
    expected = {name: "skipped" if name in SKIPPED else "passed" for name in list_live_tests() if name not in LACKING}
    assert outcomes == expected, ran.stdout[-8000:] + ran.stderr
    assert list(outcomes)[-1] == "test_destroy_leaves_nothing"
    assert ran.returncode == 0
    assert [name for name, words in SKIPPED.items() if words not in reasons[name]] == []
    assert "STILL THERE" not in ran.stderr
    stacks = aws.client("cloudformation", "us-east-1").describe_stacks()["Stacks"]
    assert [stack["StackName"] for stack in stacks] == ["CDKToolkit"]


def test_what_fails_is_told_and_what_is_left_is_not_touched_by_another_run(
    aws: LocalAws, config: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.xml"
    right = "test_artifact_and_log_are_encrypted_with_the_key"
    wrong = [name for name in LACKING if name not in SLOW_TO_FAIL]
    ran = verify(aws, str(config), "--yes", "-k", " or ".join([right, *wrong]), f"--junitxml={report}")
    # what the local AWS cannot satisfy does fail, so that the list is no longer than it must be
    assert outcomes_of(report)[0] == {right: "passed", **dict.fromkeys(wrong, "failed")}, ran.stdout[-4000:]
    assert ran.returncode == 1
    assert "STILL THERE, AND IT COSTS MONEY: verified-endpoint, verified-foundation" in ran.stderr
    assert f"jina-v3-infra destroy --config {config} --delete-data --yes" in ran.stderr
    again = verify(aws, str(config), "--yes")
    assert again.returncode == 1
    assert "verified-endpoint, verified-foundation stand already" in again.stderr
    assert len(aws.client("cloudformation", "us-east-1").describe_stacks()["Stacks"]) == 3
