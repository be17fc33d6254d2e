"""Who is next: token sequences of many requests, in turns that give each request an equal share of the device.

Start-time fair queueing: a request joins at the queue's virtual time, and moves on by the tokens it has been given. So
requests of one turn leave oldest first, and a request of 100,000 tokens gives way after each turn. Each batch begins
with a turn of the oldest request of all, so that it gets on even where new ones come faster than they can be served.

**Source**: Goyal, Vin, Cheng: Start-time Fair Queueing, SIGCOMM 1996.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from jina_v3.tokens.sequences import TokenSequence

Owner = TypeVar("Owner")

_MOST_PASSED_OVER: Final = 32
"""How many requests whose next sequence is too long for what is left of a batch are passed over to fill it."""


@dataclass(slots=True)
class Entry(Generic[Owner]):
    """What is left of one request. ``tokens`` are those of ``sequences``; ``turn`` is its place in virtual time.

    ``ticket`` is the number it waits with now; with any other it has been served, or is gone.
    """

    owner: Owner
    sequences: deque[tuple[int, TokenSequence]]
    """Each with the index of its job in the request."""
    tokens: int = 0
    turn: float = 0.0
    ticket: int = 0

    def __post_init__(self) -> None:
        self.tokens = sum(len(sequence.ids) for _, sequence in self.sequences)


@dataclass(slots=True)
class FairQueue(Generic[Owner]):
    """Requests that wait. **Units**: ``quantum`` tokens is what a request gets in one turn while others wait."""

    quantum: int
    tokens: int = 0
    _now: float = 0.0
    _tickets: int = 0
    _heap: list[tuple[float, int, Entry[Owner]]] = field(default_factory=list)
    _entries: dict[int, Entry[Owner]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry[Owner]) -> None:
        """Let a request wait for its turn."""
        entry.turn = self._now
        self._entries[id(entry)] = entry
        self.tokens += entry.tokens
        self._push(entry)

    def discard(self, entry: Entry[Owner]) -> None:
        """Take a request out, whatever is left of it; one that is out already is passed over."""
        if self._entries.pop(id(entry), None) is not None:
            self.tokens -= entry.tokens
            entry.ticket = 0
            entry.sequences.clear()

    def clear(self) -> list[Owner]:
        """Take everybody out."""
        entries = list(self._entries.values())
        for entry in entries:
            self.discard(entry)
        return [entry.owner for entry in entries]

    def tokens_before(self, own: int) -> int:
        """Return how many of the waiting tokens a request of ``own`` tokens would see go before its last.

        Of a large request only about as many as its own and one turn, for they take turns.
        """
        most = own + self.quantum
        return self.tokens - sum(max(0, entry.tokens - most) for entry in self._entries.values())

    def take(self, budget: int) -> list[tuple[Entry[Owner], int, TokenSequence]]:
        """Take the next batch of at most ``budget`` tokens; a sequence that is longer goes by itself."""
        taken: list[tuple[Entry[Owner], int, TokenSequence]] = []
        passed_over: list[Entry[Owner]] = []
        room = budget
        if self._entries:
            room -= self._take_turn(next(iter(self._entries.values())), room, taken)
        while self._heap and room > 0 and len(passed_over) < _MOST_PASSED_OVER:
            turn, ticket, entry = heapq.heappop(self._heap)
            if entry.ticket != ticket:
                continue
            self._now = max(self._now, turn)
            if taken and len(entry.sequences[0][1].ids) > room:
                passed_over.append(entry)
                continue
            room -= self._take_turn(entry, room, taken)
        for entry in passed_over:  # with their place as it was: the next batch begins with them
            heapq.heappush(self._heap, (entry.turn, entry.ticket, entry))
        return taken

    def _take_turn(self, entry: Entry[Owner], room: int, taken: list[tuple[Entry[Owner], int, TokenSequence]]) -> int:
        given = 0
        while entry.sequences:
            length = len(entry.sequences[0][1].ids)
            if given and given + length > min(self.quantum, room):
                break
            taken.append((entry, *entry.sequences.popleft()))
            given += length
        entry.tokens -= given
        entry.turn += given
        self.tokens -= given
        if entry.sequences:
            self._push(entry)
        else:
            del self._entries[id(entry)]
            entry.ticket = 0
        return given

    def _push(self, entry: Entry[Owner]) -> None:
        self._tickets += 1
        entry.ticket = self._tickets
        heapq.heappush(self._heap, (entry.turn, entry.ticket, entry))


def entry_of(owner: Owner, sequences: Iterable[tuple[int, TokenSequence]]) -> Entry[Owner]:
    """Return what waits of a request."""
    return Entry(owner, deque(sequences))
