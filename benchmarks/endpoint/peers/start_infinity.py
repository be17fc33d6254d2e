"""Start infinity with a tokenizer's method that transformers 5 has no more.

infinity 0.0.78 calls ``batch_encode_plus`` to count tokens; in transformers 5, the first with this model's class, the
tokenizer itself is called instead. Nothing else of either is changed.
"""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedTokenizerBase


def _batch_encode_plus(tokenizer: Any, texts: Any, **options: Any) -> Any:
    return tokenizer(texts, **options)


if not hasattr(PreTrainedTokenizerBase, "batch_encode_plus"):
    PreTrainedTokenizerBase.batch_encode_plus = _batch_encode_plus

if __name__ == "__main__":
    from infinity_emb.cli import cli  # type: ignore[import-not-found, unused-ignore]

    cli()
