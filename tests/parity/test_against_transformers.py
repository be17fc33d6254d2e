"""The encoder against transformers' native class with peft, on random weights with outlier channels."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.support.case import EVERY_TASK, Case
from tests.support.checkpoints import shard, write_layout
from tests.support.oracle import Oracle, cosine_distance

from jina_v3.contract import MATRYOSHKA_DIMENSIONS, TASKS, Task
from jina_v3.encoder import Encoder, linear


def assert_same(ours: np.ndarray, theirs: np.ndarray) -> None:
    """contract.md's bound for fp32."""
    assert ours.shape == theirs.shape
    assert cosine_distance(ours, theirs).max() <= 1e-6
    assert np.abs(ours - theirs).max() <= 1e-5


@pytest.mark.parametrize("task", EVERY_TASK)
def test_every_task_at_seven_dimensions(tiny: Case, task: Task | None) -> None:
    encoder = Encoder.from_folder(tiny.folder("original"), dtype="float32")
    theirs = tiny.oracle.encode(tiny.texts, [task] * len(tiny.texts), normalized=False)
    for dimensions in (2, 4, 8, 16, 32, 48, 64):
        texts = slice(0, None if dimensions == 64 else 7)  # the long texts once
        ours = encoder.encode(tiny.texts[texts], task=task, dimensions=dimensions)
        cut = theirs[texts, :dimensions]
        assert_same(ours, cut / np.linalg.norm(cut, axis=1, keepdims=True))
        np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("layout", ["original", "flash", "flash-bare", "native"])
def test_a_mixed_batch_from_every_layout(tiny: Case, layout: str) -> None:
    encoder = Encoder.from_folder(tiny.folder(layout), dtype="float32")
    assert encoder.tasks == TASKS
    ours = encoder.encode(tiny.texts, task=tiny.tasks)
    assert_same(ours, tiny.expected)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_plain_fallback_gives_the_same(tiny: Case, monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    packed = Encoder.from_folder(tiny.folder("original"), dtype=dtype).encode(tiny.texts, task=tiny.tasks)
    monkeypatch.setattr(linear, "packs", lambda _device, _dtype: False)
    plain = Encoder.from_folder(tiny.folder("original"), dtype=dtype).encode(tiny.texts, task=tiny.tasks)
    assert cosine_distance(plain, packed).max() <= (1e-6 if dtype == "float32" else 5e-5)
    if dtype == "float32":
        assert_same(plain, tiny.expected)


def test_sharded_native_files_with_adapters(tiny: Case, tmp_path: Path) -> None:
    folder = write_layout(tmp_path / "sharded", "native", tiny.config)
    shard(folder, 4)
    ours = Encoder.from_folder(folder).encode(tiny.texts, task=tiny.tasks)
    assert_same(ours, tiny.expected)


def test_sharded_files_load_the_same(tiny: Case, tmp_path: Path) -> None:
    folder = write_layout(tmp_path / "sharded", "original", tiny.config)
    shard(folder, 3)
    np.testing.assert_array_equal(
        Encoder.from_folder(folder).encode(tiny.texts, task=tiny.tasks),
        Encoder.from_folder(tiny.folder("original")).encode(tiny.texts, task=tiny.tasks),
    )


def test_what_save_pretrained_writes_loads(tiny: Case, tmp_path: Path) -> None:
    from transformers import JinaEmbeddingsV3Model

    tiny.oracle.model.base_model.model.config.save_pretrained(tmp_path)
    JinaEmbeddingsV3Model.from_pretrained(tiny.flash).save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((tiny.flash / "tokenizer.json").read_bytes())
    encoder = Encoder.from_folder(tmp_path)
    assert encoder.tasks == ()
    assert_same(encoder.encode(tiny.texts), tiny.oracle.encode(tiny.texts, [None] * len(tiny.texts)))


def test_full_width_mixed_batch_at_the_trained_dimensions(full_width: Case) -> None:
    encoder = Encoder.from_folder(full_width.folder("original"), dtype="float32")
    theirs = full_width.raw
    for dimensions in MATRYOSHKA_DIMENSIONS:
        texts = slice(0, None if dimensions == 1024 else 6)  # the long texts once
        cut = theirs[texts, :dimensions]
        ours = encoder.encode(full_width.texts[texts], task=full_width.tasks[texts], dimensions=dimensions)
        assert_same(ours, cut / np.linalg.norm(cut, axis=1, keepdims=True))
    # unnormalised vectors are larger, so the absolute bound is taken relative to them
    raw = encoder.encode(full_width.texts, task=full_width.tasks, normalized=False)
    assert cosine_distance(raw, theirs).max() <= 1e-6
    np.testing.assert_allclose(np.linalg.norm(raw, axis=1), np.linalg.norm(theirs, axis=1), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", pytest.param("float16", marks=pytest.mark.slow)])
def test_half_precision_errs_no_more_than_the_reference(full_width: Case, dtype: str) -> None:
    """contract.md: at most 1.5 times the error of the reference's own half-precision run, on the same weights."""
    exact = full_width.expected
    reference = Oracle(full_width.flash, getattr(torch, dtype)).encode(full_width.texts, full_width.tasks)
    ours = Encoder.from_folder(full_width.folder("original"), dtype=dtype).encode(
        full_width.texts, task=full_width.tasks
    )
    theirs_off, ours_off = cosine_distance(reference, exact), cosine_distance(ours, exact)
    print(
        f"{dtype}: 1-cos ours mean {ours_off.mean():.2e} max {ours_off.max():.2e}; "
        f"reference mean {theirs_off.mean():.2e} max {theirs_off.max():.2e}"
    )
    assert ours_off.mean() <= 1.5 * theirs_off.mean()
    assert ours_off.max() <= 1.5 * theirs_off.max()
    assert 0 < theirs_off.max() < 1e-2  # the reference itself did run, in half precision


def test_token_states_are_the_reference_states(tiny: Case) -> None:
    encoder = Encoder.from_folder(tiny.folder("original"), dtype="float32")
    text = tiny.texts[4]
    for task in EVERY_TASK:
        (theirs,) = tiny.oracle.states([tiny.oracle.ids(text, None)], [task])
        np.testing.assert_allclose(encoder.token_states(text, task=task, prompt=False), theirs, atol=3e-5, rtol=1e-5)
        (theirs,) = tiny.oracle.states([tiny.oracle.ids(text, task)], [task])
        np.testing.assert_allclose(encoder.token_states(text, task=task), theirs, atol=3e-5, rtol=1e-5)


def test_another_rotary_base_is_honoured(tmp_path: Path, tiny: Case) -> None:
    config = dataclasses.replace(tiny.config, rotary_base=10000.0)
    theirs = Oracle(write_layout(tmp_path / "flash", "flash", config)).encode(tiny.texts, tiny.tasks)
    ours = Encoder.from_folder(write_layout(tmp_path / "original", "original", config)).encode(
        tiny.texts, task=tiny.tasks
    )
    assert_same(ours, theirs)
    other = Encoder.from_folder(tiny.folder("original")).encode(tiny.texts, task=tiny.tasks)
    assert np.abs(ours - other).max() > 1e-4
