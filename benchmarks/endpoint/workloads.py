"""What is sent: short queries or documents of mixed lengths, one text a request."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.workload import Lengths, Lexicon

QUERIES, DOCUMENTS = "queries", "documents"


@dataclass(frozen=True, slots=True)
class Workload:
    """Texts with their token counts; a run takes them in order, and begins again after the last."""

    name: str
    texts: tuple[str, ...]
    tokens: tuple[int, ...]

    def first(self, count: int) -> tuple[list[str], list[int]]:
        """Return the ``count`` texts that a run of as many requests sends, and their tokens."""
        places = [number % len(self.texts) for number in range(count)]
        return [self.texts[place] for place in places], [self.tokens[place] for place in places]


def make_workloads(lexicon: Lexicon, lengths: Lengths, query_tokens: int, texts: int = 64) -> dict[str, Workload]:
    """Write both workloads, seeded."""
    counts = {QUERIES: [query_tokens] * texts, DOCUMENTS: lengths.draw(texts)}
    return {
        name: Workload(name, tuple(lexicon.texts(tokens, seed=seed)), tuple(tokens))
        for seed, (name, tokens) in enumerate(counts.items(), start=5)
    }
