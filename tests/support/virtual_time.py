"""An event loop whose clock stands still while anything runs, and jumps to the next timer when nothing does."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _Selector(selectors.DefaultSelector):
    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        events = super().select(0)
        if not events:
            assert timeout is not None, "everything waits, and nothing will ever happen"
            self.skipped_s += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that begins at 0 s."""

    def __init__(self) -> None:
        self._chosen = _Selector()
        super().__init__(self._chosen)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._chosen.skipped_s


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end, however long that takes in simulated seconds, and leave no task behind."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:

        async def whole() -> Any:
            result = await main
            others = asyncio.all_tasks() - {asyncio.current_task()}
            assert not others, f"left behind: {others}"
            return result

        return runner.run(whole())
