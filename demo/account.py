"""An AWS account on this machine for as long as the demo runs, and the project's own command line used on it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jina_v3_infra.config import Deployment, read_deployment
from local_aws.server import LocalAws
from local_aws.settings import Settings

CONFIG = Path(__file__).parents[1] / "infra" / "examples" / "development.toml"


class DeployError(Exception):
    """The command line did not succeed; it has said why on the screen."""


@dataclass(frozen=True, slots=True)
class Account:
    """The local AWS, and what is deployed to it: the development example with another model."""

    aws: LocalAws
    deployment: Deployment

    @property
    def environment(self) -> dict[str, str]:
        """What points boto3, the AWS CLI and curl here."""
        return self.aws.environment(self.deployment.region)

    def deploy(self) -> None:
        """Run ``jina-v3-infra deploy``, its output on this screen.

        **Raises**: ``DeployError``.
        """
        self._run("deploy")

    def destroy(self) -> None:
        """Run ``jina-v3-infra destroy``.

        **Raises**: ``DeployError``.
        """
        self._run("destroy")

    def client(self, service: str) -> Any:
        """Return a boto3 client."""
        return self.aws.client(service, self.deployment.region)

    def _run(self, step: str) -> None:
        override = f"model.source={self.deployment.model.source}"
        command = [sys.executable, "-m", "jina_v3_infra.deploy", step, "--yes", "--config", str(CONFIG), "-c", override]
        sys.stdout.flush()
        # a group of its own: Ctrl-C is for the demo, which then takes everything down in its own order
        with subprocess.Popen(command, env=os.environ | self.environment, start_new_session=True) as process:
            try:
                status = process.wait()
            except BaseException:
                process.terminate()
                raise
        if status != 0:
            raise DeployError(f"jina-v3-infra {step} ended with status {status}")


@contextmanager
def local_account(model: str) -> Iterator[Account]:
    """Start a local AWS on a free port, with nothing in it; at the end its endpoints and all it kept are gone."""
    with (
        tempfile.TemporaryDirectory(prefix="jina-v3-aws-") as state,
        LocalAws(Settings(state_folder=Path(state))) as aws,
    ):
        yield Account(aws, read_deployment(CONFIG, [f"model.source={model}"]))
