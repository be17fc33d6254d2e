"""Where the pages' shell blocks are run: a folder like the repository's, and an account that has one deployment."""

import gzip
import json
import os
import random
import re
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from demo.shell import shell_commands
from tests.support.commands import HOLE
from tests.support.pages import ROOT, Block

from local_aws.server import LocalAws

STUBS = ("aws", "cdk", "docker", "jina-v3", "jina-v3-infra", "make", "npm", "pip", "python", "python3", "serve")
PORTS = range(10_000, 20_000)  # below those of the local AWS's containers, and of what the system itself gives away
NAME, REGION = "jina-v3-dev", "us-east-1"
EXAMPLE = ROOT / "infra" / "examples" / "development.toml"
BATCH = """
[batch]
instances = 1
datasets = ["s3://bucket/"]

[[batch.schedules]]
name = "nightly"
expression = "cron(0 3 * * ? *)"
dataset = "docs/"
"""
DATASET = {
    "en.jsonl": [{"id": f"en{n}", "text": f"boats return to harbour {n}"} for n in range(10)],
    "de.jsonl": [{"id": f"de{n}", "text": f"Boote kehren heim {n}"} for n in range(10)],
    "fr.jsonl": [{"id": f"fr{n}", "text": f"le soleil se lève {n}"} for n in range(10)],
    "bad/first.jsonl": [{"id": "r90"}, *({"id": f"r9{n}", "text": f"the quiet harbour {n}"} for n in range(1, 10))],
    "bad/last.jsonl": [
        {"id": "r100", "text": ""},
        {"id": "r101", "text": "the sun rises", "task": "retreival.passage"},
        {"id": "r102", "text": "the sun rises"},
        {"id": "r103", "text": "children walk to school"},
    ],
}
"""44 records, of which three are wrong: what docs/batch.md shows the report of."""


class PageAccount:
    """Runs blocks. The configuration of every example is the same here: one deployment, which all pages speak of."""

    def __init__(self, aws: LocalAws, model: Path, home: Path) -> None:
        self.aws, self.home, self.port = aws, home, free_port()
        self._substitutes = {
            "localhost:5000": aws.url.removeprefix("http://"),
            "localhost:8080": f"127.0.0.1:{self.port}",
            "--endpoint texts": f"--endpoint {NAME}",
            "/path/to/model": str(model),
            "MODEL_FOLDER": str(model),
            "ENDPOINT": NAME,
            "NAME": NAME,
        }
        self._fill(model)

    def _fill(self, model: Path) -> None:
        text = EXAMPLE.read_text(encoding="utf-8")
        text = re.sub(r"(?m)^source = .*$", f'source = "{model}"', text) + BATCH
        (self.home / "infra" / "examples").mkdir(parents=True)
        for path in (ROOT / "infra").iterdir():
            if path.name not in ("examples", "cdk.out"):
                (self.home / "infra" / path.name).symlink_to(path)
        for path in EXAMPLE.parent.iterdir():
            (self.home / "infra" / "examples" / path.name).with_suffix(".toml").write_text(text, encoding="utf-8")
        for name in ("Makefile", "inference", "constraints.txt", "pyproject.toml"):
            (self.home / name).symlink_to(ROOT / name)
        for name in ("jina-v3.toml", "file.toml", "infra/examples/asynchronous.yaml"):
            (self.home / name).write_text(text, encoding="utf-8")
        yaml(self.home / "infra/examples/asynchronous.yaml", text)
        programs = self.home / ".venv" / "bin"
        programs.mkdir(parents=True)
        for name in STUBS:
            words = shlex.join([sys.executable, str(ROOT / "tests/support/page_program.py"), name])
            (programs / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            (programs / name).chmod(0o755)
        (self.home / ".venv" / ".stamp").touch()
        for folder in ("texts", "documents"):
            for name, records in DATASET.items():
                path = self.home / folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("".join(json.dumps(record) + "\n" for record in records))
        (self.home / ".cache").mkdir()
        shell = shell_commands(self.aws.environment(REGION), NAME)
        (self.home / ".cache" / "demo.env").write_text(shell, encoding="utf-8")
        lines = "".join(json.dumps({"id": n, "text": f"boats {n}"}) + "\n" for n in range(5))
        (self.home / "docs.jsonl").write_text(lines)
        (self.home / "docs.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
        (self.home / "docs.txt").write_text("the tide is high\nboats leave\n")
        s3 = self.aws.client("s3", REGION)
        s3.create_bucket(Bucket="bucket")
        for folder in ("documents", "batch/datasets/docs"):
            s3.put_object(Bucket="bucket", Key=f"{folder}/docs.jsonl", Body=lines.encode())
        article = {"doc_id": "a", "body": "boats return", "year": 2026}
        s3.put_object(Bucket="bucket", Key="articles/a.jsonl", Body=json.dumps(article).encode())

    def learn(self) -> None:
        """Know what the deployment has made, which pages call BUCKET, ARN and ALARM."""
        cloudformation = self.aws.client("cloudformation", REGION)
        outputs: dict[str, str] = {}
        for stack in cloudformation.describe_stacks()["Stacks"]:
            outputs |= {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
        alarm = self.aws.client("cloudwatch", REGION).describe_alarms()["MetricAlarms"][0]["AlarmName"]
        self._substitutes |= {"BUCKET": outputs["ArtifactBucket"], "ARN": outputs["StateMachineArn"], "ALARM": alarm}

    def text(self, block: Block) -> str:
        """Return a block with the names of this account."""
        found = "|".join(
            rf"(?<![\w-]){re.escape(name)}(?!\w)" + ("" if name.isupper() else "(?!-)") for name in self._substitutes
        )
        return HOLE.sub("HOLE", re.sub(found, lambda name: self._substitutes[name[0]], block.text))

    def run(self, block: Block, and_then: str = "") -> str:
        """Run a block's text in bash, which ends at the first command that fails; return what it printed."""
        script = f"set -e -o pipefail\n{self.text(block)}\nwait\n{and_then}\n"
        ran = subprocess.run(
            ["bash", "-c", script], cwd=self.home, env=self.environment, capture_output=True, text=True, timeout=600
        )
        assert ran.returncode == 0, f"{block.place}: exit status {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout

    def close(self) -> None:
        """End the server that a block has started; the blocks after it may call it."""
        with suppress(OSError):
            os.kill(int((self.home / "serve.pid").read_text()), signal.SIGTERM)

    @property
    def environment(self) -> dict[str, str]:
        return (
            os.environ
            | self.aws.environment(REGION)
            | {
                "PATH": f"{self.home / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "PAGE_HOME": str(self.home),
                "JINA_V3_DEPLOYMENT": NAME,
                "SAGEMAKER_BIND_TO_PORT": str(self.port),
                "TORCH_CPU_INDEX": "https://index.example",
                "OMP_NUM_THREADS": "1",
            }
        )


def yaml(path: Path, text: str) -> None:
    import tomllib

    import yaml

    path.write_text(yaml.safe_dump(tomllib.loads(text)))


def free_port() -> int:
    """Return one that no outgoing connection takes: it is bound when a block says so, minutes later."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
    raise AssertionError(f"no port of {PORTS} is free")
