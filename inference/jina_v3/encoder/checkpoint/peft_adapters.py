"""Adapters as PEFT saves them: a folder a task, beside the base weights of the flash and native layouts.

**Source**: jinaai/jina-embeddings-v3-hf; peft's ``adapter_config.json`` and ``adapter_model.safetensors``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from jina_v3.contract import TASKS, Task
from jina_v3.encoder.checkpoint.files import TensorFiles, TensorReader
from jina_v3.encoder.checkpoint.layouts import EMBEDDINGS, Layout, LinearNames, Shapes, check_whole, linear_names
from jina_v3.encoder.checkpoint.model_config import ModelConfig
from jina_v3.encoder.checkpoint.weights import LowRank
from jina_v3.errors import CheckpointError

_PREFIX = "base_model.model."


def adapter_folder(task: Task) -> str:
    """Return the name of the task's folder: ``retrieval_query`` for ``retrieval.query``."""
    return task.value.replace(".", "_").replace("-", "_")


def find_adapters(folder: Path) -> tuple[Task, ...]:
    """Return the tasks that have an adapter folder, in the order of their ids."""
    return tuple(task for task in TASKS if (folder / adapter_folder(task)).is_dir())


class PeftAdapter:
    """One task's adapter, checked to be whole.

    **Raises**: CheckpointError when a tensor is missing, unexpected or misshapen, or the adapter is of a kind
    whose arithmetic is not ``W + alpha / rank * B @ A`` on every linear layer and both embedding tables.
    """

    def __init__(self, folder: Path, task: Task, config: ModelConfig) -> None:
        self.task = task
        self._folder = folder / adapter_folder(task)
        settings = _read_settings(self._folder)
        self.rank: int = settings["r"]
        self._scale: float = settings["lora_alpha"] / self.rank
        self.files = TensorFiles(self._folder, "adapter_model")
        required, optional = _expected_shapes(config, self.rank)
        check_whole(self._folder, "PEFT's layout over the native names", self.files.shapes, required, optional)

    def embedding(self, tensors: TensorReader, name: str) -> LowRank:
        """Read the addition to an embedding table."""
        a = tensors[f"{_PREFIX}{name}.lora_embedding_A"]  # (rank, vocab)
        b = tensors[f"{_PREFIX}{name}.lora_embedding_B"]  # (hidden, rank)
        return LowRank(self.task, a, b * self._scale)

    def linear(self, tensors: TensorReader, names: LinearNames) -> LowRank:
        """Read the addition to a linear layer; three parts that share A stay of the same rank."""
        a = [tensors[f"{_PREFIX}{part}.lora_A.weight"] for part in names.parts]  # (rank, in) each
        b = [tensors[f"{_PREFIX}{part}.lora_B.weight"] * self._scale for part in names.parts]  # (rows, rank) each
        if all(torch.equal(a[0], other) for other in a[1:]):
            return LowRank(self.task, a[0], torch.cat(b))
        return LowRank(self.task, torch.cat(a), torch.block_diag(*b))  # type: ignore[no-untyped-call]


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


def _read_settings(folder: Path) -> dict[str, Any]:
    path = folder / "adapter_config.json"
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}") from None
    plain = {
        "use_dora": False,
        "use_rslora": False,
        "bias": "none",
        "rank_pattern": {},
        "alpha_pattern": {},
        "modules_to_save": None,
        "lora_bias": False,
    }
    for key, value in plain.items():
        if settings.get(key, value) not in (value, None):
            raise CheckpointError(f"{path}: {key} is {settings[key]!r}; only plain LoRA ({value!r}) is supported")
    rank, alpha = settings.get("r"), settings.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise CheckpointError(f"{path}: r is {rank!r} and lora_alpha {alpha!r}; want numbers, r at least 1")
    return dict(settings)
