"""How long to wait before another attempt, and how many more a client may make at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from jina_v3_client.settings import RetrySettings

_MOST_DOUBLINGS: Final = 60


def backoff_s(failures: int, settings: RetrySettings, random: Callable[[], float]) -> float:
    """Draw the wait after so many failures. **Units**: seconds.

    **Source**: "full jitter" in https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """
    doubled_s = settings.first_wait_s * 2.0 ** min(failures - 1, _MOST_DOUBLINGS)
    return random() * min(settings.longest_wait_s, doubled_s)


class Budget:
    """What may be spent on asking again: each request that goes well earns a share of one more. Safe for threads.

    ``burst`` are there from the start; no more than ``most`` (by itself: the burst) are ever saved up.

    >>> budget = Budget(share=0.5, burst=1)
    >>> budget.take(), budget.take()
    (True, False)
    >>> budget.earn(), budget.earn(), budget.take()
    (None, None, True)
    """

    def __init__(self, *, share: float, burst: float, most: float = 1.0) -> None:
        self._share = share
        self._left = float(burst)
        self._most = max(float(burst), most)
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Spend one, where there is one."""
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True

    def earn(self) -> None:
        """Take in what one request earns."""
        self.give(self._share)

    def give(self, amount: float) -> None:
        """Take in what was not spent after all."""
        with self._lock:
            self._left = min(self._left + amount, self._most)
