"""What the CDK's command line runs: no network, no credentials, the same every time, and one sentence on a mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.templates import RELEASE, ROOT, case

from jina_v3_infra.config import check_deployment
from jina_v3_infra.stacks.application import build_application

NO_SOCKETS_IN_PYTHON = """\
import socket
def refuse(*arguments, **settings):
    raise RuntimeError("network")
socket.getaddrinfo = socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = refuse
"""
NO_SOCKETS_IN_NODE = """\
const refuse = () => { process.stderr.write("network\\n"); process.exit(97); };
require("net").Socket.prototype.connect = refuse;
require("dns").lookup = refuse;
require("dns").promises.lookup = refuse;
require("dgram").Socket.prototype.send = refuse;
"""


@pytest.fixture
def closed(tmp_path: Path) -> dict[str, str]:
    """An environment in which neither Python nor Node can open a connection, and nothing knows of an account."""
    (tmp_path / "sitecustomize.py").write_text(NO_SOCKETS_IN_PYTHON)
    (tmp_path / "closed.js").write_text(NO_SOCKETS_IN_NODE)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_", "JSII_"))}
    path = [str(tmp_path), *(str(ROOT / part) for part in ("inference", "infra", "client", "."))]
    return kept | {
        "PYTHONPATH": os.pathsep.join(path),
        "NODE_OPTIONS": f"--require {tmp_path / 'closed.js'}",
        "PATH": "/nowhere",  # no node but the wheel's
        "HOME": str(tmp_path),
        # unpacking the CDK's libraries anew takes longer than all the rest
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(Path.home() / ".cache/aws/jsii/package-cache"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def run_app(environment: dict[str, str], out: Path, **context: object) -> subprocess.CompletedProcess[str]:
    cdk_own = {"aws:cdk:enable-path-metadata": False, "@aws-cdk/core:some-flag": True, "aws-cdk:some": "thing"}
    variables = {"CDK_OUTDIR": str(out), "CDK_CONTEXT_JSON": json.dumps(cdk_own | context)}
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT / "infra",
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_synthesis_needs_no_network_no_credentials_and_no_node_of_the_machine(
    closed: dict[str, str], tmp_path: Path
) -> None:
    """Both the endpoint, and the batch runs with their function's code."""
    context = {"config": "examples/production.toml", "endpoint.variants.0.instance_type": "ml.g6e.xlarge"}
    batch = {"batch.instance_type": "ml.g6.xlarge"}
    done = run_app(closed, tmp_path / "out", **context, region="eu-west-1", **{"network.zones": 3}, **batch)
    assert (done.returncode, done.stderr) == (0, "")
    template = json.loads((tmp_path / "out/jina-v3-endpoint.template.json").read_text())
    types = [each["Type"] for each in template["Resources"].values()]
    assert types.count("AWS::EC2::Subnet") == 3
    (config,) = [each for each in template["Resources"].values() if each["Type"] == "AWS::SageMaker::EndpointConfig"]
    assert config["Properties"]["ProductionVariants"][0]["InstancePools"][0]["InstanceType"] == "ml.g6e.xlarge"
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert "missing" not in manifest  # what the command line would have to look up
    assert manifest["artifacts"]["jina-v3-endpoint"]["environment"] == "aws://unknown-account/eu-west-1"
    template = json.loads((tmp_path / "out/jina-v3-batch.template.json").read_text())
    (function,) = [each for each in template["Resources"].values() if each["Type"] == "AWS::Lambda::Function"]
    digest = function["Properties"]["Code"]["S3Key"].removesuffix(".zip")
    assert (tmp_path / f"out/asset.{digest}/jina_v3_batch/__init__.py").is_file()


def test_the_guard_would_see_a_connection(closed: dict[str, str]) -> None:
    python = "import socket; socket.create_connection(('localhost', 9))"
    seen = subprocess.run([sys.executable, "-c", python], env=closed, capture_output=True, text=True, check=False)
    assert "RuntimeError: network" in seen.stderr
    node = "from jina_v3_infra.node import node_program; print(node_program())"
    program = subprocess.run([sys.executable, "-c", node], env=closed, capture_output=True, text=True, check=True)
    script = "fetch('http://localhost:8123').catch(() => process.exit(96))"
    seen = subprocess.run([program.stdout.strip(), "-e", script], env=closed, check=False, capture_output=True)
    assert seen.returncode == 97


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ({"region": "us-north-1"}, "region = 'us-north-1': SageMaker is not there"),
        ({"config": "examples/none.toml"}, "examples/none.toml cannot be read"),
        ({"endpoint.variants.0.scaling.min": 3}, "min = 3 is more than max = 1"),
        ({"endpoint.colour": "red"}, "endpoint.colour is not known"),
        ({"model.source": "somebody/else"}, "somebody/else"),
    ],
)
def test_a_mistake_is_one_sentence(
    closed: dict[str, str], tmp_path: Path, context: dict[str, object], words: str
) -> None:
    done = run_app(closed, tmp_path / "out", **context)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_two_syntheses_are_the_same(tmp_path: Path) -> None:
    again = build_application(check_deployment({}), release=RELEASE, outdir=tmp_path)
    again.synth()
    for stack in ("foundation", "endpoint"):
        name = f"jina-v3-{stack}.template.json"
        assert (tmp_path / name).read_bytes() == (case("default").folder / name).read_bytes()
