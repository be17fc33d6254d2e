"""GPU memory: planned once, kept to whatever comes, on a small card too; and what happens when it is not enough."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from demo.standin import StandInConfig
from tests.support.checkpoints import write_layout
from tests.support.oracle import cosine_distance
from tests.support.texts import text_of
from tokenizers import Tokenizer

from jina_v3.encoder import Encoder
from jina_v3.encoder.options import EngineOptions
from jina_v3.errors import JinaV3Error

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
GB, MIB = 10**9, 2**20
LONGEST = 8192
BEYOND_THE_PLAN = 256 * MIB
"""What attention gives back and what crosses, of two batches of 16,384 tokens: 192 MiB; the rest is rounding."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real model's layers, with a small vocabulary: 0.6 GB in half precision instead of 1.1."""
    config = StandInConfig(layers=24, vocab=2000)
    return write_layout(tmp_path_factory.mktemp("deep") / "model", "original", config)


@pytest.fixture(scope="module")
def document(folder: Path) -> str:
    return text_of(LONGEST - 2, Tokenizer.from_file(str(folder / "tokenizer.json")), 0)


@pytest.fixture
def small_card(monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """Make this device one with fewer bytes: for torch's allocator, and for who asks how much is free."""
    total = torch.cuda.get_device_properties(0).total_memory

    def shrink(size: float) -> None:
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(min(1.0, size / total))

        def mem_get_info(_device: object = None) -> tuple[int, int]:
            return max(0, int(size) - torch.cuda.memory_reserved()), int(size)

        monkeypatch.setattr("torch.cuda.mem_get_info", mem_get_info)
        monkeypatch.setattr("torch.cuda.memory.mem_get_info", mem_get_info)

    yield shrink
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def test_memory_does_not_grow_with_what_is_asked(folder: Path, document: str) -> None:
    encoder = Encoder.from_folder(folder, device="cuda", dtype="bfloat16")
    encoder.encode(["warm"])
    peaks = {}
    for count in (1, 8, 64):
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        vectors = encoder.encode([document] * count, task="retrieval.passage")
        assert vectors.shape == (count, 1024)
        assert cosine_distance(np.asarray(vectors), np.asarray(vectors)[:1].repeat(count, 0)).max() <= 5e-5
        peaks[count] = torch.cuda.max_memory_allocated() - before
        print(f"{count} documents: {torch.cuda.max_memory_allocated() / GB:.2f} GB allocated at most, "
              f"{torch.cuda.max_memory_reserved() / GB:.2f} GB reserved")  # fmt: skip
        assert torch.cuda.memory_allocated() <= before + MIB
    assert max(peaks.values()) <= BEYOND_THE_PLAN
    assert peaks[64] <= peaks[8] + MIB


@pytest.mark.parametrize("gigabytes", [12, 4])
def test_a_small_card_serves(folder: Path, document: str, small_card, gigabytes: int) -> None:
    whole = Encoder.from_folder(folder, device="cuda", dtype="bfloat16")
    wanted = np.asarray(whole.encode([document, "short", document]))
    del whole
    small_card(gigabytes * GB - 0.5 * GB)  # the rest of a real vocabulary
    encoder = Encoder.from_folder(folder, device="cuda", dtype="bfloat16")
    print(f"{gigabytes} GB: batches of {encoder.max_batch_tokens} tokens")
    assert LONGEST <= encoder.max_batch_tokens <= 16384
    assert cosine_distance(np.asarray(encoder.encode([document, "short", document])), wanted).max() <= 5e-5


def test_a_card_that_cannot_hold_the_longest_text_is_refused(folder: Path, small_card) -> None:
    small_card(0.75 * GB)
    with pytest.raises((RuntimeError, JinaV3Error), match=r"(?s)free.*need|need.*free"):
        Encoder.from_folder(folder, device="cuda", dtype="bfloat16")


def test_out_of_memory_splits_the_batch(folder: Path, document: str, small_card) -> None:
    """The portable pass allocates as it goes: 16,384 tokens take about 0.6 GB, half of them half as much."""
    options = EngineOptions(kernels="torch")
    encoder = Encoder.from_folder(
        folder, device="cuda", dtype="bfloat16", max_batch_tokens=2 * LONGEST, options=options
    )
    wanted = np.asarray(encoder.encode([document, document]))
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    encoder.encode([document, document])
    whole = torch.cuda.max_memory_allocated() - before
    torch.cuda.reset_peak_memory_stats()
    encoder.encode([document])
    half = torch.cuda.max_memory_allocated() - before
    assert half < 0.75 * whole
    torch.cuda.empty_cache()
    small_card(torch.cuda.memory_reserved() + (half + whole) / 2)
    assert cosine_distance(np.asarray(encoder.encode([document, document])), wanted).max() <= 5e-5


def test_out_of_memory_for_one_text_is_an_error_and_the_encoder_lives(folder: Path, document: str, small_card) -> None:
    encoder = Encoder.from_folder(folder, device="cuda", dtype="bfloat16", options=EngineOptions(kernels="torch"))
    wanted = np.asarray(encoder.encode(["short"]))
    torch.cuda.empty_cache()
    small_card(torch.cuda.memory_reserved() + 64 * MIB)
    with pytest.raises((RuntimeError, JinaV3Error), match="memory"):
        encoder.encode([document])
    torch.cuda.set_per_process_memory_fraction(1.0)
    assert cosine_distance(np.asarray(encoder.encode(["short"])), wanted).max() <= 5e-5
