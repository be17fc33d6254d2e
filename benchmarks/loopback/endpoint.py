"""SageMaker's runtime on loopback, in a process of its own: endpoints of several regions that are told what to do.

One address plays all regions, which it tells by the signature's scope; each region has an address of its own besides,
which can go away by itself. Signatures are checked by botocore's signer. What it does wrong is scripted by ``faults``,
what it must answer is told by ``vectors.expected``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from benchmarks.loopback.faults import Fault
from benchmarks.loopback.hosting import Hosted, Pace, Router

ROOT: Final = Path(__file__).resolve().parents[2]
REGION: Final = "eu-west-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that came in whole and was let in; ``status`` is 0 where its answer was broken on purpose."""

    region: str
    endpoint: str
    variant: str | None
    component: str | None
    connection: int
    texts: int
    status: int
    headers: dict[str, str]


@dataclass
class LoopbackEndpoint:
    """A process that starts and ends with the context.

    ``verify=False`` and ``journal=False`` are for measuring: signatures are not checked, and nothing is recorded but
    totals. ``secrets`` are by access key, ``tokens`` those of temporary keys.
    """

    hosted: Sequence[Hosted] = (Hosted(),)
    routers: Sequence[Router] = ()
    secrets: dict[str, str] = field(default_factory=lambda: {"testing": "testing"})
    tokens: dict[str, str] = field(default_factory=dict)
    verify: bool = True
    journal: bool = True
    seed: int = 7

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.loopback.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        self._ports: dict[str, int] = self._exchange(asdict(self))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with self._process:  # its pipes are closed, which ends it, and it is waited for
            pass

    @property
    def url(self) -> str:
        """The address that plays all regions."""
        return f"http://127.0.0.1:{self._ports['']}"

    def url_of(self, region: str) -> str:
        """Return the address of one region, which ``die(region)`` closes."""
        return f"http://127.0.0.1:{self._ports[region]}"

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def inject(self, *faults: Fault) -> None:
        """Let these happen from now on, besides those that do; the first that fits a request meets it."""
        self._tell("inject", faults=[asdict(fault) for fault in faults])

    def heal(self) -> None:
        """End all faults; clocks are right again. What hangs goes on hanging."""
        self._tell("heal")

    def die(self, region: str | None = None) -> None:
        """Reset every connection (of a region), and take no more."""
        self._tell("die", region=region)

    def revive(self, region: str | None = None) -> None:
        """Be there again at the same addresses."""
        self._tell("revive", region=region)

    def close_idle(self) -> int:
        """Close the connections that wait for a request, without a word; return how many."""
        return int(self._tell("close_idle"))

    def set_clock(self, offset_s: float, region: str | None = None) -> None:
        """Let the service's clock be ahead of this machine's."""
        self._tell("set_clock", offset_s=offset_s, region=region)

    def set_pace(self, pace: Pace | None) -> None:
        """Set the pace of all endpoints."""
        self._tell("set_pace", pace=None if pace is None else asdict(pace))

    def expire(self, access_key: str) -> None:
        """Let a temporary key have expired."""
        self._tell("expire", access_key=access_key)

    def answered(self, region: str | None = None) -> Counter[str]:
        """Return how often each text was in an answer that went out whole."""
        return Counter(self._tell("answered", region=region))

    def asked(self) -> list[Asked]:
        """Return all requests that were let in, in the order of their answers."""
        return [Asked(**one) for one in self._tell("asked")]

    def totals(self) -> dict[str, int]:
        """Count ``connections``, those ``open``, ``requests``, most ``at_once``, ``refused``, ``texts`` answered."""
        totals: dict[str, int] = self._tell("totals")
        return totals

    def forget(self) -> None:
        """Forget what was asked and answered."""
        self._tell("forget")

    def _tell(self, command: str, **arguments: Any) -> Any:
        return self._exchange({"do": command, **arguments})

    def _exchange(self, message: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the loopback endpoint ended with status {self._process.wait()}")
        return json.loads(answer)
