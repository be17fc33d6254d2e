"""The three ways in which the base weights are named, as tables; and whether a file is one of them, whole.

A layout is told by its names alone. A folder that is none of them to the letter is refused, with the first
tensor that is missing and the first that is unexpected: a model must never run with a weight left random.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from jina_v3.encoder.checkpoint.model_config import ModelConfig
from jina_v3.errors import CheckpointError

Shapes = dict[str, tuple[int, ...]]


class Layout(Enum):
    """Who wrote the names."""

    ORIGINAL = "original (parametrizations, adapters inside)"
    FLASH = "flash (Wqkv, adapters in folders beside it)"
    NATIVE = "native (q_proj, k_proj, v_proj, adapters in folders beside it)"


@dataclass(frozen=True, slots=True)
class FoundLayout:
    """A folder's layout and the prefix its names carry (``roberta.`` or nothing)."""

    layout: Layout
    prefix: str


@dataclass(frozen=True, slots=True)
class LinearNames:
    """Where one linear layer of ours lies: one name, or three whose rows are joined in this order."""

    parts: tuple[str, ...]
    out_features: int
    in_features: int


EMBEDDINGS = ("embeddings.word_embeddings", "embeddings.token_type_embeddings")


def norm_names(layout: Layout, layer: int | None) -> tuple[str, ...]:
    """Return the layer norms of one layer in order of use, or the embedding's for ``None``."""
    if layer is None:
        return ("embeddings.LayerNorm",) if layout is Layout.NATIVE else ("emb_ln",)
    if layout is Layout.NATIVE:
        return (f"layers.{layer}.post_attention_layernorm", f"layers.{layer}.post_mlp_layernorm")
    return (f"encoder.layers.{layer}.norm1", f"encoder.layers.{layer}.norm2")


def linear_names(layout: Layout, config: ModelConfig, layer: int) -> dict[str, LinearNames]:
    """Return the four linear layers of one encoder layer, by our names."""
    hidden, wide = config.hidden, config.intermediate
    if layout is Layout.NATIVE:
        attention = f"layers.{layer}.self_attn"
        qkv = tuple(f"{attention}.{part}_proj" for part in "qkv")
        out, mlp = f"{attention}.o_proj", f"layers.{layer}.mlp"
    else:
        mixer = f"encoder.layers.{layer}.mixer"
        qkv, out, mlp = (f"{mixer}.Wqkv",), f"{mixer}.out_proj", f"encoder.layers.{layer}.mlp"
    return {
        "qkv": LinearNames(qkv, 3 * hidden, hidden),
        "out": LinearNames((out,), hidden, hidden),
        "fc1": LinearNames((f"{mlp}.fc1",), wide, hidden),
        "fc2": LinearNames((f"{mlp}.fc2",), hidden, wide),
    }


def expected_shapes(found: FoundLayout, config: ModelConfig) -> tuple[Shapes, Shapes]:
    """Return the tensors that must be there and those that may: the pooler, which the model never uses."""
    required: Shapes = {}
    stacked = len(config.adapters) if found.layout is Layout.ORIGINAL else 0

    def put(shapes: Shapes, name: str, shape: tuple[int, ...], low_rank: tuple[tuple[int, ...], ...]) -> None:
        name = found.prefix + name
        if not stacked:
            shapes[f"{name}.weight"] = shape
            return
        shapes[f"{name}.parametrizations.weight.original"] = shape
        for matrix, sizes in zip(("lora_A", "lora_B"), low_rank, strict=True):
            shapes[f"{name}.parametrizations.weight.0.{matrix}"] = (stacked, *sizes)

    def put_linear(shapes: Shapes, names: LinearNames) -> None:
        rows = names.out_features // len(names.parts)
        for part in names.parts:
            put(shapes, part, (rows, names.in_features), ((config.rank, names.in_features), (rows, config.rank)))
            shapes[f"{found.prefix}{part}.bias"] = (rows,)

    for name, rows in zip(EMBEDDINGS, (config.vocab, 1), strict=True):
        put(required, name, (rows, config.hidden), ((rows, config.rank), (config.rank, config.hidden)))
    for layer in (None, *range(config.layers)):
        for name in norm_names(found.layout, layer):
            required |= {f"{found.prefix}{name}.{part}": (config.hidden,) for part in ("weight", "bias")}
        if layer is not None:
            for names in linear_names(found.layout, config, layer).values():
                put_linear(required, names)
    optional: Shapes = {}
    put_linear(optional, LinearNames(("pooler.dense",), config.hidden, config.hidden))
    return required, optional


def find_layout(folder: Path, shapes: Shapes, config: ModelConfig) -> FoundLayout:
    """Tell the layout of a folder whose tensors have these shapes.

    **Raises**: CheckpointError naming the first missing, unexpected or misshapen tensor against the closest layout.
    """
    # without adapters in its config the original layout has no names of its own: it would pass for flash
    layouts = [layout for layout in Layout if config.adapters or layout is not Layout.ORIGINAL]
    candidates = [FoundLayout(layout, prefix) for layout in layouts for prefix in ("", "roberta.")]
    expectations = {found: expected_shapes(found, config) for found in candidates}
    found = max(candidates, key=lambda one: len(expectations[one][0].keys() & shapes.keys()))
    required, optional = expectations[found]
    check_whole(folder, f"the {found.layout.value} layout", shapes, required, optional)
    return found


def check_whole(folder: Path, what: str, shapes: Shapes, required: Shapes, optional: Shapes) -> None:
    """Refuse a folder that lacks a required tensor, has an unknown one, or one of another shape."""
    allowed = required | optional
    missing = [name for name in required if name not in shapes]
    unexpected = [name for name in shapes if name not in allowed]
    if any(name in shapes for name in optional):
        missing += [name for name in optional if name not in shapes]
    misshapen = [name for name in shapes if name in allowed and shapes[name] != allowed[name]]
    faults = []
    if missing:
        faults.append(f"first missing of {len(missing)}: {missing[0]}")
    if unexpected:
        faults.append(f"first unexpected of {len(unexpected)}: {unexpected[0]}")
    if misshapen:
        name = misshapen[0]
        faults.append(
            f"first misshapen of {len(misshapen)}: {name} is {shapes[name]}, config.json asks for {allowed[name]}"
        )
    if faults:
        raise CheckpointError(
            f"{folder} is not a whole jina-embeddings-v3 checkpoint; closest is {what}; " + "; ".join(faults)
        )
