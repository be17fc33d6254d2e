"""The same stand-in weights in every published layout, written by rules independent of the loader's."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import torch
from demo.standin import RANK, StandInConfig, original_config, original_tensors, train_tokenizer
from safetensors.torch import load_file, save_file

from jina_v3.contract import TASKS, Task

# the demo's texts: in many scripts, and they change with no change of the code
_TEXTS = Path(__file__).parents[2] / "demo" / "texts"
CORPUS = [path.read_text(encoding="utf-8") for path in sorted(_TEXTS.glob("*.json*"))]

TINY = StandInConfig(layers=2, hidden=64, heads=4, intermediate=128, vocab=600, dtype=torch.float32, outliers=True)
FULL_WIDTH = StandInConfig(layers=2, vocab=2000, dtype=torch.float32, outliers=True)


@cache
def _tokenizer(vocab: int) -> str:
    return str(train_tokenizer(CORPUS, vocab).to_str())


def write_original(folder: Path, config: StandInConfig) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(original_tensors(config), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(original_config(config)))
    (folder / "tokenizer.json").write_text(_tokenizer(config.vocab), encoding="utf-8")
    return folder


def flash_tensors(original: dict[str, torch.Tensor], prefix: str = "roberta.") -> dict[str, torch.Tensor]:
    """Drop the adapters and the parametrizations' names."""
    plain = {}
    for name, tensor in original.items():
        if ".lora_" not in name:
            plain[name.replace(".parametrizations.weight.original", ".weight").replace("roberta.", prefix)] = tensor
    return plain


def native_tensors(original: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Split Wqkv and rename as transformers' modules are named."""
    native = {}
    for name, tensor in flash_tensors(original, prefix="").items():
        if ".Wqkv." in name:
            for part, piece in zip("qkv", tensor.chunk(3), strict=True):
                native[_native_name(name).replace("mixer.Wqkv", f"self_attn.{part}_proj")] = piece.contiguous()
        else:
            native[_native_name(name)] = tensor
    return native


def _native_name(name: str) -> str:
    for old, new in (
        ("roberta.", ""),
        ("emb_ln", "embeddings.LayerNorm"),
        ("encoder.layers", "layers"),
        ("mixer.out_proj", "self_attn.o_proj"),
        ("norm1", "post_attention_layernorm"),
        ("norm2", "post_mlp_layernorm"),
    ):
        name = name.replace(old, new)
    return name


def write_adapters(folder: Path, original: dict[str, torch.Tensor], tasks: Iterable[Task] = TASKS) -> None:
    """Write one PEFT folder a task, with the embedding's matrices transposed and Wqkv's B cut in three."""
    for task in tasks:
        index = TASKS.index(task)
        tensors = {}
        for name, tensor in original.items():
            if not name.endswith("lora_A"):
                continue
            base = _native_name(name.removesuffix(".parametrizations.weight.0.lora_A"))
            a, b = tensor[index], original[name.removesuffix("A") + "B"][index]
            name = f"base_model.model.{base}"
            if "embeddings" in base:
                tensors[f"{name}.lora_embedding_A"] = a.T.contiguous()
                tensors[f"{name}.lora_embedding_B"] = b.T.contiguous()
            elif base.endswith("Wqkv"):
                for part, piece in zip("qkv", b.chunk(3), strict=True):
                    split = name.replace("mixer.Wqkv", f"self_attn.{part}_proj")
                    tensors[f"{split}.lora_A.weight"] = a.clone()
                    tensors[f"{split}.lora_B.weight"] = piece.clone()
            elif "pooler" not in base:
                tensors[f"{name}.lora_A.weight"] = a.clone()
                tensors[f"{name}.lora_B.weight"] = b.clone()
        save_adapter(folder / task.value.replace(".", "_").replace("-", "_"), tensors)


def save_adapter(folder: Path, tensors: dict[str, torch.Tensor], **settings: object) -> None:
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    targets = sorted({name.split(".lora_")[0].rsplit(".", 1)[-1] for name in tensors})
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": 1, "target_modules": targets, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config | settings))


def native_config(config: StandInConfig) -> dict[str, object]:
    return {
        "architectures": ["JinaEmbeddingsV3Model"],
        "model_type": "jina_embeddings_v3",
        "vocab_size": config.vocab,
        "hidden_size": config.hidden,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.intermediate,
        "hidden_act": "gelu",
        "max_position_embeddings": 8194,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rotary_base},
    }


def write_layout(folder: Path, layout: str, config: StandInConfig, tasks: Iterable[Task] = TASKS) -> Path:
    """Write the stand-in as ``original``, ``flash``, ``flash-bare`` (no prefix) or ``native``."""
    if layout == "original":
        return write_original(folder, config)
    folder.mkdir(parents=True, exist_ok=True)
    original = original_tensors(config)
    tensors = {
        "flash": lambda: flash_tensors(original),
        "flash-bare": lambda: flash_tensors(original, prefix=""),
        "native": lambda: native_tensors(original),
    }[layout]()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(native_config(config)))
    (folder / "tokenizer.json").write_text(_tokenizer(config.vocab), encoding="utf-8")
    write_adapters(folder, original, tasks)
    return folder


def shard(folder: Path, pieces: int) -> None:
    """Turn ``model.safetensors`` into shards with an index, as transformers writes them."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    weight_map = {}
    for index in range(pieces):
        file = f"model-{index + 1:05d}-of-{pieces:05d}.safetensors"
        part = {name: tensors[name] for name in sorted(tensors)[index::pieces]}
        save_file(part, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    index_json = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index_json))
