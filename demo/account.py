"""An AWS account on this machine for as long as the demo runs, and the project's own command line used on it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.programs import run_to_end
from demo.shell import ROOT, leave_own_accounts
from jina_v3_infra.config import Deployment, read_deployment
from local_aws.server import LocalAws
from local_aws.settings import Settings

CONFIG = ROOT / "infra" / "examples" / "development.toml"
_BATCH = "batch.instances=1"  # a [batch] section, which the example has not


class DeployError(Exception):
    """The command line did not succeed; it has said why on the screen."""


@dataclass(frozen=True, slots=True)
class Account:
    """The local AWS, and what is deployed to it: the development example with another model, and batch transform.

    ``dataset`` is the folder of texts that go through batch transform, as long as the account is there.
    """

    aws: LocalAws
    deployment: Deployment
    dataset: Path

    @property
    def environment(self) -> dict[str, str]:
        """What points boto3, the AWS CLI and curl here."""
        return self.aws.environment(self.deployment.region)

    @property
    def batch_command(self) -> str:
        """What a user types in the project's folder to start a run by hand."""
        return f".venv/bin/jina-v3-infra batch start {self.dataset} --config {CONFIG.relative_to(ROOT)} --follow"

    def deploy(self) -> None:
        """Run ``jina-v3-infra deploy``, its output on this screen.

        **Raises**: ``DeployError``.
        """
        self._run("deploy", "--yes")

    def embed_dataset(self, *options: str) -> None:
        """Run ``jina-v3-infra batch start`` over the dataset and follow it to its report.

        **Raises**: ``DeployError``.
        """
        self._run("batch", "start", str(self.dataset), *options, "--follow")

    def destroy(self) -> None:
        """Run ``jina-v3-infra destroy``; nothing is kept, as the account ends too.

        **Raises**: ``DeployError``.
        """
        self._run("destroy", "--yes", "--delete-data")

    def _run(self, *words: str) -> None:
        overrides = ("-c", f"model.source={self.deployment.model.source}", "-c", _BATCH)
        command = [sys.executable, "-m", "jina_v3_infra.deploy", *words, "--config", str(CONFIG), *overrides]
        sys.stdout.flush()
        status = run_to_end(command, os.environ | self.environment)
        if status != 0:
            raise DeployError(f"jina-v3-infra {words[0]} ended with status {status}")


@contextmanager
def local_account(model: str) -> Iterator[Account]:
    """Start a local AWS on a free port, with nothing in it; at the end its endpoints and all it kept are gone.

    This process calls no other AWS from then on.
    """
    leave_own_accounts()
    with (
        tempfile.TemporaryDirectory(prefix="jina-v3-demo-") as folder,
        LocalAws(Settings(state_folder=Path(folder) / "aws")) as aws,
    ):
        deployment = read_deployment(CONFIG, [f"model.source={model}", _BATCH])
        os.environ.update(aws.environment(deployment.region))
        yield Account(aws, deployment, dataset=Path(folder) / "texts")
