"""Texts of wanted token counts."""

import random

from tokenizers import Tokenizer


def text_of(tokens: int, tokenizer: Tokenizer, seed: int) -> str:
    """A text that this tokenizer gives exactly ``tokens`` tokens, specials not counted."""
    words = [piece[1:] for piece in tokenizer.get_vocab() if piece.startswith("▁") and piece[1:].isalpha()]
    whole = sorted(word for word in words if len(tokenizer.encode(word, add_special_tokens=False).ids) == 1)
    assert len(whole) > 20
    text = " ".join(random.Random(seed).choices(whole, k=tokens))
    assert len(tokenizer.encode(text, add_special_tokens=False).ids) == tokens
    return text
