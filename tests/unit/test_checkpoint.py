"""Which folders load, and what is said of those that must not."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from demo.standin import StandInConfig
from safetensors.torch import load_file, save_file
from tests.support.checkpoints import TINY, save_adapter, shard, write_layout, write_original

from jina_v3.contract import Task
from jina_v3.encoder import Encoder
from jina_v3.errors import CheckpointError, RequestError

Tensors = dict[str, torch.Tensor]


@pytest.fixture
def original(tmp_path: Path) -> Path:
    return write_original(tmp_path / "original", TINY)


@pytest.fixture
def flash(tmp_path: Path) -> Path:
    return write_layout(tmp_path / "flash", "flash", TINY)


def edit(folder: Path, change: Callable[[Tensors], None], file: str = "model.safetensors") -> None:
    tensors = load_file(folder / file)
    change(tensors)
    save_file(tensors, folder / file, metadata={"format": "pt"})


def dropping(name: str) -> Callable[[Tensors], None]:
    def drop(tensors: Tensors) -> None:
        del tensors[name]

    return drop


def configure(folder: Path, **settings: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def refusal(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        Encoder.from_folder(folder)
    return str(caught.value)


LAST_A = "roberta.encoder.layers.1.mlp.fc2.parametrizations.weight.0.lora_A"


@pytest.mark.parametrize(
    "name",
    [
        LAST_A,
        "roberta.emb_ln.bias",
        "roberta.embeddings.token_type_embeddings.parametrizations.weight.0.lora_B",
        "roberta.encoder.layers.0.mixer.Wqkv.bias",
    ],
)
def test_a_missing_tensor_is_named(original: Path, name: str) -> None:
    edit(original, dropping(name))
    assert f"first missing of 1: {name}" in refusal(original)


def test_an_unexpected_tensor_is_named(original: Path) -> None:
    edit(original, lambda tensors: tensors.update({"roberta.encoder.layers.2.norm1.weight": torch.ones(64)}))
    assert "first unexpected of 1: roberta.encoder.layers.2.norm1.weight" in refusal(original)


def test_a_misshapen_tensor_is_named_with_both_shapes(original: Path) -> None:
    edit(original, lambda tensors: tensors.update({LAST_A: torch.ones(5, 4, 127)}))
    message = refusal(original)
    assert f"{LAST_A} is (5, 4, 127)" in message
    assert "(5, 4, 128)" in message


def test_fewer_layers_than_the_config_says(original: Path) -> None:
    configure(original, num_hidden_layers=3)
    assert "first missing of 20: roberta.encoder.layers.2." in refusal(original)


def test_a_foreign_model_is_refused_with_both_names(original: Path) -> None:
    save_file({"bert.encoder.weight": torch.ones(2)}, original / "model.safetensors")
    message = refusal(original)
    assert "first missing" in message
    assert "first unexpected of 1: bert.encoder.weight" in message


def test_a_half_pooler_is_refused_and_no_pooler_is_fine(flash: Path) -> None:
    edit(flash, dropping("roberta.pooler.dense.bias"))
    assert "first missing of 1: roberta.pooler.dense.bias" in refusal(flash)
    edit(flash, dropping("roberta.pooler.dense.weight"))
    assert Encoder.from_folder(flash).encode(["whole again"]).shape == (1, 64)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"hidden_act": "gelu_new"}, "hidden_act is 'gelu_new'"),
        ({"position_embedding_type": "absolute"}, "plain xlm-roberta"),
        ({"num_attention_heads": 5}, "does not divide into 5 heads"),
        ({"hidden_size": "64"}, "hidden_size is '64'"),
        ({"rotary_emb_base": -1}, "rotary_emb_base is -1"),
        ({"lora_adaptations": ["retrieval.query", "sorting"]}, "known adapters are retrieval.query"),
        ({"vocab_size": 601}, "misshapen"),
        ({"lora_adaptations": ["separation"] * 5}, "each once"),
        ({"lora_adaptations": [[]]}, "each once"),
        ({"rotary_emb_base": None}, "rotary_emb_base is None"),
        ({"rotary_emb_interleaved": True}, "rotary_emb_interleaved is True"),
        ({"emb_pooler": "cls"}, "emb_pooler is 'cls'"),
        ({"task_instructions": {"retrieval.query": "query: "}}, "task_instructions is"),
        ({"bos_token_id": 5}, "has <s> as 0, config.json as 5"),
    ],
)
def test_settings_of_another_model(original: Path, setting: dict[str, object], said: str) -> None:
    configure(original, **setting)
    assert said in refusal(original)


def test_files_that_cannot_be_read(original: Path) -> None:
    whole = (original / "model.safetensors").read_bytes()
    (original / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "fetch it again" in refusal(original)
    (original / "model.safetensors").unlink()
    (original / "pytorch_model.bin").write_bytes(b"pickle")
    assert "convert it to safetensors" in refusal(original)
    (original / "config.json").write_text("{")
    assert "cannot be read as JSON" in refusal(original)
    (original / "config.json").unlink()
    assert "has no config.json" in refusal(original)
    assert "is not a folder" in refusal(original / "absent")


def test_an_index_that_names_an_absent_or_outside_file(original: Path) -> None:
    (original / "model.safetensors").rename(original / "one.safetensors")
    for name in ("two.safetensors", "../one.safetensors"):
        (original / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
        assert repr(name) in refusal(original)


def test_integer_weights_are_refused(original: Path) -> None:
    edit(original, lambda tensors: tensors.update({"roberta.emb_ln.bias": torch.ones(64, dtype=torch.int8)}))
    assert "roberta.emb_ln.bias has dtype I8" in refusal(original)


def test_the_tokenizer_must_be_there_and_fit(original: Path) -> None:
    tokenizer = json.loads((original / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"] += [[f"extra{index}", -20.0] for index in range(50)]
    (original / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert "two different models" in refusal(original)
    (original / "tokenizer.json").write_text("{}")
    assert "cannot be read as a tokenizer" in refusal(original)
    (original / "tokenizer.json").unlink()
    assert "has no tokenizer.json" in refusal(original)


def test_padding_left_on_in_the_tokenizer_changes_nothing(original: Path) -> None:
    texts = ["short", "a much longer text than the other one"]
    before = Encoder.from_folder(original).encode(texts)
    tokenizer = json.loads((original / "tokenizer.json").read_text())
    tokenizer["padding"] = {
        "strategy": {"Fixed": 128}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": 1, "pad_type_id": 0, "pad_token": "<pad>",
    }  # fmt: skip
    tokenizer["truncation"] = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    (original / "tokenizer.json").write_text(json.dumps(tokenizer))
    after = Encoder.from_folder(original).encode(texts)
    np.testing.assert_array_equal(after, before)
    assert after.token_counts == before.token_counts


@pytest.mark.parametrize("present", [[], [Task.SEPARATION], [Task.RETRIEVAL_PASSAGE, Task.TEXT_MATCHING]])
@pytest.mark.parametrize("layout", ["flash", "native"])
def test_a_subset_of_adapters_serves_those_and_names_them(tmp_path: Path, layout: str, present: list[Task]) -> None:
    encoder = Encoder.from_folder(write_layout(tmp_path / "some", layout, TINY, present))
    whole = Encoder.from_folder(write_original(tmp_path / "whole", TINY))
    assert list(encoder.tasks) == present
    texts = ["one text", "another text, longer"]
    for task in (None, *present):
        np.testing.assert_allclose(encoder.encode(texts, task=task), whole.encode(texts, task=task), atol=1e-6)
    with pytest.raises(RequestError, match="adapter for 'classification' is not in this model folder") as caught:
        encoder.encode(texts, task="classification")
    assert caught.value.allowed == [*present, None]


def test_a_partial_adapter_is_refused(flash: Path) -> None:
    name = "base_model.model.layers.1.self_attn.k_proj.lora_B.weight"
    edit(flash, dropping(name), "separation/adapter_model.safetensors")
    assert f"first missing of 1: {name}" in refusal(flash)


def test_an_adapter_of_another_kind_is_refused(flash: Path) -> None:
    tensors = load_file(flash / "separation/adapter_model.safetensors")
    save_adapter(flash / "separation", tensors, use_dora=True)
    assert "use_dora is True" in refusal(flash)
    save_adapter(flash / "separation", tensors, r=8)
    assert "misshapen" in refusal(flash)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"r": True}, "r is True"),
        ({"r": 0}, "r is 0"),
        ({"lora_alpha": float("nan")}, "lora_alpha is nan"),
        ({"lora_alpha": "1"}, "lora_alpha is '1'"),
        ({"bias": "all"}, "bias is 'all'"),
        ({"init_lora_weights": "pissa_niter_4"}, "changes the base weights too"),
        ({"peft_type": "LOHA"}, "peft_type is 'LOHA'"),
        ({"alora_invocation_tokens": [1, 2]}, "alora_invocation_tokens"),
        ({"rank_pattern": {"fc1": 8}}, "rank_pattern"),
    ],
)
def test_settings_of_an_adapter_that_cannot_be(flash: Path, settings: dict[str, object], said: str) -> None:
    tensors = load_file(flash / "separation/adapter_model.safetensors")
    save_adapter(flash / "separation", tensors, **settings)
    assert said in refusal(flash)
    save_adapter(flash / "separation", tensors, modules_to_save=[], use_dora=None, bias="none")
    assert Encoder.from_folder(flash).tasks


def test_an_adapter_where_none_is_looked_for_is_named(flash: Path) -> None:
    (flash / "separation").rename(flash / "text-separation")
    assert "text-separation/adapter_config.json is an adapter of no known task" in refusal(flash)
    (flash / "text-separation").rename(flash / "separation")
    (flash / "separation/adapter_config.json").unlink()
    assert "separation has no adapter_config.json" in refusal(flash)


def test_a_scale_that_half_precision_cannot_hold_is_exact(tmp_path: Path) -> None:
    """alpha / r = 1/3 in a bf16 adapter over fp32 weights."""
    torch.manual_seed(3)
    flash = write_layout(tmp_path / "thirds", "flash", TINY)
    tensors = {
        name: tensor.bfloat16() for name, tensor in load_file(flash / "separation/adapter_model.safetensors").items()
    }
    save_adapter(flash / "separation", tensors, lora_alpha=4 / 3)
    for task in ("retrieval_query", "retrieval_passage", "classification", "text_matching"):
        shutil.rmtree(flash / task)
    exact = {name: tensor.float() * (1 / 3 if "_B" in name else 1.0) for name, tensor in tensors.items()}
    thirds = Encoder.from_folder(flash).encode(["one text"], task="separation")
    save_adapter(flash / "separation", exact, lora_alpha=4)
    np.testing.assert_allclose(Encoder.from_folder(flash).encode(["one text"], task="separation"), thirds, atol=1e-6)


def test_an_adapter_config_that_is_no_object(flash: Path) -> None:
    (flash / "separation/adapter_config.json").write_text("[]")
    assert "holds list, not an object" in refusal(flash)


def test_a_config_without_adapters_over_the_flash_layout(flash: Path) -> None:
    configure(flash, lora_adaptations=[])
    assert len(Encoder.from_folder(flash).tasks) == 5
    for task in Task:
        shutil.rmtree(flash / task.value.replace(".", "_").replace("-", "_"))
    assert Encoder.from_folder(flash).tasks == ()


def test_adapters_inside_and_beside_are_refused(original: Path) -> None:
    (original / "separation").mkdir()
    assert Encoder.from_folder(original).tasks  # a folder of that name is not an adapter yet
    (original / "separation/adapter_config.json").write_text("{}")
    assert "remove one of the two" in refusal(original)


def test_an_adapter_that_peft_itself_trained_and_saved(flash: Path, tmp_path: Path) -> None:
    """q, k and v then have an A each, and rank and alpha are their own."""
    from peft import LoraConfig, get_peft_model
    from transformers import JinaEmbeddingsV3Model

    torch.manual_seed(5)
    base = JinaEmbeddingsV3Model.from_pretrained(flash, add_pooling_layer=False).eval()
    targets = ["word_embeddings", "token_type_embeddings", *(f"{part}_proj" for part in "qkvo"), "fc1", "fc2"]
    model = get_peft_model(
        base, LoraConfig(r=6, lora_alpha=3, target_modules=targets, init_lora_weights=False), "separation"
    ).eval()
    model.save_pretrained(flash)
    encoder = Encoder.from_folder(flash)
    text = "peft saved this adapter"
    ids = torch.tensor([encoder._sequencer._tokenizer._tokenizer.encode(text).ids])
    with torch.inference_mode():
        theirs = model(input_ids=ids).last_hidden_state[0].numpy()
    ours = encoder.token_states(text, task="separation", prompt=False)
    np.testing.assert_allclose(ours, theirs, atol=3e-5, rtol=1e-5)
    other = encoder.encode([text], task="classification")  # rank 4 beside rank 6 and 18 columns
    whole = Encoder.from_folder(write_original(tmp_path / "whole", TINY)).encode([text], task="classification")
    np.testing.assert_allclose(other, whole, atol=1e-6)


PEAK = """
import re, sys
from pathlib import Path
import numpy, tokenizers, safetensors, torch
from jina_v3.encoder import Encoder

