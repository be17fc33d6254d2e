"""What others' checkers say: cdk-nag of the stacks, cfn-lint of the templates. Neither has an exception listed here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.templates import CASES, ELSEWHERE, EXAMPLE_NAMES, Templates, case


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
