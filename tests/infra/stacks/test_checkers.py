"""What others' checkers say: cdk-nag of the stacks, the CDK and cfn-lint of the templates. Nothing is excepted here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.templates import CASES, ELSEWHERE, EXAMPLE_NAMES, EXAMPLES, Templates, case

VALIDATE = """\
import json
import sys
from pathlib import Path
from jina_v3_infra.config import check_deployment, read_deployment
from jina_v3_infra.release import Release
from jina_v3_infra.stacks.application import build_application
release = Release(image_tag="cu128-0123456789ab", model="0123456789ab-ba9876543210")
for name, given in json.load(sys.stdin).items():
    deployment = read_deployment(Path(given)) if isinstance(given, str) else check_deployment(given)
    build_application(deployment, release=release, outdir=Path(sys.argv[1]) / name).synth()
"""


def test_cdk_nag_finds_nothing(every: Templates) -> None:
    assert every.findings == ()


def test_cdk_nag_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jina_v3_infra.stacks.permissions.accept", lambda *_: None)
    monkeypatch.setattr("jina_v3_infra.stacks.artifact_bucket.accept", lambda *_: None)
    monkeypatch.setitem(CASES, "unaccepted", {})
    rules = " ".join(case("unaccepted").findings)
    assert "AwsSolutions-S1" in rules
    assert "AwsSolutions-IAM5" in rules


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_cfn_lint_finds_nothing() -> None:
    found = {name: sorted(case(name).folder.glob("*.template.json")) for name in [*CASES, *EXAMPLE_NAMES]}
    for region in ("us-east-1", *ELSEWHERE.values()):
        files = [file for name in found if ELSEWHERE.get(name, "us-east-1") == region for file in found[name]]
        different = {file.read_bytes(): file for file in files}  # some cases have a stack in common
        command = [
            Path(sys.executable).with_name("cfn-lint"),
            "--regions",
            region,
            "--",
            *different.values(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_cdk_itself_finds_nothing(tmp_path: Path) -> None:
    """It looks into templates only where the environment does not tell Node, as it starts, not to."""
    environment = {name: value for name, value in os.environ.items() if name != "CDK_VALIDATION"}
    given = CASES | {name: str(EXAMPLES / name) for name in EXAMPLE_NAMES}
    command = [sys.executable, "-c", VALIDATE, tmp_path]
    words = json.dumps(given)
    done = subprocess.run(command, input=words, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    reports = {file.parent.name: json.loads(file.read_text()) for file in tmp_path.glob("*/validation-report.json")}
    assert sorted(reports) == sorted(given)
    assert [(name, each["pluginReports"]) for name, each in reports.items() if each["pluginReports"]] == []
