"""Where a notebook's deployment stands: on an AWS of this machine, in your account, or somewhere that is there already.

A notebook's first cell chooses; nothing after it asks. ``close`` takes away what ``deploy`` has made.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import boto3

from jina_v3_client import EmbeddingClient
from jina_v3_infra.config import Deployment, read_deployment
from lab.standin import standin_folder
from local_aws.server import LocalAws
from local_aws.settings import Settings

ROOT: Final = Path(__file__).parents[2]
EXAMPLE: Final = "infra/examples/development.toml"
_LAST_LINES: Final = 30


class CommandError(Exception):
    """``jina-v3-infra`` did not succeed; the message has the end of what it printed."""


@dataclass
class Place:
    """A deployment and the AWS that it is in, for as long as a notebook runs.

    ``aws`` is the AWS of this machine, ``None`` where it is the real one. ``config`` and ``overrides`` are what the
    command line gets; ``config`` is ``None`` for a deployment that stands and is not ours to change.
    """

    deployment: Deployment
    aws: LocalAws | None = None
    config: Path | None = None
    overrides: Sequence[str] = ()
    _close: ExitStack = field(default_factory=ExitStack, repr=False)
    _is_deployed: bool = False

    @property
    def is_local(self) -> bool:
        """Whether this is the AWS of this machine, with a stand-in for a model."""
        return self.aws is not None

    @property
    def model(self) -> str:
        """What computes the vectors, for the titles of plots: the stand-in must never pass for the model."""
        return "stand-in, not the real model" if self.is_local else "jina-embeddings-v3"

    def deploy(self, *, show: bool = False) -> None:
        """Deploy what the configuration says: the CDK's stacks, model and image. Says how long it took.

        ``show``: print all that the command prints. Where the deployment stands already, nothing is done.

        **Raises**: ``CommandError``.
        """
        if self.config is None:
            print(f"{self.deployment.name} stands already.")
            return
        started = time.perf_counter()
        self._is_deployed = True  # even if it breaks off: there is something to take away then
        self.command("deploy", "--yes", show=show)
        print(f"{self.deployment.name} is deployed, after {time.perf_counter() - started:.0f} s.")

    def client(self, **options: Any) -> EmbeddingClient:
        """Return a client of the deployment; ``options`` are the client's own."""
        return EmbeddingClient.from_deployment(self.deployment.name, region=self.deployment.region, **options)

    def boto(self, service: str) -> Any:
        """Return boto3's client of a service, as any program would make it."""
        return boto3.client(service, region_name=self.deployment.region)

    def command(self, *words: str, show: bool = True) -> str:
        """Run ``jina-v3-infra`` on this deployment and return what it printed, which is shown as it comes.

        **Raises**: ``CommandError``.
        """
        if self.config is None:
            raise CommandError(
                f"{self.deployment.name} was not deployed here: jina-v3-infra has no configuration of it"
            )
        options = [word for override in self.overrides for word in ("-c", override)]
        lines = []
        with subprocess.Popen(
            [sys.executable, "-m", "jina_v3_infra.deploy", *words, "--config", str(self.config), *options],
            cwd=ROOT,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "110"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                if show:
                    print(line, end="", flush=True)
        if process.returncode != 0:
            end = "".join(lines[-_LAST_LINES:])
            raise CommandError(f"jina-v3-infra {' '.join(words)} ended with status {process.returncode}:\n{end}")
        return "".join(lines)

    def close(self, *, delete_data: bool = True) -> None:
        """Destroy what was deployed and stop the local AWS; where nothing was, do nothing. It may be called again.

        **Raises**: ``CommandError`` where something could not be taken away.
        """
        try:
            if self._is_deployed:
                self.command("destroy", "--yes", *(["--delete-data"] if delete_data else []), show=False)
                self._is_deployed = False
                print(f"{self.deployment.name} is destroyed: nothing of it is left.")
        finally:
            self._close.close()


def this_machine(example: str = EXAMPLE, *overrides: str) -> Place:
    """Start an AWS on this machine, where everything costs nothing and the model is a stand-in.

    ``example`` is a configuration, from the project's folder; ``overrides`` are fields of it, such as
    ``batch.instances=2``. This process calls no other AWS from then on.
    """
    close = ExitStack()
    folder = close.enter_context(tempfile.TemporaryDirectory(prefix="jina-v3-notebook-"))
    words = [f"model.source={standin_folder()}", *overrides]
    aws = close.enter_context(LocalAws(Settings(state_folder=Path(folder) / "aws", quota=100)))
    place = _deployable(example, words)
    os.environ.update(aws.environment(place.deployment.region))
    place.aws, place._close = aws, close
    atexit.register(close.close)  # however the kernel ends
    print(f"An AWS on this machine, at {aws.url}.")
    return place


def my_account(example: str = EXAMPLE, *overrides: str) -> Place:
    """Use the account that boto3 finds credentials for. ``deploy`` costs what the configuration's head says."""
    place = _deployable(example, overrides)
    print(f"{place.deployment.name} in {place.deployment.region}, in the account of your credentials.")
    return place


def standing(name: str, region: str) -> Place:
    """Use a deployment that stands already; it is left as it is."""
    return Place(Deployment(name=name, region=region))


def _deployable(example: str, overrides: Sequence[str]) -> Place:
    config = ROOT / example
    return Place(read_deployment(config, list(overrides)), config=config, overrides=tuple(overrides))
