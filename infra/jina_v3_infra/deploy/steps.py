"""Steps that are done one after the other, each told and timed; what breaks off can be gone on with at any step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jina_v3_infra.deploy.screen import Screen


class StepInterrupted(KeyboardInterrupt):
    """Ctrl-C came in a step, whose name is the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: ``run`` does what is needed and says in a few words what that was."""

    name: str
    title: str
    run: Callable[[], str]


def choose_steps(steps: Sequence[Step], first: str | None, last: str | None) -> list[Step]:
    """Return the steps from ``first`` to ``last``, both of them included."""
    names = [step.name for step in steps]
    begin = names.index(first) if first is not None else 0
    end = names.index(last) if last is not None else len(names) - 1
    return list(steps[begin : end + 1])


def run_steps(steps: Sequence[Step], screen: Screen) -> None:
    """Do the steps.

    **Raises**: whatever a step raises; ``StepInterrupted`` on Ctrl-C.
    """
    for number, step in enumerate(steps, 1):
        screen.say(f"[{number}/{len(steps)}] {step.name}: {step.title}", style="bold")
        began = time.monotonic()
        try:
            done = step.run()
        except KeyboardInterrupt as error:
            raise StepInterrupted(step.name) from error
        screen.say(f"    {done} ({time.monotonic() - began:.1f} s)", style="green")
