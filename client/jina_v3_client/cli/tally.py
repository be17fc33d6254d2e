"""How many texts there were, and which of them failed."""

from __future__ import annotations

from typing import Final

from jina_v3_client.cli.call import DONE, TEXTS_FAILED
from jina_v3_client.cli.records import Record
from jina_v3_client.cli.screen import Screen
from jina_v3_client.results import TextEmbedding

_SHOWN: Final = 5


class Tally:
    """Counts embeddings as they are written, and keeps the first errors."""

    def __init__(self) -> None:
        self.texts = 0
        self._failed = 0
        self._first: list[str] = []

    def add(self, record: Record, embedding: TextEmbedding) -> None:
        """Count one in."""
        self.texts += 1
        if (error := embedding.error) is not None:
            self._failed += 1
            if len(self._first) < _SHOWN:
                self._first.append(f"  {record.place}: {error.message} ({error.code})")

    def tell(self, screen: Screen) -> int:
        """Say what failed, and return the exit status."""
        if not self._failed:
            return DONE
        screen.complain(f"{self._failed:,} of {self.texts:,} texts could not be embedded:")
        for line in self._first:
            screen.note(line)
        if self._failed > len(self._first):
            screen.note("  each of the others has its error in the output")
        return TEXTS_FAILED
