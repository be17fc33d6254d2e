"""A checkpoint of the real architecture and layout that is a bag of words: its vectors can be computed by hand.

Attention and the wide layers add nothing, so a token's last state is its embedding row with its adapter's part, through
the norms. Every whole word of the suite's texts and of the prompts is one piece of the tokenizer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from demo.standin import RANK, StandInConfig, tokenizer_of, write_standin
from safetensors.torch import load_file, save_file

from evaluation.offline.texts import vocabulary
from jina_v3.contract import PROMPTS, TASKS

CONFIG: Final = StandInConfig(layers=2, hidden=128, heads=4, intermediate=256, vocab=320, dtype=torch.float32, seed=7)
WORD: Final = "roberta.embeddings.word_embeddings.parametrizations.weight"
_ADAPTER_SHARE: Final = 0.6  # an adapter's part of a row, against what the row is without


def write_bag_of_words(folder: Path) -> Path:
    """Write the checkpoint into ``folder``, in the original layout."""
    words = sorted({*vocabulary(), *(word for prompt in PROMPTS.values() for word in prompt.split())})
    characters = sorted({character for word in words for character in word} | {"▁"})
    write_standin(folder, words, CONFIG)
    tokenizer = tokenizer_of([(f"▁{word}", -1.0) for word in words] + [(c, -2.0) for c in characters])
    tokenizer.save(str(folder / "tokenizer.json"))
    tensors = load_file(folder / "model.safetensors")
    _plant(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _plant(tensors: dict[str, torch.Tensor]) -> None:
    generator = torch.Generator().manual_seed(CONFIG.seed)
    for name, tensor in tensors.items():
        if "emb_ln" in name or ".norm" in name:
            tensor.fill_(1.0 if name.endswith("weight") else 0.0)
        elif ".out_proj." in name or ".fc2." in name or ".token_type_embeddings." in name:
            tensor.zero_()  # their adapters and biases too
    shape = tensors[f"{WORD}.original"].shape
    tensors[f"{WORD}.original"] = torch.randn(shape, generator=generator)
    tensors[f"{WORD}.0.lora_A"] = torch.randn(len(TASKS), shape[0], RANK, generator=generator)
    directions = torch.randn(len(TASKS), RANK, shape[1], generator=generator)
    tensors[f"{WORD}.0.lora_B"] = directions * (_ADAPTER_SHARE * RANK / RANK**0.5)
