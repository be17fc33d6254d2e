"""The texts that every variant is timed on, and the tokenizer that makes their token counts exact.

Texts are words of one token each in a Unigram vocabulary of the real size, so a text of ``n`` tokens can be
written down for any ``n`` and every variant has to tokenise it by itself, as it would a real one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from jina_v3.contract import PROMPTS, TASKS, Task

_SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>")  # ids 0..3, as XLM-RoBERTa has them
_FRAME_TOKENS = 2  # <s> and </s>
_WORD_SCORE, _LETTER_SCORE = -10.0, -40.0  # one word must always beat a spelling of it
_CONSONANTS, _VOWELS = "bcdfghjklmnprstvwxyz", "aeiou"


@dataclass(frozen=True, slots=True)
class Lengths:
    """Text lengths in tokens, specials included: log-normal, clipped.

    The defaults are a mix such as search meets: mean about 85 tokens, the longest six times that, which is what a
    padded batch pays for.
    """

    median_tokens: int = 64
    sigma: float = 1.0
    shortest_tokens: int = 8
    longest_tokens: int = 512

    def draw(self, count: int, seed: int = 1) -> list[int]:
        """Draw ``count`` lengths; the same seed gives the same lengths."""
        values = np.random.default_rng(seed).lognormal(math.log(self.median_tokens), self.sigma, count)
        return [int(n) for n in np.clip(np.round(values), self.shortest_tokens, self.longest_tokens)]

    def draw_total(self, total_tokens: int, seed: int = 1) -> list[int]:
        """Draw lengths that add up to ``total_tokens``; the remainder is shared out over the drawn ones."""
        lengths: list[int] = []
        for length in self.draw(total_tokens // self.shortest_tokens + 1, seed):
            if sum(lengths) + length > total_tokens:
                break
            lengths.append(length)
        if not lengths:
            return [total_tokens]
        missing, count = total_tokens - sum(lengths), len(lengths)
        return [length + missing // count + (i < missing % count) for i, length in enumerate(lengths)]


class Lexicon:
    """A Unigram tokenizer of ``vocab`` entries and the words that are one token in it."""

    def __init__(self, vocab: int) -> None:
        prompt_words = sorted({word for prompt in PROMPTS.values() for word in prompt.split()})
        letters = sorted(set("".join(prompt_words)) | set(_CONSONANTS + _VOWELS) | {"▁"})
        fixed = len(_SPECIAL_TOKENS) + len(prompt_words) + len(letters) + 1  # and <mask>, the last id
        if vocab <= fixed:
            raise ValueError(f"a vocabulary of {vocab} is too small: more than {fixed} entries are needed")
        self.words = _pseudo_words(vocab - fixed)
        pieces = [(token, 0.0) for token in _SPECIAL_TOKENS]
        pieces += [(f"▁{word}", _WORD_SCORE) for word in prompt_words]
        pieces += [(letter, _LETTER_SCORE) for letter in letters]
        pieces += [(f"▁{word}", _WORD_SCORE) for word in self.words]
        pieces += [("<mask>", 0.0)]
        self.tokenizer = _tokenizer(pieces)
        self.prompt_tokens = {task: self._count(PROMPTS[task] + self.words[0]) - 1 for task in TASKS}

    def _count(self, text: str) -> int:
        return len(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def texts(
        self, lengths_tokens: Sequence[int], tasks: Sequence[Task | None] | None = None, seed: int = 2
    ) -> list[str]:
        """Write one text a length, its tokens counted with ``<s>``, ``</s>`` and its task's prompt.

        Words are drawn evenly over the whole vocabulary, so that the embedding table's gather is a cold one.

        **Raises**: ``ValueError`` where a length leaves no room for a word.
        """
        rng = np.random.default_rng(seed)
        texts = []
        for length, task in zip(lengths_tokens, tasks or [None] * len(lengths_tokens), strict=True):
            words = length - _FRAME_TOKENS - (self.prompt_tokens[task] if task else 0)
            if words < 1:
                raise ValueError(f"{length} tokens leave no room for a word under task {task}")
            texts.append(" ".join(self.words[i] for i in rng.integers(0, len(self.words), words)))
        return texts


def round_robin_tasks(count: int) -> list[Task]:
    """Return ``count`` tasks, the five in turn: the mix that defeats sorting by task."""
    return [TASKS[i % len(TASKS)] for i in range(count)]


def _pseudo_words(count: int) -> list[str]:
    syllables = [c + v for c, v in product(_CONSONANTS, _VOWELS)]
    words = ["".join(pair) for pair in product(syllables, repeat=2)]
    for triple in product(syllables, repeat=3):
        if len(words) >= count:
            break
        words.append("".join(triple))
    if len(words) < count:
        raise ValueError(f"only {len(words)} words of two and three syllables exist, {count} were asked for")
    return words[:count]


def _tokenizer(pieces: list[tuple[str, float]]) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=_SPECIAL_TOKENS.index("<unk>"), byte_fallback=False))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.add_special_tokens([*_SPECIAL_TOKENS, "<mask>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer
