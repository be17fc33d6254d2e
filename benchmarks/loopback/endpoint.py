"""SageMaker's runtime on loopback, in a process of its own: endpoints of several regions that are told what to do.

One address plays all regions, which it tells by the signature's scope; each region has an address of its own besides,
which can go away by itself. Signatures are checked by botocore's signer. What it does wrong is scripted by faults
(``faults``), what it must answer is told by ``vectors.expected``.
"""

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

ROOT: Final = Path(__file__).resolve().parents[2]
REGION: Final = "eu-west-1"


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast an endpoint is: so many requests at a time, each for so long. **Units**: seconds."""

    slots: int = 1
    request_s: float = 0.0
    text_s: float = 0.0

    def seconds(self, texts: int, requests: int) -> float:
        """How long the endpoint is busy with so much at least, if it never waits for anybody."""
        return (texts * self.text_s + requests * self.request_s) / self.slots


@dataclass(frozen=True, kw_only=True)
class Hosted:
    """An endpoint; those with components answer for a component only, a variant ``None`` is the first."""

    name: str = "texts"
    region: str = REGION
    variants: tuple[str, ...] = ("AllTraffic",)
    components: tuple[str, ...] = ()
    pace: Pace | None = None


@dataclass(frozen=True, kw_only=True)
class Routers:
    """An inference router: the endpoints (region, name) that it asks, the first that is there."""

    name: str
    destinations: tuple[tuple[str, str], ...]
    region: str = REGION
    routing_target: str = "jina-embeddings-v3"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that has come in whole and was let in, as far as tests look at it; ``status`` 0 is no answer."""

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
    """Start the process with ``with``; ``verify=False`` is for measuring, ``journal=False`` too: nothing is recorded."""

    hosted: Sequence[Hosted] = (Hosted(),)
    routers: Sequence[Routers] = ()
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
        self._ports: dict[str, int] = self._tell(asdict(self))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()

    @property
    def url(self) -> str:
        """The address that plays all regions."""
        return f"http://127.0.0.1:{self._ports['']}"

    def url_of(self, region: str) -> str:
        """The address of one region, which ``die(region)`` closes."""
        return f"http://127.0.0.1:{self._ports[region]}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def inject(self, *faults: Fault) -> None:
        """Let these happen from now on, besides those that do; the first that fits a request meets it."""
        self._tell({"do": "inject", "faults": [fault.as_dict() for fault in faults]})

    def heal(self) -> None:
        """End all faults; clocks are right again. What has hung goes on hanging."""
        self._tell({"do": "heal"})

    def die(self, region: str | None = None) -> None:
        """Close every connection (of a region), and take no more."""
        self._tell({"do": "die", "region": region})

    def revive(self, region: str | None = None) -> None:
        """Be there again at the same addresses."""
        self._tell({"do": "revive", "region": region})

    def close_idle(self) -> int:
        """Close the connections that wait for a request, without a word; return how many."""
        return int(self._tell({"do": "close_idle"}))

    def set_clock(self, offset_s: float, region: str | None = None) -> None:
        """Let the service's clock be ahead of this machine's."""
        self._tell({"do": "set_clock", "offset_s": offset_s, "region": region})

    def set_pace(self, pace: Pace | None) -> None:
        """Set the pace of all endpoints."""
        self._tell({"do": "set_pace", "pace": None if pace is None else asdict(pace)})

    def expire(self, access_key: str) -> None:
        """Let a temporary key have expired."""
        self._tell({"do": "expire", "access_key": access_key})

    def answered(self, region: str | None = None) -> Counter[str]:
        """How often each text was in an answer that went out whole."""
        return Counter(self._tell({"do": "answered", "region": region}))

    def asked(self) -> list[Asked]:
        """All requests so far that were let in, in the order of their answers."""
        return [Asked(**one) for one in self._tell({"do": "asked"})]

    def totals(self) -> dict[str, int]:
        """``connections`` opened, ``open`` ones, ``requests``, ``texts`` answered, ``refused`` (403), ``at_once`` most."""
        totals: dict[str, int] = self._tell({"do": "totals"})
        return totals

    def forget(self) -> None:
        """Forget what was asked and answered."""
        self._tell({"do": "forget"})

    def _tell(self, command: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the loopback endpoint ended with status {self._process.wait()}")
        return json.loads(answer)
