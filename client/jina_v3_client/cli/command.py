"""From words to an exit status: each error ends here as one line."""

from __future__ import annotations

import argparse
import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Final

from jina_v3_client.cli.arguments import build_parser
from jina_v3_client.cli.call import DONE, FAILED, USAGE, Call
from jina_v3_client.cli.failures import AWS_ERRORS, CommandError, explain, one_line
from jina_v3_client.cli.places import read_place
from jina_v3_client.cli.screen import Screen
from jina_v3_client.errors import ConfigurationError, JinaClientError

_COMMANDS: Final = {
    "embed": "embed:embed",
    "similarity": "similarity:similarity",
    "batch": "batch:batch",
    "endpoints": "endpoints:endpoints",
    "doctor": "doctor:doctor",
}
"""Where each command is: its modules are imported when it is called."""


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the command line and return its exit status."""
    for stream in (sys.stdout, sys.stderr):  # a terminal without our signs shows question marks, and no error
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    parser = build_parser()
    words = parser.parse_args(arguments)
    if words.command is None:
        parser.print_help()
        return DONE
    if words.verbose:
        logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
        logging.getLogger("jina_v3_client").setLevel(logging.DEBUG)
    return _run(words, environment, Screen())


def _run(words: argparse.Namespace, environment: Mapping[str, str], screen: Screen) -> int:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = lambda message, *_, **__: screen.note(f"jina-v3: {message}")
            place = read_place(words, environment)
            return _find(words.command)(Call(words=words, place=place, screen=screen))
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  # no traceback reaches a person who has not asked for it
        if words.verbose:
            traceback.print_exc()
        screen.complain(_tell(error))
        wrong_words = isinstance(error, ConfigurationError) or getattr(error, "usage", False)
        return USAGE if wrong_words else FAILED


def _find(command: str) -> Callable[[Call], int]:
    module, _, name = _COMMANDS[command].partition(":")
    found: Callable[[Call], int] = getattr(import_module(f"jina_v3_client.cli.{module}"), name)
    return found


def _tell(error: Exception) -> str:
    if isinstance(error, JinaClientError | CommandError):
        return one_line(error)
    if isinstance(error, AWS_ERRORS):
        return "; ".join(explain(error))
    if isinstance(error, OSError) and error.strerror:
        return ": ".join(str(part) for part in (error.filename, error.strerror) if part)
    return f"{type(error).__name__}: {one_line(error)}; this is a fault of the command: --verbose shows where"
