"""A model folder, whatever its layout, giving its weights one layer at a time in the common form."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from jina_v3.contract import Task
from jina_v3.encoder.checkpoint.files import TensorFiles, TensorReader
from jina_v3.encoder.checkpoint.layouts import (
    EMBEDDINGS,
    FoundLayout,
    Layout,
    LinearNames,
    find_layout,
    linear_names,
    norm_names,
)
from jina_v3.encoder.checkpoint.model_config import ModelConfig, read_model_config
from jina_v3.encoder.checkpoint.peft_adapters import PeftAdapter, adapter_folder, find_adapters
from jina_v3.encoder.checkpoint.weights import EmbeddingWeights, LinearWeights, LowRank, NormWeights
from jina_v3.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """One encoder layer: four linear layers by our names, and the norms after attention and after the MLP."""

    linears: dict[str, LinearWeights]
    norms: tuple[NormWeights, NormWeights]


class Checkpoint:
    """Weights of a folder that has been found whole. Tensors are views of memory maps; copy what is to stay."""

    def __init__(
        self, config: ModelConfig, found: FoundLayout, files: TensorFiles, adapters: tuple[PeftAdapter, ...]
    ) -> None:
        self.config = config
        self.layout = found.layout
        self._found = found
        self._files = files
        self._adapters = adapters
        original = found.layout is Layout.ORIGINAL
        self.tasks: tuple[Task, ...] = config.adapters if original else tuple(one.task for one in adapters)

    def embeddings(self) -> tuple[EmbeddingWeights, EmbeddingWeights, NormWeights]:
        """Return the word table, the table of the one token type, and the norm after their sum."""
        with self._open() as (base, adapters):
            word, token_type = (
                EmbeddingWeights(self._weight(base, name), self._embedding_additions(base, adapters, name))
                for name in EMBEDDINGS
            )
            return word, token_type, self._norm(base, norm_names(self.layout, None)[0])

    def layer(self, index: int) -> LayerWeights:
        """Return one encoder layer."""
        with self._open() as (base, adapters):
            saved_as = linear_names(self.layout, self.config, index)
            # PEFT saves adapters under the native names, whatever the base's layout
            adapted_as = linear_names(Layout.NATIVE, self.config, index)
            linears = {ours: self._linear(base, adapters, saved_as[ours], adapted_as[ours]) for ours in saved_as}
            first, second = (self._norm(base, name) for name in norm_names(self.layout, index))
            return LayerWeights(linears, (first, second))

    @contextlib.contextmanager
    def _open(self) -> Iterator[tuple[TensorReader, list[TensorReader]]]:
        with contextlib.ExitStack() as stack:
            base = stack.enter_context(self._files.open())
            yield base, [stack.enter_context(adapter.files.open()) for adapter in self._adapters]

    def _weight(self, base: TensorReader, name: str) -> torch.Tensor:
        kind = "parametrizations.weight.original" if self.layout is Layout.ORIGINAL else "weight"
        return base[f"{self._found.prefix}{name}.{kind}"]

    def _norm(self, base: TensorReader, name: str) -> NormWeights:
        name = self._found.prefix + name
        return NormWeights(base[f"{name}.weight"], base[f"{name}.bias"])

    def _stacked(self, base: TensorReader, name: str) -> tuple[LowRank, ...]:
        """Read the original layout's additions, in which all tasks' matrices are stacked, unscaled."""
        name = f"{self._found.prefix}{name}.parametrizations.weight.0"
        a, b = base[f"{name}.lora_A"], base[f"{name}.lora_B"]
        scale = self.config.alpha / self.config.rank
        return tuple(LowRank(task, a[index], b[index].float() * scale) for index, task in enumerate(self.tasks))

    def _embedding_additions(self, base: TensorReader, adapters: list[TensorReader], name: str) -> tuple[LowRank, ...]:
        if self.layout is Layout.ORIGINAL:  # which keeps these two transposed
            return tuple(LowRank(one.task, one.a.T, one.b.T) for one in self._stacked(base, name))
        return tuple(
            adapter.embedding(tensors, name) for adapter, tensors in zip(self._adapters, adapters, strict=True)
        )

    def _linear(
        self, base: TensorReader, adapters: list[TensorReader], names: LinearNames, adapted_as: LinearNames
    ) -> LinearWeights:
        weights = [self._weight(base, part) for part in names.parts]
        biases = [base[f"{self._found.prefix}{part}.bias"] for part in names.parts]
        weight = weights[0] if len(weights) == 1 else torch.cat(weights)
        bias = biases[0] if len(biases) == 1 else torch.cat(biases)
        if self.layout is Layout.ORIGINAL:
            return LinearWeights(weight, bias, self._stacked(base, names.parts[0]))
        additions = (
            adapter.linear(tensors, adapted_as) for adapter, tensors in zip(self._adapters, adapters, strict=True)
        )
        return LinearWeights(weight, bias, tuple(additions))


def open_checkpoint(folder: Path) -> Checkpoint:
    """Find out a folder's layout and check that it is whole.

    **Raises**: CheckpointError with what is missing, unexpected or unreadable.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder; give one with config.json, tokenizer.json and *.safetensors")
    config = read_model_config(folder)
    files = TensorFiles(folder)
    found = find_layout(folder, files.shapes, config)
    beside = find_adapters(folder)
    if found.layout is Layout.ORIGINAL and beside:
        raise CheckpointError(
            f"{folder} has adapters inside model.safetensors and again in "
            f"{adapter_folder(beside[0])}/; remove one of the two"
        )
    return Checkpoint(config, found, files, tuple(PeftAdapter(folder, task, config) for task in beside))
