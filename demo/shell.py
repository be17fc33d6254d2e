"""Which AWS a process calls: here the demo's own, and the same for a second shell, by a file that it reads with ``.``.

Whoever has an account of theirs set up (a profile, a token, endpoints of single services, a proxy) must still reach the
demo, and from there nothing else.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PLACE: Final = ROOT / ".cache" / "demo.env"
_LOOPBACK: Final = "localhost,127.0.0.1"
_PROXIES: Final = ("NO_PROXY", "no_proxy")
_CLEAR: Final = 'for name in $(env | sed -n "s/^\\(AWS_[A-Z0-9_]*\\)=.*/\\1/p"); do unset "$name"; done'


def leave_own_accounts() -> None:
    """Take away what this process was told of other accounts: a profile that is not there stops any AWS program."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    for name in _PROXIES:
        os.environ[name] = ",".join(filter(None, (_LOOPBACK, os.environ.get(name))))


def shell_commands(environment: Mapping[str, str], deployment: str) -> str:
    """Return what does the same in a shell, and brings this project's programs and the deployment's name along."""
    lines = [_CLEAR, *(f"export {name}={shlex.quote(value)}" for name, value in environment.items())]
    lines += [f"export {name}={_LOOPBACK}${{{name}:+,${name}}}" for name in _PROXIES]
    lines += [f"export JINA_V3_DEPLOYMENT={deployment}", "unset JINA_V3_ENDPOINT"]
    lines += [f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"']
    return "\n".join(lines) + "\n"


@contextmanager
def offered(commands: str, place: Path = PLACE) -> Iterator[Path]:
    """Leave the commands in a file for as long as they are of use."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(commands, encoding="utf-8")
    try:
        yield place
    finally:
        if place.is_file() and place.read_text(encoding="utf-8") == commands:  # else it is another demo's by now
            place.unlink()
