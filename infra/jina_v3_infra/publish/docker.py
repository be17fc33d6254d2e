"""The image built by this machine's Docker and pushed to ECR; docs/image.md has the same by hand."""

from __future__ import annotations

import subprocess
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

from rich.console import Console

from jina_v3_infra.publish.errors import PublishError

_TAIL: Final = 20  # lines of the output that an error shows


def require_docker() -> None:
    """Check that there is a Docker whose engine answers.

    **Raises**: ``PublishError``.
    """
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)  # noqa: S607  # PATH's
    except OSError as error:
        raise PublishError(
            f'image.build = "docker" needs docker, which cannot be run ({error.strerror}): install it, '
            'or set image.build = "codebuild"'
        ) from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["without a word"]
        raise PublishError(
            f'image.build = "docker" needs docker and its engine, and "docker info" fails ({said[-1]}): '
            'start it, or set image.build = "codebuild"'
        )


def build_image(uri: str, source_root: Path, *, torch: str, base: str | None, console: Console) -> None:
    """Build the image; SageMaker takes neither an index of manifests, which provenance makes, nor OCI's media types.

    **Raises**: ``PublishError``.
    """
    arguments = {"TORCH": torch, **({"BASE_IMAGE": base} if base else {})}
    _run(
        ["build", "--platform", "linux/amd64", "--provenance=false", "--output", "type=docker", "--tag", uri]
        + [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        + [str(source_root)],
        console,
    )


def push_image(uri: str, registry: str, password: str, *, console: Console) -> None:
    """Log in to ECR and push the image.

    **Raises**: ``PublishError``.
    """
    _run(["login", "--username", "AWS", "--password-stdin", registry], console, said=password)
    _run(["push", uri], console)


def _run(arguments: list[str], console: Console, *, said: str | None = None) -> None:
    """Run docker with its output shown line by line."""
    tail: deque[str] = deque(maxlen=_TAIL)
    with subprocess.Popen(  # noqa: S603  # the parts are arguments, no shell reads them
        ["docker", *arguments],  # noqa: S607  # PATH's
        stdin=subprocess.PIPE if said is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        if process.stdin is not None:
            with suppress(BrokenPipeError):  # its status says more
                process.stdin.write(said or "")
                process.stdin.close()
        for line in process.stdout or ():
            tail.append(line.rstrip())
            console.print(f"    {tail[-1]}", style="dim")
    if process.returncode != 0:
        raise PublishError(
            "\n".join(
                [f"docker {arguments[0]} failed with status {process.returncode}:", *(f"    {one}" for one in tail)]
            )
        )