def status(field):
    return int(re.search(field + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here
before = status("VmRSS")
encoder = Encoder.from_folder(sys.argv[1], dtype=sys.argv[2])
print(status("VmHWM") - before)
"""


@pytest.mark.parametrize(
    ("layout", "shards", "dtype", "bytes_each"),
    [
        ("original", 1, "bfloat16", 2),
        pytest.param("original", 1, "float32", 4, marks=pytest.mark.slow),
        pytest.param("original", 3, "float16", 2, marks=pytest.mark.slow),
        pytest.param("native", 1, "bfloat16", 2, marks=pytest.mark.slow),
        pytest.param("native", 3, "float32", 4, marks=pytest.mark.slow),
        pytest.param("flash", 1, "float32", 4, marks=pytest.mark.slow),
    ],
)
def test_loading_needs_little_more_memory_than_the_weights(
    tmp_path: Path, layout: str, shards: int, dtype: str, bytes_each: int
) -> None:
    config = StandInConfig(layers=8, vocab=60000, dtype=torch.bfloat16)  # the real one has as much in the table
    folder = write_layout(tmp_path / "large", layout, config)
    elements = sum(path.stat().st_size for path in folder.rglob("*.safetensors")) // 2
    if shards > 1:
        shard(folder, shards)
    out = subprocess.run(
        [sys.executable, "-c", PEAK, str(folder), dtype], capture_output=True, text=True, check=True
    ).stdout
    share = int(out) / (elements * bytes_each)
    print(f"{layout} {dtype}: peak {share:.2f} of the checkpoint's size in that dtype")
    assert 0.3 < share <= 1.3
