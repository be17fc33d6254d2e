"""The settings of a model, read from the ``config.json`` of either family of repositories."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jina_v3.contract import PROMPTS, TASKS, Task
from jina_v3.errors import CheckpointError
from jina_v3.tokens.tokenizer import Vocabulary

_POSITION_OFFSET = 2  # XLM-RoBERTa counts positions from padding_idx + 1, so 8194 means 8192 tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """What of ``config.json`` decides the arithmetic.

    ``adapters`` names the low-rank adapters stacked inside the original layout's tensors, in their order.

    **Source**: ``XLMRobertaFlashConfig`` (original) and ``JinaEmbeddingsV3Config`` (transformers).
    """

    vocab: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    norm_eps: float
    rotary_base: float
    max_tokens: int
    bos_id: int
    eos_id: int
    rank: int
    alpha: float
    adapters: tuple[Task, ...]

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads

    @property
    def vocabulary(self) -> Vocabulary:
        """What its tokenizer must agree with."""
        return Vocabulary(self.vocab, self.bos_id, self.eos_id)


def read_model_config(folder: Path) -> ModelConfig:
    """Read ``folder/config.json``.

    **Raises**: CheckpointError when it is missing, not JSON, lacks a setting, or describes another architecture.
    """
    path = folder / "config.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{folder} has no config.json; a model folder holds config.json, tokenizer.json and *.safetensors"
        ) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(raw, dict):
        raise CheckpointError(f"{path} holds {type(raw).__name__}, not an object")
    _refuse_foreign(path, raw)
    config = ModelConfig(
        vocab=_whole(path, raw, "vocab_size"),
        hidden=_whole(path, raw, "hidden_size"),
        layers=_whole(path, raw, "num_hidden_layers"),
        heads=_whole(path, raw, "num_attention_heads"),
        intermediate=_whole(path, raw, "intermediate_size"),
        norm_eps=_real(path, raw, "layer_norm_eps"),
        rotary_base=_rotary_base(path, raw),
        max_tokens=_whole(path, raw, "max_position_embeddings") - _POSITION_OFFSET,
        bos_id=_whole(path, raw, "bos_token_id", least=0, default=0),
        eos_id=_whole(path, raw, "eos_token_id", least=0, default=2),
        rank=_whole(path, raw, "lora_rank", default=4),
        alpha=_real(path, raw, "lora_alpha", default=1.0),
        adapters=_adapters(path, raw),
    )
    if config.hidden % (2 * config.heads):
        raise CheckpointError(
            f"{path}: hidden_size {config.hidden} does not divide into {config.heads} heads of even width"
        )
    if config.max_tokens < 2:
        raise CheckpointError(f"{path}: max_position_embeddings leaves room for {config.max_tokens} tokens")
    return config


def _refuse_foreign(path: Path, raw: dict[str, Any]) -> None:
    fixed = {
        "model_type": ("xlm-roberta", "jina_embeddings_v3"),
        "hidden_act": ("gelu",),
        "position_embedding_type": ("rotary",),
        "type_vocab_size": (1,),
        "emb_pooler": (None, "mean"),
        "rotary_emb_interleaved": (False,),
        "rotary_emb_scale_base": (None,),
        "task_instructions": (None, {task.value: prompt for task, prompt in PROMPTS.items()}),
    }
    # jina-embeddings-v3's first repository says xlm-roberta; what makes it this model is the rotary setting
    if raw.get("model_type") == "xlm-roberta" and raw.get("position_embedding_type") != "rotary":
        raise CheckpointError(
            f"{path} describes a plain xlm-roberta (position_embedding_type "
            f"{raw.get('position_embedding_type')!r}), not jina-embeddings-v3"
        )
    for key, allowed in fixed.items():
        if key in raw and raw[key] not in allowed:
            raise CheckpointError(
                f"{path}: {key} is {raw[key]!r}; jina-embeddings-v3 has {' or '.join(map(repr, allowed))}"
            )


def _rotary_base(path: Path, raw: dict[str, Any]) -> float:
    if "rotary_emb_base" in raw:
        return _real(path, raw, "rotary_emb_base")
    rope = raw.get("rope_parameters") or raw.get("rope_scaling")
    if isinstance(rope, dict):
        kind = rope.get("rope_type", "default")
        if kind != "default" or rope.get("partial_rotary_factor", 1.0) != 1.0:
            raise CheckpointError(f"{path}: rope parameters {rope!r} are not supported, only rope_type 'default' is")
        if "rope_theta" in rope:
            return _real(path, rope, "rope_theta")
    # the native class's default; the original family's own, 10000, is not the released model's: there it must be said
    native = raw.get("model_type") == "jina_embeddings_v3"
    return _real(path, raw, "rope_theta" if native else "rotary_emb_base", default=20000.0 if native else None)


def _adapters(path: Path, raw: dict[str, Any]) -> tuple[Task, ...]:
    names = raw.get("lora_adaptations")
    if names is None:
        return TASKS
    known = {task.value: task for task in TASKS}
    # as text, so that even a list among the names is only an unknown name
    if not isinstance(names, list) or len({str(name) for name in names} & known.keys()) < len(names):
        raise CheckpointError(
            f"{path}: lora_adaptations is {names!r}; known adapters are {', '.join(known)}, each once"
        )
    return tuple(known[name] for name in names)


def _whole(path: Path, raw: dict[str, Any], key: str, *, least: int = 1, default: int | None = None) -> int:
    value = raw.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise CheckpointError(f"{path}: {key} is {value!r}; want a whole number of at least {least}")
    return value


def _real(path: Path, raw: dict[str, Any], key: str, *, default: float | None = None) -> float:
    value = raw.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise CheckpointError(f"{path}: {key} is {value!r}; want a number above 0")
    return float(value)
