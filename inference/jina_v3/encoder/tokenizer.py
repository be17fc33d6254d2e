"""Texts to token ids, without padding and without hidden state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from jina_v3.encoder.checkpoint import ModelConfig
from jina_v3.encoder.packing import Ids
from jina_v3.errors import CheckpointError


class TextTokenizer:
    """The checkpoint's tokenizer; gives ids without ``<s>`` and ``</s>``, which callers put where they belong.

    Safe to call from several threads at once.

    **Raises**: CheckpointError when ``tokenizer.json`` is missing, unreadable, or not this model's.
    """

    def __init__(self, folder: Path, config: ModelConfig) -> None:
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
        if size > config.vocab:
            raise CheckpointError(
                f"{path} has {size} entries, config.json's vocab_size is {config.vocab}: "
                "the files are of two different models"
            )
        for token, wanted in (("<s>", config.bos_id), ("</s>", config.eos_id)):
            if (found := self._tokenizer.token_to_id(token)) != wanted:
                raise CheckpointError(
                    f"{path} has {token} as {found}, config.json as {wanted}: the files are of two different models"
                )
        self.bos: Ids = np.array([config.bos_id])
        self.eos: Ids = np.array([config.eos_id])

    def ids(self, texts: Sequence[str]) -> list[Ids]:
        """Tokenise each text by itself. Texts must not hold lone surrogates."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, dtype=np.int64) for encoding in encodings]
