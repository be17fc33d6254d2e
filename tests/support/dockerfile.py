"""Reads a Dockerfile, and builds what it says on this machine, where there is no container engine.

Only as much of the format as ours uses. All stages share one file system, so a ``COPY --from`` must keep the path.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.loopback_only import package_environment

_CONTINUED = re.compile(r"\\\n(?:[ \t]*#[^\n]*\n)*")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True)
class Instruction:
    """One instruction: ``flags`` are its ``--name=value``, ``value`` is what follows them."""

    name: str
    value: str
    flags: Mapping[str, str] = field(default_factory=dict)


def read_dockerfile(path: Path) -> list[Instruction]:
    text = "".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("#"))
    instructions = []
    for line in filter(None, map(str.strip, _CONTINUED.sub(" ", text).splitlines())):
        name, value = line.split(maxsplit=1)
        flags = {}
        while value.startswith("--"):
            flag, value = value.split(maxsplit=1)
            flags.update([flag.removeprefix("--").split("=", 1)])
        instructions.append(Instruction(name, value, flags))
    return instructions


def expand(text: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: variables.get(match[1] or match[2], ""), text)


class LocalBuild:
    """Follow a Dockerfile with ``/opt`` lying under ``root``: its commands are run, its files copied.

    Afterwards ``environment`` is the last stage's, ``entry_point`` its ENTRYPOINT, and under ``root`` lies only what
    the last stage copied. ``base_path`` is the PATH that a container of the base image would have.
    """

    def __init__(self, dockerfile: Path, root: Path, arguments: Mapping[str, str], base_path: str) -> None:
        self.context, self.root, self.arguments = dockerfile.parent, root, arguments
        self.environment: dict[str, str] = {}
        self.entry_point: list[str] = []
        self._base_environment = {"PATH": base_path}
        self._variables: dict[str, str] = {}  # ARG
        self._folder = root
        self._copied: list[Path] = []
        for instruction in read_dockerfile(dockerfile):
            getattr(self, f"_{instruction.name.lower()}")(instruction)
        self._remove_what_was_not_copied()

    def _here(self, text: str) -> str:
        """Replace variables, and the container's ``/opt`` by the folder that stands for it."""
        return re.sub(r"(?<!\w)/opt/", f"{self.root}/opt/", expand(text, self._variables | self.environment))

    def _from(self, instruction: Instruction) -> None:
        self.environment = dict(self._base_environment)
        self._copied = []

    def _arg(self, instruction: Instruction) -> None:
        name, _, default = instruction.value.partition("=")
        self._variables[name] = self.arguments.get(name, default or self._variables.get(name, ""))

    def _env(self, instruction: Instruction) -> None:
        self.environment.update(word.split("=", 1) for word in map(self._here, shlex.split(instruction.value)))

    def _workdir(self, instruction: Instruction) -> None:
        self._folder = Path(self._here(instruction.value))
        self._folder.mkdir(parents=True, exist_ok=True)

    def _run(self, instruction: Instruction) -> None:
        settings = {name: value for name, value in self._variables.items() if value}
        stage = {name: value for name, value in self.environment.items() if name != "PATH"}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["/bin/sh", "-c", self._here(instruction.value)],
            cwd=self._folder,
            env={
                **package_environment(),
                **settings,
                **stage,
                "PATH": path,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{instruction.value}\n{done.stdout}\n{done.stderr}"

    def _copy(self, instruction: Instruction) -> None:
        source, target = map(self._here, instruction.value.split())
        self._copied.append(Path(target))
        if "from" in instruction.flags:
            assert source == target, "this build has one file system for all stages"
            assert Path(target).exists(), target
            return
        target_path = self._folder / target
        if (self.context / source).is_dir():
            shutil.copytree(self.context / source, target_path, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(self.context / source, target_path)
            target_path.chmod(int(instruction.flags.get("chmod", "0644"), 8))

    def _entrypoint(self, instruction: Instruction) -> None:
        self.entry_point = [word.strip(' "') for word in instruction.value.strip("[]").split(",")]

    def _label(self, instruction: Instruction) -> None: ...

    _expose = _label

    def _remove_what_was_not_copied(self) -> None:
        for path in (self.root / "opt").iterdir():
            if not any(copied.is_relative_to(path) for copied in self._copied):
                shutil.rmtree(path)
