"""The CDK's command line: where it and its Node are, what environment they get, and calling it.

The app is synthesised by Python itself, once for a whole deployment, and the command line gets the folder: it would
otherwise run the app for each stack. Knows nothing of what the stacks hold.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jina_v3_infra.deploy.failures import CommandError
from jina_v3_infra.node import node_program

_ENVIRONMENT: Final = {
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
    "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
    "CDK_DISABLE_VERSION_CHECK": "1",
    "CDK_DISABLE_CLI_TELEMETRY": "true",
}
_OPTIONS: Final = ("--no-notices", "--no-version-reporting")
_CONTEXT: Final[dict[str, Any]] = {"aws:cdk:disable-version-reporting": True, "aws:cdk:bundling-stacks": ["**"]}
"""What the command line, with the settings of cdk.json, tells an app: both ways give the same templates."""

_INTERRUPT_S: Final = 20
_PROBLEM_LINES: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Cdk:
    """The command line of one checkout, for one account and region.

    ``context`` is what ``-c`` would say: the configuration's file and overrides.
    """

    folder: Path
    context: Mapping[str, str]
    region: str
    account: str | None = None
    profile: str | None = None

    @property
    def script(self) -> Path:
        """Where npm has put it."""
        return self.folder / "node_modules" / "aws-cdk" / "bin" / "cdk"

    def environment(self) -> dict[str, str]:
        """Return the variables for the command line and the app: this process's, and those above."""
        node = find_node()
        own = {
            "PATH": os.pathsep.join([str(node.parent), os.environ.get("PATH", os.defpath)]),
            "JSII_NODE": str(node),
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "CDK_DEFAULT_REGION": self.region,
        }
        if self.account is not None:
            own["CDK_DEFAULT_ACCOUNT"] = self.account
        if self.profile is not None:
            own["AWS_PROFILE"] = self.profile
        return {**os.environ, **_ENVIRONMENT, **own}

    def synthesise(self, out: Path) -> None:
        """Make the templates from the configuration.

        **Raises**: ``CommandError`` with the end of what the app printed.
        """
        settings = self.folder / "cdk.json"
        flags = json.loads(settings.read_text()).get("context", {}) if settings.is_file() else {}
        environment = {
            **self.environment(),
            "CDK_OUTDIR": str(out),
            "CDK_CONTEXT_JSON": json.dumps({**flags, **_CONTEXT, **self.context}),
        }
        done = subprocess.run(  # our own app, by our own Python
            [sys.executable, "app.py"],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            problem = "\n".join(done.stdout.strip().splitlines()[-_PROBLEM_LINES:])
            raise CommandError(f"the stacks cannot be made from this configuration:\n{problem}")

    def call(self, *arguments: str) -> int:
        """Call it with these arguments, its output streamed, and return its exit status.

        **Raises**: ``CommandError`` where it is not installed; ``KeyboardInterrupt`` once it has ended too.
        """
        if not self.script.is_file():
            raise CommandError(f"the CDK's command line is not at {self.script}; run make setup")
        command = [str(find_node()), str(self.script), *arguments, *_OPTIONS]
        child = subprocess.Popen(command, cwd=self.folder, env=self.environment())  # noqa: S603  # the pinned one
        try:
            return child.wait()
        except KeyboardInterrupt:
            try:
                child.wait(_INTERRUPT_S)  # it has got the same Ctrl-C
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            raise

    def call_with_app(self, arguments: Sequence[str]) -> int:
        """Call it for a person: their words, this app and this configuration."""
        app = f"{shlex.quote(sys.executable)} app.py"
        context = [word for key, value in self.context.items() for word in ("-c", f"{key}={value}")]
        named = any(word in ("-a", "--app") or word.startswith("--app=") for word in arguments)
        return self.call(*arguments, *([] if named else ["--app", app]), *context)


def find_node() -> Path:
    """Return the Node that came with the set-up.

    **Raises**: ``CommandError`` where the wheel has none.
    """
    program = node_program()
    if not program.is_file():
        raise CommandError(f"there is no Node at {program}; run make setup")
    return program


def find_infra() -> Path:
    """Return the ``infra/`` folder of the checkout, with the app and the command line.

    **Raises**: ``CommandError`` where the package was installed without it.
    """
    folder = Path(__file__).resolve().parents[2]
    if not (folder / "app.py").is_file():
        raise CommandError(
            f"{folder} has no app.py; run this from a checkout, installed with pip install -e (make setup)"
        )
    return folder
