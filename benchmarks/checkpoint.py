"""One set of random weights on disk twice: the original layout for us, the native one for the peers.

Both folders hold the same numbers, so the vectors of every variant can be compared before anything is timed. The
native folder is also a sentence-transformers model (mean pooling, then normalising).
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from demo.standin import StandInConfig, original_config, original_tensors
from safetensors.torch import save_file

from benchmarks.workload import Lexicon

_FORMAT = 1  # raise it when what is written changes, so that cached folders are written anew
_NATIVE_NAMES = (
    ("emb_ln", "embeddings.LayerNorm"),
    ("encoder.layers.", "layers."),
    ("mixer.out_proj", "self_attn.o_proj"),
    ("norm1", "post_attention_layernorm"),
    ("norm2", "post_mlp_layernorm"),
)


@dataclass(frozen=True, slots=True)
class CheckpointPair:
    """The two folders of one set of weights."""

    original: Path
    native: Path


def write_pair(folder: Path, config: StandInConfig, lexicon: Lexicon) -> CheckpointPair:
    """Write both layouts under ``folder``, or keep what an earlier run with the same ``config`` left there."""
    pair = CheckpointPair(folder / "original", folder / "native")
    stamp, wanted = folder / "written.json", json.dumps({"format": _FORMAT, **asdict(config)}, default=str)
    if stamp.is_file() and stamp.read_text() == wanted:
        return pair
    shutil.rmtree(folder, ignore_errors=True)
    print(f"writing random weights: {config.layers} layers, vocabulary {config.vocab} …", file=sys.stderr)
    for target in (pair.original, pair.native):
        target.mkdir(parents=True)
        lexicon.tokenizer.save(str(target / "tokenizer.json"))
    tensors = original_tensors(config)
    _write_json(pair.original / "config.json", original_config(config))
    save_file(tensors, pair.original / "model.safetensors", metadata={"format": "pt"})
    save_file(native_tensors(tensors), pair.native / "model.safetensors", metadata={"format": "pt"})
    _write_native_configs(pair.native, config)
    stamp.write_text(wanted)
    return pair


def native_tensors(original: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename the base weights to the native class's names and cut ``Wqkv`` in three; adapters are left out.

    **Source**: ``transformers`` 5, ``conversion_mapping.py``, entry ``jina_embeddings_v3``.
    """
    native: dict[str, torch.Tensor] = {}
    for name, tensor in original.items():
        if ".lora_" in name:
            continue
        name = name.removeprefix("roberta.").replace(".parametrizations.weight.original", ".weight")
        for old, new in _NATIVE_NAMES:
            name = name.replace(old, new)
        if "mixer.Wqkv" in name:
            for letter, part in zip("qkv", tensor.chunk(3), strict=True):
                native[name.replace("mixer.Wqkv", f"self_attn.{letter}_proj")] = part.clone()
        else:
            native[name] = tensor
    return native


def _write_native_configs(folder: Path, config: StandInConfig) -> None:
    original = original_config(config)
    shared = [
        *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
        *("hidden_act", "max_position_embeddings", "type_vocab_size", "layer_norm_eps"),
        *("pad_token_id", "bos_token_id", "eos_token_id"),
    ]
    native = {key: original[key] for key in shared} | {
        "architectures": ["JinaEmbeddingsV3Model"],
        "model_type": "jina_embeddings_v3",
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rotary_base},
        "dtype": str(config.dtype).removeprefix("torch."),
    }
    _write_json(folder / "config.json", native)
    specials = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 8192, "mask_token": "<mask>"}
    _write_json(folder / "tokenizer_config.json", tokenizer | specials)
    modules = [("0", "", "Transformer"), ("1", "1_Pooling", "Pooling"), ("2", "2_Normalize", "Normalize")]
    _write_json(
        folder / "modules.json",
        [
            {"idx": int(name), "name": name, "path": path, "type": f"sentence_transformers.models.{kind}"}
            for name, path, kind in modules
        ],
    )
    _write_json(folder / "sentence_bert_config.json", {"max_seq_length": 8192, "do_lower_case": False})
    pooling = {"word_embedding_dimension": config.hidden, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling").mkdir()
    _write_json(folder / "1_Pooling" / "config.json", pooling)
    (folder / "2_Normalize").mkdir()


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
