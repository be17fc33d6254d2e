"""Texts to token ids, without padding and without hidden state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from jina_v3.errors import CheckpointError
from jina_v3.tokens.sequences import Ids


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What ``config.json`` says of the tokenizer: how many ids the model has a row for, and the ids of two tokens."""

    size: int
    bos_id: int
    eos_id: int


class TextTokenizer:
    """The checkpoint's tokenizer; gives ids without ``<s>`` and ``</s>``, which callers put where they belong.

    Safe to call from several threads at once.

    **Raises**: CheckpointError when ``tokenizer.json`` is missing, unreadable, or not this model's.
    """

    def __init__(self, folder: Path, vocabulary: Vocabulary) -> None:
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise CheckpointError(f"{folder} has no tokenizer.json; fetch it with the weights")
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # noqa: BLE001 - the Rust side raises nothing narrower
            raise CheckpointError(f"{path} cannot be read as a tokenizer: {error}") from None
        # files saved by transformers may have both switched on, and padding would reach every vector
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        size = self._tokenizer.get_vocab_size()
        if size > vocabulary.size:
            raise CheckpointError(
                f"{path} has {size} entries, config.json's vocab_size is {vocabulary.size}: "
                "the files are of two different models"
            )
        for token, wanted in (("<s>", vocabulary.bos_id), ("</s>", vocabulary.eos_id)):
            if (found := self._tokenizer.token_to_id(token)) != wanted:
                raise CheckpointError(
                    f"{path} has {token} as {found}, config.json as {wanted}: the files are of two different models"
                )
        self.bos: Ids = np.array([vocabulary.bos_id])
        self.eos: Ids = np.array([vocabulary.eos_id])

    def ids(self, texts: Sequence[str]) -> list[Ids]:
        """Tokenise each text by itself. Texts must not hold lone surrogates."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, dtype=np.int64) for encoding in encodings]
