"""Which engine is taken, and the CUDA engine's load with a device in CUDA's place."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.support.checkpoints import TINY, write_original
from tests.support.lazy_device import LazyDevice, LazyStream

from jina_v3.config import Config
from jina_v3.encoder import Encoder, choice
from jina_v3.encoder.checkpoint import Checkpoint, open_checkpoint
from jina_v3.encoder.choice import make_runner
from jina_v3.encoder.fused import loading
from jina_v3.encoder.fused.attention import KINDS, sdpa
from jina_v3.encoder.fused.kernels.reference import ReferenceKernels
from jina_v3.encoder.fused.model import FusedModel
from jina_v3.encoder.fused.runner import FusedRunner
from jina_v3.encoder.model import Model
from jina_v3.encoder.options import ALLOWED, EngineOptions
from jina_v3.encoder.precision import PRECISIONS
from jina_v3.encoder.running import PortableRunner
from jina_v3.encoder.splitting import SplittingRunner
from jina_v3.errors import DeviceMemoryError
from jina_v3.tokens.sequences import NO_TASK, TokenSequence, lay_out

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
FLOAT32, BFLOAT16, FLOAT8 = (PRECISIONS[name] for name in ("float32", "bfloat16", "float8"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return open_checkpoint(write_original(tmp_path_factory.mktemp("choice"), TINY))


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch, checkpoint: Checkpoint):
    """Make a runner for a device that may not be there; return its engine's name and its budget."""
    portable = PortableRunner(Model(checkpoint, CPU, torch.float32))
    monkeypatch.setattr(choice, "Model", lambda *_: None)
    monkeypatch.setattr(choice, "PortableRunner", lambda _: portable)
    monkeypatch.setattr(loading, "load_fused", lambda *given: (SimpleNamespace(
        device=CUDA, dtype=torch.bfloat16, hidden=64, in_flight=2, describe=lambda: {"kernels": "triton"}
    ), given[-1] or 77))  # fmt: skip

    def take(device, precision, why, options=None, wanted=None):
        monkeypatch.setattr(choice, "why_not_triton", lambda _: why)
        runner, budget = make_runner(checkpoint, device, precision, options or EngineOptions(), wanted)
        assert isinstance(runner, SplittingRunner) == (device.type == "cuda")
        return runner.describe()["kernels"], budget

    return take


def test_the_fastest_that_can_be_had_is_taken(taken, caplog):
    caplog.set_level(logging.WARNING)
    assert taken(CPU, FLOAT32, "none here") == ("torch", 2048)
    assert taken(CPU, BFLOAT16, None, wanted=5) == ("torch", 5)
    assert taken(CUDA, BFLOAT16, None) == ("triton", 77)
    assert taken(CUDA, FLOAT8, None, EngineOptions("triton"), wanted=9) == ("triton", 9)
    assert taken(CUDA, FLOAT32, None) == ("torch", 16384)  # nothing to warn of: it is what was asked for
    assert taken(CUDA, BFLOAT16, "no C compiler", EngineOptions("torch")) == ("torch", 16384)
    assert not caplog.records
    assert taken(CUDA, BFLOAT16, "no C compiler; install gcc") == ("torch", 16384)
    assert [record.fields for record in caplog.records] == [{"reason": "no C compiler; install gcc"}]


@pytest.mark.parametrize(
    ("device", "precision", "why", "kernels", "said"),
    [
        (
            CUDA,
            BFLOAT16,
            "no C compiler; install gcc",
            "triton",
            "on cuda:0: no C compiler; install gcc; or take 'auto'",
        ),
        (CUDA, FLOAT32, None, "triton", "in float32 on cuda:0: they compute in half precision"),
        (CPU, BFLOAT16, None, "triton", "in bfloat16 on cpu"),
        (CUDA, FLOAT8, "no C compiler", "auto", "'float8' needs Triton's kernels, .*: no C compiler; take 'bfloat16'"),
        (CUDA, FLOAT8, None, "torch", "which are not taken here; take 'bfloat16'"),
    ],
)
def test_what_cannot_be_is_refused_with_the_fix(taken, device, precision, why, kernels, said):
    with pytest.raises(ValueError, match=said):
        taken(device, precision, why, EngineOptions(kernels))


def test_an_encoder_says_how_it_computes(tmp_path):
    folder = write_original(tmp_path, TINY)
    assert Encoder.from_folder(folder, device="cpu").details == {"kernels": "torch", "precision": "float32"}
    with pytest.raises(ValueError, match="'triton' cannot be had in float32 on cpu"):
        Encoder.from_folder(folder, device="cpu", options=EngineOptions("triton"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"kernels": "cuda"}, "unknown kernels 'cuda'; want one of auto, triton, torch"),
        ({"kernels": None}, "unknown kernels None"),
        ({"attention": "falsh"}, "unknown attention 'falsh'; want one of auto, flash, cudnn, flash3, sdpa"),
        ({"graphs": "maybe"}, "unknown graphs 'maybe'; want one of True, False"),
        ({"overlap": 0}, "unknown overlap 0; want one of True, False"),
    ],
)
def test_options_are_checked_without_a_gpu(arguments, said):
    with pytest.raises(ValueError, match=said):
        EngineOptions(**arguments)


