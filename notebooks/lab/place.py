"""Where a notebook's deployment stands: on an AWS of this machine, in your account, or somewhere that is there already.

A notebook's first cell chooses; nothing after it asks. ``close`` takes away what ``deploy`` has made.
"""

from __future__ import annotations

import atexit
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.exceptions import ClientError

from jina_v3_client import EmbeddingClient
from jina_v3_infra.config import Deployment, read_deployment
from lab.guard import guarded
from lab.standin import standin_folder
from lab.variables import no_other_aws
from local_aws.server import LocalAws
from local_aws.settings import Settings

ROOT: Final = Path(__file__).parents[2]
EXAMPLE: Final = "infra/examples/development.toml"
_LAST_LINES: Final = 30
_STEPS: Final = re.compile(r"[✓!✗] |\[\d/\d\] |uploaded |    \S.*\(\d+\.\d s\)$")
"""What ``jina-v3-infra`` itself says of its steps, among all that the CDK and CloudFormation print."""
_ALL: Final = re.compile("")
_COLOURS: Final = ("FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE")  # a kernel says its children write to a terminal
_PLAIN: Final = {"NO_COLOR": "1", "COLUMNS": "110", "PYTHONUNBUFFERED": "1"}
_ENDING_S: Final = 30


class CommandError(Exception):
    """``jina-v3-infra`` did not succeed; the message has the end of what it printed."""


@dataclass
class Place:
    """A deployment and the AWS that it is in, for as long as a notebook runs.

    ``aws`` is the AWS of this machine, ``None`` where it is the real one; ``is_standin`` says whether its model is one.
    ``config`` and ``overrides`` are what the command line gets; ``config`` is ``None`` for a deployment that stands and
    is not ours to change.
    """

    deployment: Deployment
    aws: LocalAws | None = None
    config: Path | None = None
    overrides: Sequence[str] = ()
    is_standin: bool = False
    _close: ExitStack = field(default_factory=ExitStack, repr=False)
    _is_deployed: bool = False

    @property
    def is_local(self) -> bool:
        """Whether this is the AWS of this machine."""
        return self.aws is not None

    @property
    def model(self) -> str:
        """What computes the vectors, for the titles of plots: the stand-in must never pass for the model."""
        if self.config is None:
            return f"whatever {self.deployment.name} serves"
        return "stand-in, not the real model" if self.is_standin else "jina-embeddings-v3"

    def deploy(self, *, show: bool = False) -> None:
        """Deploy what the configuration says: the CDK's stacks, model and image. Says how long it took.

        ``show``: print the steps as they come; ``command("deploy", "--yes")`` prints everything. Where the deployment
        stands already, nothing is done.

        **Raises**: ``CommandError``.
        """
        if self.config is None:
            print(f"{self.deployment.name} stands already.")
            return
        started = time.perf_counter()
        self._will_close()
        self._run(["deploy", "--yes"], _STEPS if show else None)
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
        if words[:1] == ("deploy",):
            self._will_close()
        return self._run(words, _ALL if show else None)

    def _will_close(self) -> None:
        """Have ``close`` take away what is deployed now, even if that breaks off; but never what stood before."""
        if not self._is_deployed and self._stands():
            print(f"{self.deployment.name} stood before: here.close() will leave it.")
        else:
            self._is_deployed = True

    def _stands(self) -> bool:
        try:
            self.boto("cloudformation").describe_stacks(StackName=self.deployment.foundation_stack)
        except ClientError as error:
            if "does not exist" in str(error):
                return False
            raise
        return True

    def _run(self, words: Sequence[str], shown: re.Pattern[str] | None) -> str:
        """Run ``jina-v3-infra``, print the lines that begin with ``shown``, and return all of them."""
        if self.config is None:
            raise CommandError(
                f"{self.deployment.name} was not deployed here: jina-v3-infra has no configuration of it"
            )
        options = [word for override in self.overrides for word in ("-c", override)]
        lines = []
        with subprocess.Popen(
            [sys.executable, "-m", "jina_v3_infra.deploy", *words, "--config", str(self.config), *options],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name not in _COLOURS} | _PLAIN,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # the kernel's group is interrupted as a whole: once is enough
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    lines.append(line)
                    if shown is not None and shown.match(line):
                        print(line, end="", flush=True)
            except BaseException:
                _interrupt(process)
                raise
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
                self._run(["destroy", "--yes", *(["--delete-data"] if delete_data else [])], None)
                self._is_deployed = False
                print(f"{self.deployment.name} is destroyed{': nothing of it is left' if delete_data else ''}.")
        finally:
            if self.is_local:
                self._is_deployed = False  # the local AWS takes with it what could not be destroyed
            self._close.close()


def this_machine(example: str = EXAMPLE, *overrides: str) -> Place:
    """Start an AWS on this machine, where everything costs nothing and the model is a stand-in.

    ``example`` is a configuration, from the project's folder; ``overrides`` are fields of it, such as
    ``batch.instances=2`` or ``model.source=folder`` with the real model. Until the place is closed, this process calls
    no other AWS. One that was started before, by the same cell, is stopped first.
    """
    _stop_the_last_one()
    own = [word for word in overrides if word.startswith("model.source=")]
    words = [*([] if own else [f"model.source={standin_folder()}"]), *overrides]
    with ExitStack() as close:
        folder = close.enter_context(tempfile.TemporaryDirectory(prefix="jina-v3-notebook-"))
        close.enter_context(guarded(Path(folder)))
        close.enter_context(no_other_aws())
        place = _deployable(example, words)
        aws = close.enter_context(LocalAws(Settings(state_folder=Path(folder) / "aws", quota=100)))
        os.environ.update(aws.environment(place.deployment.region))
        place.aws, place.is_standin, place._close = aws, not own, close.pop_all()
    _running.append(place._close)
    print(f"An AWS on this machine, at {aws.url}.")
    return place


def my_account(example: str = EXAMPLE, *overrides: str) -> Place:
    """Use the account that boto3 finds credentials for. ``deploy`` costs what the configuration's head says."""
    _stop_the_last_one()
    place = _deployable(example, overrides)
    print(f"{place.deployment.name} in {place.deployment.region}, in the account of your credentials.")
    return place


def standing(name: str, region: str) -> Place:
    """Use a deployment that stands already; it is left as it is."""
    _stop_the_last_one()
    return Place(Deployment(name=name, region=region))


_running: Final[list[ExitStack]] = []
"""What stops the AWS of this process: there can be one, and a cell may be run again."""


def _stop_the_last_one() -> None:
    while _running:
        _running.pop().close()


atexit.register(_stop_the_last_one)  # however the kernel ends


def _interrupt(process: subprocess.Popen[str]) -> None:
    """Press Ctrl-C for the command and its children, which end in their own order; a second one does not wait."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.communicate(timeout=_ENDING_S)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _deployable(example: str, overrides: Sequence[str]) -> Place:
    config = ROOT / example
    return Place(read_deployment(config, list(overrides)), config=config, overrides=tuple(overrides))
