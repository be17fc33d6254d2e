"""Adapters as PEFT saves them: a folder a task, beside the base weights of the flash and native layouts.

**Source**: jinaai/jina-embeddings-v3-hf; peft's ``adapter_config.json`` and ``adapter_model.safetensors``.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch

from jina_v3.contract import TASKS, Task
from jina_v3.encoder.checkpoint.files import TensorFiles, TensorReader
from jina_v3.encoder.checkpoint.layouts import EMBEDDINGS, Layout, LinearNames, Shapes, check_whole, linear_names
from jina_v3.encoder.checkpoint.model_config import ModelConfig
from jina_v3.encoder.checkpoint.weights import LowRank
from jina_v3.errors import CheckpointError

_PREFIX = "base_model.model."
_SETTINGS, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def adapter_folder(task: Task) -> str:
    """Return the name of the task's folder: ``retrieval_query`` for ``retrieval.query``."""
    return task.value.replace(".", "_").replace("-", "_")


def find_adapters(folder: Path) -> tuple[Task, ...]:
    """Return the tasks that have an adapter folder, in the order of their ids.

    **Raises**: CheckpointError for an adapter that lies where none is looked for: it would be passed over in silence.
    """
    known = {adapter_folder(task): task for task in TASKS}
    for path in sorted([*folder.glob("adapter_*"), *folder.glob("*/adapter_*")]):
        if path.name in (_SETTINGS, _WEIGHTS) and path.parent.name not in known:
            raise CheckpointError(f"{path} is an adapter of no known task; the folders are {', '.join(known)}")
    present = [name for name in known if any((folder / name / file).exists() for file in (_SETTINGS, _WEIGHTS))]
    return tuple(known[name] for name in present)


class PeftAdapter:
    """One task's adapter, checked to be whole.

    **Raises**: CheckpointError when a tensor is missing, unexpected or misshapen, or the adapter is of a kind
    whose arithmetic is not ``W + alpha / rank * B @ A`` on every linear layer and both embedding tables.
    """

    def __init__(self, folder: Path, task: Task, config: ModelConfig) -> None:
        self.task = task
        self._folder = folder / adapter_folder(task)
        rank, alpha = _read_settings(self._folder)
        self._scale = alpha / rank
        self.files = TensorFiles(self._folder, "adapter_model")
        required, optional = _expected_shapes(config, rank)
        check_whole(self._folder, "PEFT's layout over the native names", self.files.shapes, required, optional)

    def embedding(self, tensors: TensorReader, name: str) -> LowRank:
        """Read the addition to an embedding table."""
        a = tensors[f"{_PREFIX}{name}.lora_embedding_A"]  # (rank, vocab)
        b = tensors[f"{_PREFIX}{name}.lora_embedding_B"]  # (hidden, rank)
        return LowRank(self.task, a, b.float() * self._scale)

    def linear(self, tensors: TensorReader, names: LinearNames) -> LowRank:
        """Read the addition to a linear layer; three parts that share A stay of the same rank."""
        a = [tensors[f"{_PREFIX}{part}.lora_A.weight"] for part in names.parts]  # (rank, in) each
        b = [
            tensors[f"{_PREFIX}{part}.lora_B.weight"].float() * self._scale for part in names.parts
        ]  # (rows, rank) each
        if all(torch.equal(a[0], other) for other in a[1:]):
            return LowRank(self.task, a[0], torch.cat(b))
        return LowRank(self.task, torch.cat(a), torch.block_diag(*b))  # type: ignore[no-untyped-call]  # torch's


def _expected_shapes(config: ModelConfig, rank: int) -> tuple[Shapes, Shapes]:
    required: Shapes = {}
    for name, rows in zip(EMBEDDINGS, (config.vocab, 1), strict=True):
        required[f"{_PREFIX}{name}.lora_embedding_A"] = (rank, rows)
        required[f"{_PREFIX}{name}.lora_embedding_B"] = (config.hidden, rank)
    for layer in range(config.layers):
        for names in linear_names(Layout.NATIVE, config, layer).values():
            rows = names.out_features // len(names.parts)
            for part in names.parts:
                required[f"{_PREFIX}{part}.lora_A.weight"] = (rank, names.in_features)
                required[f"{_PREFIX}{part}.lora_B.weight"] = (rows, rank)
    optional: Shapes = {
        f"{_PREFIX}pooler.dense.lora_A.weight": (rank, config.hidden),
        f"{_PREFIX}pooler.dense.lora_B.weight": (config.hidden, rank),
    }
    return required, optional


_PLAIN_BIAS = "none"
_OTHER_KINDS = (
    "use_dora",
    "use_rslora",
    "use_qalora",
    "use_bdlora",
    "alora_invocation_tokens",
    "lora_bias",
    "rank_pattern",
    "alpha_pattern",
    "modules_to_save",
    "layer_replication",
    "trainable_token_indices",
    "target_parameters",
    "fan_in_fan_out",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
)
"""Settings of PEFT that change the arithmetic or add weights; an adapter must leave them empty or false."""
_PLAIN_STARTS = (None, True, False, "gaussian", "eva", "orthogonal", "mica")
"""Ways to initialise that leave the base weights alone; others (pissa, olora, corda, loftq …) change them."""


def _read_settings(folder: Path) -> tuple[int, float]:
    """Return an adapter's rank and alpha."""
    path = folder / _SETTINGS
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{folder} has no {_SETTINGS}; fetch it with the adapter's weights") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(settings, dict):
        raise CheckpointError(f"{path} holds {type(settings).__name__}, not an object")
    if (bias := settings.get("bias") or _PLAIN_BIAS) != _PLAIN_BIAS:
        raise CheckpointError(f"{path}: bias is {bias!r}; only plain LoRA ({_PLAIN_BIAS!r}) is supported")
    if (kind := settings.get("peft_type") or "LORA") != "LORA":
        raise CheckpointError(f"{path}: peft_type is {kind!r}; only 'LORA' is supported")
    if (start := settings.get("init_lora_weights")) not in _PLAIN_STARTS:
        raise CheckpointError(
            f"{path}: init_lora_weights is {start!r}, which changes the base weights too; convert the adapter to plain "
            "LoRA (PEFT's save_pretrained with path_initial_model_for_weight_conversion)"
        )
    for key in _OTHER_KINDS:
        if settings.get(key):
            raise CheckpointError(f"{path}: {key} is {settings[key]!r}; only plain LoRA, without it, is supported")
    rank, alpha = settings.get("r"), settings.get("lora_alpha")
    if type(rank) is not int or rank < 1:
        raise CheckpointError(f"{path}: r is {rank!r}; want a whole number of at least 1")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not math.isfinite(alpha):
        raise CheckpointError(f"{path}: lora_alpha is {alpha!r}; want a number")
    return rank, float(alpha)
