"""The model that the notebooks deploy on this machine: one layer of the real one, with meanings from their texts.

The real weights are not here, and an untrained model puts no two languages together. So the stand-in's word vectors
come from the notebooks' own texts by cross-language latent semantic indexing: pieces that occur in texts on one topic,
in whatever language, come out alike. It knows these texts' words and no others, and queries plant nothing. What it
shows is how things work and look; **no figure of it says anything about jina-embeddings-v3**.

- Meanings are turned at random, so that each number of a vector carries about as much: cut vectors lose a little of
  everything, and signs alone say something.
- A part of each vector says the language. The adapters take it away in different measure, so that tasks differ.
- Attention passes on a share of the mean of its window, so that late chunking tells a chunk what its document is about.

**Source**: Dumais and others, *Automatic cross-language retrieval using latent semantic indexing*, 1997.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from demo.standin import RANK, StandInConfig, rarity, tokenizer_of, write_standin
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from jina_v3.contract import PROMPTS, TASKS, Task
from lab.texts import Text, names, read

CONFIG: Final = StandInConfig(layers=1, vocab=16_000, follows_words=True)
_CACHE: Final = Path(__file__).parents[2] / ".cache"
_WORDS: Final = re.compile(r"[^\W\u3040-\u30ff\u3400-\u9fff]+")  # of scripts that are written with spaces
_STEM: Final = 5  # letters that stand for a word, whatever its ending
_TEXT_WEIGHT: Final = 0.5  # what pieces have in common by one text, against by its topic
_OWN_SHARE: Final = 0.3  # what is a piece's alone, against its meaning
_LANGUAGE_SHARE: Final = 0.5  # the language's part of a piece's vector, against the meaning's
_MIXING: Final = 2.0  # what attention adds of the window's mean
_LEAVES_LANGUAGE: Final = {  # what an adapter leaves of the language's part
    Task.RETRIEVAL_QUERY: 0.3,
    Task.RETRIEVAL_PASSAGE: 0.3,
    Task.SEPARATION: 0.1,
    Task.CLASSIFICATION: 0.5,
    Task.TEXT_MATCHING: 0.0,
}
_SILENT: Final = RANK
"""The channel that holds what common pieces have in the place of a meaning. Norms keep every token at one length, so a
weak meaning needs something beside it; the last norm silences it."""
_SCALE: Final = 0.25  # alpha over rank
_WORD: Final = "roberta.embeddings.word_embeddings.parametrizations.weight"


def standin_folder(cache: Path = _CACHE) -> Path:
    """Return the folder of the stand-in, built if the texts or this module have changed since the last time."""
    texts = [text for name in names() for text in read(name)]
    folder = cache / f"notebooks-{_fingerprint(texts)}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="draft-", dir=cache) as draft:
        write_meaningful(Path(draft) / "model", texts)
        for outdated in set(cache.glob("notebooks-*")) - {folder}:  # which another process may have put there by now
            shutil.rmtree(outdated, ignore_errors=True)
        try:
            (Path(draft) / "model").rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was quicker, with the same result
                raise
    return folder


def write_meaningful(folder: Path, texts: Sequence[Text], config: StandInConfig = CONFIG) -> Path:
    """Write a checkpoint whose word vectors come from ``texts``, in the original layout."""
    plain = [text.text for text in texts]
    write_standin(folder, plain, config)
    tokenizer = tokenizer_of(_pieces([*plain, *PROMPTS.values()]))
    if tokenizer.get_vocab_size() > config.vocab:
        raise ValueError(f"the texts have {tokenizer.get_vocab_size():,} pieces, CONFIG.vocab is {config.vocab:,}")
    tokenizer.save(str(folder / "tokenizer.json"))
    tensors = load_file(folder / "model.safetensors")
    # queries are found by what other texts say: their own words would tie them to their topics by construction
    _plant(tensors, tokenizer, [text for text in texts if text.more.get("kind") != "query"], config)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _pieces(texts: Sequence[str]) -> list[tuple[str, float]]:
    """Return the pieces that words are cut into: their first letters, their endings, and all single characters.

    The fewest pieces win, as all have one score; single characters are what is left for words that no text has.
    """
    spelled = [unicodedata.normalize("NFKC", text) for text in texts]
    words = {word for text in spelled for word in _WORDS.findall(text)}
    starts = {f"▁{word[:_STEM]}" for word in words}
    endings = {word[_STEM:] for word in words if len(word) > _STEM}
    characters = {character for text in spelled for character in text if not character.isspace()} | {"▁"}
    return [(piece, -1.0) for piece in sorted((starts | endings) - characters)] + [
        (one, -2.0) for one in sorted(characters)
    ]


def _plant(
    tensors: dict[str, torch.Tensor], tokenizer: Tokenizer, texts: Sequence[Text], config: StandInConfig
) -> None:
    """Put meanings, languages and the mixing of the window into the tensors, in place."""
    generator = torch.Generator().manual_seed(config.seed)
    pieces = [
        encoding.ids for encoding in tokenizer.encode_batch([text.text for text in texts], add_special_tokens=False)
    ]
    rare = rarity(tokenizer, [text.text for text in texts], config.vocab)
    meanings = _meanings(pieces, texts, rare, config)
    _spread(meanings, generator)
    languages = _languages(pieces, texts, config.vocab, generator)
    own = torch.randn(config.vocab, config.hidden, generator=generator) / (1 + torch.arange(config.hidden) / 64)
    weight = rare[:, None] * (meanings.norm(dim=1, keepdim=True) > 0)
    rows = weight * (meanings + _OWN_SHARE * torch.nn.functional.normalize(own, dim=1))
    basis = torch.eye(RANK, config.hidden)  # the languages' channels come first; no meaning lies there
    rows = rows + _LANGUAGE_SHARE * weight * languages @ basis
    rows[:, _SILENT] = (1 - weight[:, 0] ** 2).sqrt()
    taken = [(_LEAVES_LANGUAGE[task] - 1.0) * _LANGUAGE_SHARE * config.hidden**0.5 / _SCALE * basis for task in TASKS]
    planted = {
        f"{_WORD}.original": rows * config.hidden**0.5,
        f"{_WORD}.0.lora_A": (weight * languages).expand(len(TASKS), -1, -1),
        f"{_WORD}.0.lora_B": torch.stack(taken),
    }
    for name, tensor in planted.items():
        tensors[name] = tensor.to(tensors[name].dtype).contiguous()
    for name in [name for name in tensors if ".token_type_embeddings." in name]:
        tensors[name].zero_()  # it would be one direction of all tokens
    _mix(tensors, config)
    _silence(tensors, config)


def _meanings(
    pieces: Sequence[Sequence[int]], texts: Sequence[Text], rare: torch.Tensor, config: StandInConfig
) -> torch.Tensor:
    """Return a direction for each piece by what the texts with it are about; none for pieces that no text has.

    **Shapes**: ``(vocab, hidden)`` float32, of length 1 or 0; the channels of the languages and the silent one are
    empty, and those after them are in the order of their singular values.
    """
    topics = {topic: column for column, topic in enumerate(sorted({text.topic for text in texts}))}
    column = torch.tensor([topics[text.topic] for text in texts])
    counts = torch.zeros(config.vocab, len(topics) + len(texts))
    for number, ids in enumerate(pieces):
        for piece in ids:
            counts[piece, column[number]] += 1.0
            counts[piece, len(topics) + number] += 1.0
    weighted = counts.log1p() * rare[:, None]
    weighted = weighted / weighted.norm(dim=0, keepdim=True).clamp(min=1e-6)  # long texts count no more than short ones
    weighted[:, len(topics) :] *= _TEXT_WEIGHT / torch.bincount(column)[column].sqrt()
    left, values, _ = torch.linalg.svd(weighted, full_matrices=False)
    kept = min(len(values), config.hidden - RANK - 1)
    found = torch.zeros(config.vocab, config.hidden)
    found[:, RANK + 1 : RANK + 1 + kept] = left[:, :kept] * values[:kept]
    return torch.nn.functional.normalize(found, dim=1)


def _spread(meanings: torch.Tensor, generator: torch.Generator) -> None:
    """Turn the meanings in place, all by one rotation, so that no channel matters more than another."""
    width = meanings.shape[1] - _SILENT - 1
    turn, _ = torch.linalg.qr(torch.randn(width, width, generator=generator))
    meanings[:, _SILENT + 1 :] = meanings[:, _SILENT + 1 :] @ turn


def _languages(
    pieces: Sequence[Sequence[int]], texts: Sequence[Text], vocab: int, generator: torch.Generator
) -> torch.Tensor:
    """Return where each piece lies among the languages, by the texts with it. **Shapes**: ``(vocab, RANK)``."""
    names = sorted({text.language for text in texts})
    places = torch.nn.functional.normalize(torch.randn(len(names), RANK, generator=generator), dim=1)
    found = torch.zeros(vocab, RANK)
    for ids, text in zip(pieces, texts, strict=True):
        for piece in set(ids):
            found[piece] += places[names.index(text.language)]
    return torch.nn.functional.normalize(found, dim=1)


def _mix(tensors: dict[str, torch.Tensor], config: StandInConfig) -> None:
    """Let the first layer's attention look at everything alike, and add a share of what it sees."""
    layer = "roberta.encoder.layers.0.mixer"
    unit = torch.eye(config.hidden)
    weight = tensors[f"{layer}.Wqkv.parametrizations.weight.original"]
    weight[: 2 * config.hidden] *= 0.02
    weight[2 * config.hidden :] = unit.to(weight.dtype)
    tensors[f"{layer}.out_proj.parametrizations.weight.original"] = (_MIXING * unit).to(weight.dtype)


def _silence(tensors: dict[str, torch.Tensor], config: StandInConfig) -> None:
    """Let no layer make anything of the silent channel, and the last norm take it away."""
    for layer in range(config.layers):
        name = f"roberta.encoder.layers.{layer}.mlp.fc1.parametrizations.weight.original"
        tensors[name][:, _SILENT] = 0.0
    for kind in ("weight", "bias"):
        tensors[f"roberta.encoder.layers.{config.layers - 1}.norm2.{kind}"][_SILENT] = 0.0


def _fingerprint(texts: Sequence[Text]) -> str:
    digest = hashlib.sha256(repr((CONFIG, texts)).encode())
    digest.update(Path(__file__).read_bytes())
    digest.update(inspect.getsource(inspect.getmodule(write_standin) or write_standin).encode())
    return digest.hexdigest()[:16]
