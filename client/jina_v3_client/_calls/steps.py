"""What one request's way through attempts, targets and waits consists of: no input or output here.

A *way* is a generator: it yields steps, is sent what became of each, and returns an ``Answer`` or raises a
``JinaClientError``. The synchronous and the asynchronous driver do the steps; that is all they differ in.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from jina_v3.contract import Task
from jina_v3_client.errors import JinaClientError
from jina_v3_client.routing.targets import Target
from jina_v3_client.transport import HttpResponse, TransportError


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one request asks for: its body, and what routing may look at. **Units**: ``tokens`` are estimated ones."""

    body: bytes
    content_type: str = "application/json"
    accept: str = "application/json"
    task: Task | None = None
    texts: int = 1
    tokens: int = 1

    def __repr__(self) -> str:
        """No texts."""
        return f"<Work {self.texts} texts, {len(self.body)} bytes>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Send the work to a target, signed anew. ``hedge``: where no answer is there after ``hedge_after_s``, ask that one
    too, and the first whole answer counts. **Units**: seconds.
    """  # noqa: D205

    target: Target
    timeout_s: float
    hedge: Target | None = None
    hedge_after_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Do nothing for a while. **Units**: seconds."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one request to one target; ``abandoned`` lost a race against it. **Units**: seconds.

    A ``JinaClientError`` is one of the sender's own, such as that there are no credentials for the target.
    """

    target: Target
    result: HttpResponse | TransportError | JinaClientError
    seconds: float
    abandoned: Target | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer of status 200: who gave it, and what it took. **Units**: seconds."""

    target: Target
    response: HttpResponse
    attempts: int
    hedges: int
    seconds: float


Step = Ask | Wait
Way = Generator[Step, list[Outcome], Answer]
"""Is sent what came of each ``Ask``, ``[]`` for a ``Wait``. Two outcomes mean that both the target and its hedge ended;
one says in ``abandoned`` who else was asked, and none there means that no hedge was sent."""
