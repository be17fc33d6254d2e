"""The suite's inputs: made by a seed out of a few words, so that scores are neither perfect nor poor."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

TOPICS: Final = {
    "harbour": "boat tide net pier sail anchor crew gull rope fish dock wave",
    "kitchen": "flour oven salt bread knife pan soup onion butter yeast spoon bowl",
    "garden": "seed soil rose bee spade hedge apple worm frost leaf root compost",
    "railway": "train track signal tunnel ticket platform engine guard wagon bridge junction whistle",
    "weather": "rain storm cloud wind snow thunder fog hail drought breeze sun ice",
    "music": "violin drum choir note rhythm organ flute song tempo stage string chord",
    "market": "price coin trade stall buyer scale profit debt bargain merchant cloth spice",
    "forest": "oak deer moss path owl bark fern fox pine mushroom creek shade",
}
_COMMON: Final = "the a in on near old new small large quiet every morning evening people town slowly often under"
COMMON: Final = tuple(_COMMON.split())

_SEED: Final = 20240918
_PASSAGES = 6  # of a topic
_LEAST_SHARED = 2  # words of the query that make another passage of its topic relevant too


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything the suite embeds, and what is right.

    ``relevant[q]`` are the gains of query ``q``'s passages by their number; ``pairs`` come with how alike they are;
    ``train``, ``test`` and ``mixed`` with their topics; ``chunk_queries`` with the number of their chunk among all.
    """

    queries: list[str]
    passages: list[str]
    relevant: list[dict[int, float]]
    pairs: list[tuple[str, str, float]]
    train: list[tuple[str, int]]
    test: list[tuple[str, int]]
    mixed: list[tuple[str, int]]
    documents: list[list[str]]
    chunk_queries: list[tuple[str, int]]


def make_inputs(seed: int = _SEED) -> Inputs:
    """Return the same inputs for the same seed."""
    chance = random.Random(seed)  # noqa: S311  # inputs of a test
    topics = [words.split() for words in TOPICS.values()]
    passages, queries, relevant = _retrieval(chance, topics)
    documents = [[_text(chance, chance.choice(topics), 3, 3) for _ in range(4)] for _ in range(12)]
    chunks = [chunk for document in documents for chunk in document]
    return Inputs(
        queries=queries,
        passages=passages,
        relevant=relevant,
        pairs=[_pair(chance, chance.choice(topics)) for _ in range(60)],
        train=_labelled(chance, topics, each=6, own=4, common=3),
        test=_labelled(chance, topics, each=6, own=4, common=3),
        mixed=_labelled(chance, topics, each=8, own=5, common=2),
        documents=documents,
        chunk_queries=[(" ".join(chance.sample(chunk.split(), 3)), number) for number, chunk in enumerate(chunks)],
    )


def vocabulary() -> list[str]:
    """Return every word that a text can have."""
    return sorted({word for words in TOPICS.values() for word in words.split()} | set(COMMON))


def _retrieval(chance: random.Random, topics: list[list[str]]) -> tuple[list[str], list[str], list[dict[int, float]]]:
    passages = [_text(chance, topic, 4, 4) for topic in topics for _ in range(_PASSAGES)]
    queries, relevant = [], []
    for number, passage in enumerate(passages[::2]):
        source, topic = 2 * number, topics[2 * number // _PASSAGES]
        words = chance.sample([word for word in passage.split() if word in topic], 3)
        gains = {source: 2.0}
        for other, text in enumerate(passages):
            if other != source and len(set(words) & set(text.split())) >= _LEAST_SHARED:
                gains[other] = 1.0
        queries.append(" ".join([*words, chance.choice(COMMON)]))
        relevant.append(gains)
    return passages, queries, relevant


def _pair(chance: random.Random, topic: list[str]) -> tuple[str, str, float]:
    words = _text(chance, topic, 5, 5).split()
    changed = list(words)
    places = chance.sample(range(len(words)), chance.randint(1, len(words)))  # equal texts would be a tie of cosines
    for place in places:
        changed[place] = chance.choice([word for word in vocabulary() if word not in words])
    return " ".join(words), " ".join(changed), 1.0 - len(places) / len(words)


def _labelled(
    chance: random.Random, topics: list[list[str]], *, each: int, own: int, common: int
) -> list[tuple[str, int]]:
    made = [(_text(chance, topic, own, common), label) for label, topic in enumerate(topics) for _ in range(each)]
    chance.shuffle(made)
    return made


def _text(chance: random.Random, topic: list[str], own: int, common: int) -> str:
    words = chance.sample(topic, own) + chance.choices(COMMON, k=common)
    chance.shuffle(words)
    return " ".join(words)
