"""Programs that the demo runs: none of them outlives it, however it is told to end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_to_end(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program, its output on this screen, and return its status; whatever breaks this off ends it too.

    It has a group of its own: Ctrl-C is for this process alone, which then takes everything down in its own order.
    """
    with _signals_held() as heed, subprocess.Popen(command, env=environment, start_new_session=True) as process:
        try:
            heed()
            return process.wait()
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            raise


@contextmanager
def _signals_held() -> Iterator[Callable[[], None]]:
    """Let signals that end this process wait for the call of what is yielded.

    One that came while a program is started would leave it to itself: nobody knows it yet.
    """
    met: list[int] = []
    with ExitStack() as handlers:
        handlers.callback(_raise, met)
        for number in _ENDING:
            handlers.callback(signal.signal, number, signal.signal(number, lambda one, _frame: met.append(one)))
        yield handlers.close


def _raise(numbers: Sequence[int]) -> None:
    for number in numbers:
        signal.raise_signal(number)