def test_options_are_those_that_the_settings_and_the_engine_know():
    for name in ("kernels", "attention", "graphs"):
        for value in ALLOWED[name]:
            text = str(value).lower()
            assert getattr(Config.from_environment({f"JINA_V3_{name.upper()}": text}), name) == value
    assert set(ALLOWED["attention"]) == {"auto", *KINDS}


# the CUDA engine's load


def fake_cuda(monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> None:
    """Put a small device in CUDA's place."""
    properties = SimpleNamespace(total_memory=12 * 10**9, multi_processor_count=60)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _device: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (free_bytes, 12 * 10**9))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: properties)
    monkeypatch.setattr(loading, "CudaQueue", lambda _device: LazyDevice())
    monkeypatch.setattr(loading, "cuda_capture", lambda _device: lambda run: run)
    monkeypatch.setattr(loading, "choose_attention", lambda name, _device, _dtype: (name, sdpa))


def load(checkpoint: Checkpoint, options: EngineOptions, wanted: int | None = None) -> tuple[FusedRunner, int]:
    return loading._load(checkpoint, CPU, FLOAT32, options, wanted, ReferenceKernels())


@pytest.mark.parametrize(("graphs", "attention"), [(True, "flash"), (False, "flash"), (True, "sdpa")])
def test_what_is_loaded_computes_and_says_what_it_has(checkpoint, monkeypatch, caplog, graphs, attention):
    fake_cuda(monkeypatch, free_bytes=8 * 10**9)
    monkeypatch.setattr(loading, "_WARM_UP_TOKENS", (1, 300))
    caplog.set_level(logging.INFO, "jina_v3.encoder")
    runner, budget = load(checkpoint, EngineOptions(attention=attention, graphs=graphs), 256)
    assert budget == 256
    details = runner.describe()
    captured = attention == "flash" and graphs
    assert (details["kernels"], details["attention"], details["overlap"]) == ("torch", attention, True)
    assert (details["graphs"] > 0) == captured
    assert details["memory"]["workspace_tokens"] == 8192  # one longest text fits, whatever the budget
    (table,) = [record.fields for record in caplog.records if record.getMessage() == "graphs"]
    assert (len(table["captured"]) > 0) == (attention == "flash")  # without graphs the same sizes, so the same bits
    batch = lay_out([TokenSequence(np.arange(5, 5 + size), NO_TASK, ((size, 0),)) for size in (30, 12)], 1)
    wanted = PortableRunner(Model(checkpoint, CPU, torch.float32)).submit(batch, 64).result()
    np.testing.assert_allclose(runner.submit(batch, 64).result(), wanted, atol=2e-3, rtol=1e-4)


def test_a_device_without_room_says_so(checkpoint, monkeypatch):
    fake_cuda(monkeypatch, free_bytes=5 * 10**8)
    with pytest.raises(DeviceMemoryError, match=r"0\.50 GB free"):
        load(checkpoint, EngineOptions())


def test_the_stream_that_serves_is_the_one_that_was_warmed_up(checkpoint, monkeypatch):
    """On another one cuBLAS would make its workspace with the first request."""
    fake_cuda(monkeypatch, free_bytes=8 * 10**9)
    monkeypatch.setattr(loading, "_WARM_UP_TOKENS", (1,))
    run, sums = LazyStream.run, FusedModel.sums
    running: list[LazyStream] = []
    computed_on: list[LazyStream | None] = []

    def run_seen(stream: LazyStream, place: int) -> None:
        running.append(stream)
        try:
            run(stream, place)
        finally:
            running.pop()

    def sums_seen(*arguments: object) -> None:
        computed_on.append(running[-1] if running else None)
        sums(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(LazyStream, "run", run_seen)
    monkeypatch.setattr(FusedModel, "sums", sums_seen)
    runner, _ = load(checkpoint, EngineOptions(attention="flash"), 64)
    at_load = len(computed_on)
    batch = lay_out([TokenSequence(np.arange(5, 75), NO_TASK, ((70, 0),))], 1)  # beyond the fixed sizes
    runner.submit(batch, 64).result()
    assert len(computed_on) > at_load > 2
    assert set(computed_on) == {computed_on[0]} != {None}


def test_what_is_loaded_in_inference_mode_serves_outside_it(checkpoint, monkeypatch):
    fake_cuda(monkeypatch, free_bytes=8 * 10**9)
    monkeypatch.setattr(loading, "_WARM_UP_TOKENS", (1,))
    with torch.inference_mode():
        runner, _ = load(checkpoint, EngineOptions(attention="flash"), 64)
    for size in (20, 70):  # of a fixed size, and beyond
        batch = lay_out([TokenSequence(np.arange(5, 5 + size), NO_TASK, ((size, 0),))], 1)
        assert np.isfinite(runner.submit(batch, 64).result()).all()


def test_a_load_that_fails_lets_its_work_end(checkpoint, monkeypatch):
    """Whoever tries again gets the memory that it works on."""
    fake_cuda(monkeypatch, free_bytes=8 * 10**9)
    device = LazyDevice("eager")
    monkeypatch.setattr(loading, "CudaQueue", lambda _device: device)

    def fails(*_arguments: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loading, "_warm_up", fails)
    with pytest.raises(torch.OutOfMemoryError):
        load(checkpoint, EngineOptions())
    assert device.drained
