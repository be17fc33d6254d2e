"""What the CDK's command line is called with; a small script stands for it, run by the real Node."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from jina_v3_infra.deploy.cdk_cli import Cdk
from jina_v3_infra.deploy.failures import CommandError
from jina_v3_infra.node import node_program

SCRIPT = """
const fs = require('fs');
fs.writeFileSync('called.json', JSON.stringify({argv: process.argv.slice(2), env: process.env, cwd: process.cwd()}));
process.exit(process.argv.includes('fail') ? 3 : 0);
"""
APP = """
import json, os, pathlib, sys
context = json.loads(os.environ["CDK_CONTEXT_JSON"])
if context.get("name") == "broken":
    sys.exit("name = 'broken' cannot be")
out = pathlib.Path(os.environ["CDK_OUTDIR"])
out.mkdir(parents=True)
(out / "manifest.json").write_text(json.dumps(context))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    script = tmp_path / "node_modules" / "aws-cdk" / "bin" / "cdk"
    script.parent.mkdir(parents=True)
    script.write_text(SCRIPT)
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "cdk.json").write_text('{"app": "x", "context": {"@aws-cdk/flag": true, "name": "of the file"}}')
    return tmp_path


def cdk(folder: Path, **context: str) -> Cdk:
    return Cdk(folder=folder, context=context, region="eu-west-1", account="123456789012", profile="work")


def test_it_is_called_quietly_with_the_right_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:1")
    assert cdk(folder).call("deploy", "a stack") == 0
    called = json.loads((folder / "called.json").read_text())
    assert called["argv"] == ["deploy", "a stack", "--no-notices", "--no-version-reporting"]
    assert called["cwd"] == str(folder.resolve())
    environment = called["env"]
    for name, value in {
        "AWS_REGION": "eu-west-1",
        "AWS_PROFILE": "work",
        "CDK_DEFAULT_ACCOUNT": "123456789012",
        "CDK_DEFAULT_REGION": "eu-west-1",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "1",
        "AWS_ENDPOINT_URL": "http://localhost:1",
        "JSII_NODE": str(node_program()),
    }.items():
        assert environment[name] == value
    assert "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION" in environment
    assert environment["PATH"].startswith(str(node_program().parent))


def test_its_exit_status_comes_back(folder: Path) -> None:
    assert cdk(folder).call("fail") == 3


def test_a_person_gets_the_app_and_the_configuration(folder: Path) -> None:
    cdk(folder, config="/a/b.toml", region="eu-west-1").call_with_app(["diff", "--fail"])
    argv = json.loads((folder / "called.json").read_text())["argv"]
    assert argv[:2] == ["diff", "--fail"]
    assert argv[argv.index("--app") + 1] == f"{sys.executable} app.py"
    assert argv[argv.index("-c") : -2] == ["-c", "config=/a/b.toml", "-c", "region=eu-west-1"]
    cdk(folder).call_with_app(["ls", "--app", "mine"])
    assert json.loads((folder / "called.json").read_text())["argv"].count("--app") == 1


def test_the_app_is_run_with_flags_and_overrides(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "made" / "cdk.out"
    cdk(folder, name="mine", config="/a/b.toml").synthesise(out)
    context = json.loads((out / "manifest.json").read_text())
    assert context["@aws-cdk/flag"] is True
    assert (context["name"], context["config"]) == ("mine", "/a/b.toml")  # what is said here wins over the file
    assert context["aws:cdk:disable-version-reporting"] is True


def test_an_app_that_fails_tells_why(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="name = 'broken' cannot be"):
        cdk(folder, name="broken").synthesise(tmp_path / "out")


def test_without_the_set_up_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="run make setup"):
        cdk(tmp_path).call("ls")
