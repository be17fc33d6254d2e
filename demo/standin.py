"""A small checkpoint with the real one's architecture, layout and kind of tokenizer, and seeded random weights.

It stands in where the real weights are not: the demo without ``MODEL``, the tests, the benchmarks. It has learned
nothing: two texts come out alike only as far as they share words, and for the demo the weights are scaled so that the
rarer ones of these count.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from jina_v3.contract import MATRYOSHKA_DIMENSIONS, PROMPTS, TASKS

RANK = 4
_BRANCH_SCALE = 0.1  # with follows_words: what a layer adds to a token, against what it is without
_RARE_SCALE = 3.0  # with follows_words: a rare piece's own direction, against the common one
_SPECIAL_TOKENS = ["<s>", "<pad>", "</s>", "<unk>"]  # ids 0..3, as XLM-RoBERTa has them


@dataclass(frozen=True, slots=True, kw_only=True)
class StandInConfig:
    """Size of the stand-in; the defaults are the real model's but for the layers and the vocabulary.

    ``outliers`` gives a few channels weights many times the others', as trained transformers have them.
    ``follows_words`` (for the demo) makes texts come out alike by the rarer words they share: what the layers add is
    scaled down, and the more texts a piece is in, the closer its embedding is drawn to one common direction.
    """

    layers: int = 3
    hidden: int = 1024
    heads: int = 16
    intermediate: int = 4096
    vocab: int = 8000
    rotary_base: float = 20000.0
    seed: int = 0
    outliers: bool = False
    follows_words: bool = False
    dtype: torch.dtype = torch.bfloat16


def write_standin(folder: Path, texts: Iterable[str], config: StandInConfig) -> Path:
    """Write ``config.json``, ``tokenizer.json`` and ``model.safetensors`` (original layout) into ``folder``.

    The tokenizer is trained on ``texts``; where ``config.vocab`` is more than they give, the rest of the
    vocabulary stays unused.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = list(texts)
    tokenizer = train_tokenizer(texts, config.vocab)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps(original_config(config), indent=2) + "\n")
    tensors = original_tensors(config)
    if config.follows_words:
        _follow_words(tensors, rarity(tokenizer, texts, config.vocab))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def train_tokenizer(texts: Iterable[str], vocab: int) -> Tokenizer:
    """Train a Unigram tokenizer of at most ``vocab`` entries with XLM-RoBERTa's specials and template.

    The same texts give the same tokenizer, to the byte, see :func:`_settled`.
    """
    tokenizer = Tokenizer(models.Unigram())
    _split_at_spaces(tokenizer)
    trainer = trainers.UnigramTrainer(
        vocab_size=vocab - 1, special_tokens=_SPECIAL_TOKENS, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    trained = json.loads(tokenizer.to_str())["model"]["vocab"][len(_SPECIAL_TOKENS) :]
    trained = [(piece, score) for piece, score in trained if piece not in (*_SPECIAL_TOKENS, "<mask>")]  # as plain text
    return tokenizer_of(_settled(trained))


def tokenizer_of(pieces: list[tuple[str, float]]) -> Tokenizer:
    """Return a Unigram tokenizer of these pieces and their scores with XLM-RoBERTa's specials and template.

    Ids 0 to 3 are the specials', then come the pieces in their order, and ``<mask>`` is the last.
    """
    tokenizer = Tokenizer(models.Unigram([(name, 0.0) for name in _SPECIAL_TOKENS] + pieces, unk_id=3))
    _split_at_spaces(tokenizer)
    tokenizer.add_special_tokens(["<mask>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def _split_at_spaces(tokenizer: Tokenizer) -> None:
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])


def rarity(tokenizer: Tokenizer, texts: Sequence[str], vocab: int) -> torch.Tensor:
    """Return how rare each piece is among ``texts``: from 1 for nobody's to 0 for a piece of every text.

    **Shapes**: ``(vocab,)`` float32. The prompts' pieces count as everybody's: half of all texts have them.
    """
    texts_with = torch.ones(vocab)
    for encoding in tokenizer.encode_batch(list(texts)):
        texts_with[sorted(set(encoding.ids))] += 1
    for encoding in tokenizer.encode_batch([*PROMPTS.values()]):
        texts_with[sorted(set(encoding.ids))] = len(texts) + 1
    return 1.0 - texts_with.log() / torch.tensor(len(texts) + 1.0).log()


def _follow_words(tensors: dict[str, torch.Tensor], rarity: torch.Tensor) -> None:
    """Rescale the tensors in place so that shared rare pieces decide what is alike."""
    for name, tensor in tensors.items():
        if (
            name.endswith(("out_proj.parametrizations.weight.original", "fc2.parametrizations.weight.original"))
            or name.endswith("lora_B")
            or name.endswith(".bias")
        ):
            tensor.mul_(_BRANCH_SCALE)
    name = "roberta.embeddings.word_embeddings.parametrizations.weight.original"
    rows = tensors[name].float()
    common = rows[0].clone()
    tensors[name] = (common + rarity[:, None] * _RARE_SCALE * rows).to(tensors[name].dtype)


def _settled(trained: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Undo what differs between two trainings on the same texts.

    Sums differ in their last digits, so scores are rounded and ties broken by the piece. Rare characters are given
    descending scores below all others in the order of a hash table, so they are dealt out again by the character.
    """
    least = min((score for piece, score in trained if len(piece) > 1), default=0.0)
    rare = [(piece, score) for piece, score in trained if len(piece) == 1 and score < least]
    dealt = zip(sorted(piece for piece, _ in rare), sorted((score for _, score in rare), reverse=True), strict=True)
    scores = dict(trained) | dict(dealt)
    return sorted(((piece, round(score, 6)) for piece, score in scores.items()), key=lambda one: (-one[1], one[0]))


def original_config(config: StandInConfig) -> dict[str, object]:
    """Return ``config.json`` with the keys of the original repository.

    **Source**: jinaai/jina-embeddings-v3, ``config.json``.
    """
    return {
        "architectures": ["XLMRobertaModel"],
        "model_type": "xlm-roberta",
        "vocab_size": config.vocab,
        "hidden_size": config.hidden,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.intermediate,
        "hidden_act": "gelu",
        "max_position_embeddings": 8194,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "position_embedding_type": "rotary",
        "rotary_emb_base": config.rotary_base,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "lora_adaptations": [task.value for task in TASKS],
        "lora_rank": RANK,
        "lora_alpha": 1,
        "task_instructions": {task.value: prompt for task, prompt in PROMPTS.items()},
        "matryoshka_dimensions": list(MATRYOSHKA_DIMENSIONS),
        "torch_dtype": str(config.dtype).removeprefix("torch."),
    }


def original_tensors(config: StandInConfig) -> dict[str, torch.Tensor]:
    """Return every tensor of the original layout, seeded, pooler included."""
    generator = torch.Generator().manual_seed(config.seed)
    tensors: dict[str, torch.Tensor] = {}

    def normal(*shape: int, std: float) -> torch.Tensor:
        return torch.empty(shape).normal_(0.0, std, generator=generator)

    def linear(name: str, out_features: int, in_features: int) -> None:
        weight = normal(out_features, in_features, std=in_features**-0.5)
        if config.outliers:
            weight[:, torch.randperm(in_features, generator=generator)[: in_features // 256 + 1]] *= 8.0
        tensors[f"{name}.bias"] = normal(out_features, std=0.05)
        tensors[f"{name}.parametrizations.weight.original"] = weight
        tensors[f"{name}.parametrizations.weight.0.lora_A"] = normal(
            len(TASKS), RANK, in_features, std=in_features**-0.5
        )
        tensors[f"{name}.parametrizations.weight.0.lora_B"] = normal(len(TASKS), out_features, RANK, std=0.5)

    def embedding(name: str, rows: int) -> None:
        tensors[f"{name}.parametrizations.weight.original"] = normal(rows, config.hidden, std=0.5)
        tensors[f"{name}.parametrizations.weight.0.lora_A"] = normal(len(TASKS), rows, RANK, std=0.5)
        tensors[f"{name}.parametrizations.weight.0.lora_B"] = normal(len(TASKS), RANK, config.hidden, std=0.5)

    def norm(name: str) -> None:
        weight = 1.0 + normal(config.hidden, std=0.1)
        if config.outliers:
            loud = torch.randperm(config.hidden, generator=generator)[: config.hidden // 256 + 1]
            weight[loud] *= 12.0
        tensors[f"{name}.weight"] = weight
        tensors[f"{name}.bias"] = normal(config.hidden, std=0.1)

    embedding("roberta.embeddings.word_embeddings", config.vocab)
    embedding("roberta.embeddings.token_type_embeddings", 1)
    norm("roberta.emb_ln")
    for index in range(config.layers):
        layer = f"roberta.encoder.layers.{index}"
        linear(f"{layer}.mixer.Wqkv", 3 * config.hidden, config.hidden)
        linear(f"{layer}.mixer.out_proj", config.hidden, config.hidden)
        norm(f"{layer}.norm1")
        linear(f"{layer}.mlp.fc1", config.intermediate, config.hidden)
        linear(f"{layer}.mlp.fc2", config.hidden, config.intermediate)
        norm(f"{layer}.norm2")
    linear("roberta.pooler.dense", config.hidden, config.hidden)
    return {name: tensor.to(config.dtype) for name, tensor in tensors.items()}
