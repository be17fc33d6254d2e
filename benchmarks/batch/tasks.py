"""What a state machine's tasks are to the interpreter: they give something after some time, or fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class TaskError(Exception):
    """A task failed, by the name that Retry and Catch look for, after so many seconds."""

    def __init__(self, name: str, cause: str, seconds: float = 0.0) -> None:
        super().__init__(f"{name}: {cause}")
        self.name, self.cause, self.seconds = name, cause, seconds


@dataclass(frozen=True, slots=True)
class Done:
    """What a task gave, and how long it took. **Units**: seconds."""

    result: Any
    seconds: float


Task = Callable[[str, Any], Done]
"""Does the work of a resource with its parameters. **Raises**: ``TaskError``."""
