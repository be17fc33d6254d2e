"""Kernels compiled ahead, in processes where Triton's interpreter is off."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.checkpoints import FULL_WIDTH, write_layout
from tests.support.triton_modules import MODULES

from jina_v3.contract import TASKS
from jina_v3.encoder.fused import prebuild

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}


def run(code_or_module: list[str], cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *code_or_module],
        env=ENVIRONMENT | {"TRITON_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )


OPTIONS = ["--model", "adapters", "--dtype", "bfloat16"]
PREBUILD = ["-m", "jina_v3.encoder.fused.prebuild", *OPTIONS]


@pytest.fixture(scope="module")
def prebuilt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    cache = tmp_path_factory.mktemp("triton")
    result = run([*PREBUILD, "--architecture", "90", "--no-launchers"], cache)
    assert result.returncode == 0, result.stderr
    return cache, result.stdout


def rows(table: str) -> list[dict[str, str]]:
    header, *lines = table.splitlines()
    return [dict(zip(header.split(), line.split(maxsplit=8), strict=True)) for line in lines]


def test_no_kernel_spills_and_each_leaves_room_for_a_second_block(prebuilt: tuple[Path, str]) -> None:
    table = rows(prebuilt[1])
    assert {"_add_norm", "_rows", "_blocks", "_activate", "_rotate", "_attend_short", "_embed", "_sum"} <= {
        row["kernel"] for row in table
    }
    for row in table:
        assert row["spilt"] == "0"
        assert int(row["regs"]) <= 128
        assert 2 * int(row["shared"]) <= 163 * 1024


def test_matrices_are_read_16_bytes_at_a_time(prebuilt: tuple[Path, str]) -> None:
    """What is read in smaller pieces is a token's task and position, its task's places, and blocks' biases.

    Attention reads a token's position for every layout of its products.
    """
    narrow = {"_rotate": 1, "_add_norm": 3, "_activate": 0, "_rows": 3, "_attend_short": 24}
    for row in rows(prebuilt[1]):
        wide, all_loads = map(int, row["loads"].split("/"))
        assert wide >= 2
        assert all_loads - wide <= narrow.get(row["kernel"], 7), row


@pytest.mark.slow
def test_a_second_pass_compiles_nothing_and_another_stride_would(prebuilt: tuple[Path, str]) -> None:
    code = """
import dataclasses, torch
from jina_v3.encoder.fused.kernels.ahead.calls import MODELS, call_all
from jina_v3.encoder.fused.kernels.ahead.compile_only import compiling_for
from jina_v3.encoder.fused.kernels.triton_kernels import TritonKernels
from jina_v3.encoder.fused.kernels.triton_kernels.launch import FEW_TOKENS
def compiled(shapes, tokens):
    with compiling_for(90) as kernels:
        call_all(TritonKernels(), shapes, torch.bfloat16, tokens, float8=True)
    return [kernel.name for kernel in kernels if not kernel.found]
for tokens in (3, 64, 1000, FEW_TOKENS + 5):
    assert not compiled(MODELS["adapters"], tokens), tokens
wider = compiled(dataclasses.replace(MODELS["adapters"], columns=64), 3)
assert sorted(set(wider)) == ["_activate", "_add_norm", "_attend_short", "_quantize", "_rows"], wider
"""
    result = run(["-c", code], prebuilt[0])
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_what_the_model_launches_was_built(prebuilt: tuple[Path, str], tmp_path: Path) -> None:
    """The engine's own forward pass at full width, its kernels compiled and not run; only the vocabulary differs."""
    code = """
import sys
from pathlib import Path
import numpy as np, torch
from jina_v3.encoder.checkpoint import open_checkpoint
from jina_v3.encoder.fused.attention import sdpa
from jina_v3.encoder.fused.inputs import Capacity, Inputs, fill
from jina_v3.encoder.fused.kernels.ahead.compile_only import compiling_for
from jina_v3.encoder.fused.kernels.triton_kernels import TritonKernels
from jina_v3.encoder.fused.model import FusedModel
from jina_v3.tokens.sequences import TokenSequence, lay_out
checkpoint = open_checkpoint(Path(sys.argv[1]))
cpu = torch.device("cpu")
batch = lay_out([TokenSequence(np.arange(5, 14), 1, ((9, 0),)), TokenSequence(np.arange(5, 9), 2, ((4, 1),))], 2)
with compiling_for(90) as kernels:
    for few_tokens, short in ((1, 0), (1 << 30, 64)):
        model = FusedModel(checkpoint, cpu, torch.bfloat16, TritonKernels(few_tokens), sdpa, short=short)
        for adapted in (False, True):
            room = Capacity.of(batch)
            block = np.empty(room.values, np.int32)
            fill(block, room, batch)
            inputs = Inputs.view(torch.from_numpy(block), room, adapted=adapted)
            model.sums(inputs, model.workspace(room.tokens), torch.empty(room.segments, 256))
print(sorted({kernel.name for kernel in kernels}), {kernel.name for kernel in kernels if not kernel.found})
assert len({kernel.name for kernel in kernels}) == 8
assert {kernel.name for kernel in kernels if not kernel.found} <= {"_embed"}
"""
    model = write_layout(tmp_path / "model", "original", FULL_WIDTH, TASKS)
    result = run(["-c", code, str(model)], prebuilt[0])
    assert result.returncode == 0, result.stderr + result.stdout


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="launchers need a C compiler")
def test_launchers_are_built_where_there_is_no_driver(tmp_path: Path) -> None:
    result = run([*PREBUILD, "--architecture", "80", "120"], tmp_path)
    assert result.returncode == 0, result.stderr
    assert {path.name.split(".")[0] for path in tmp_path.glob("*/*.so")} == MODULES
    code = """
import shutil, torch
from jina_v3.encoder.fused.kernels import availability
from jina_v3.encoder.fused.kernels.availability import why_not_triton
availability._why_not_started = lambda: None  # as with a driver
torch.cuda.get_device_capability = lambda device: (8, 0)
shutil.which = lambda name: None
assert why_not_triton(torch.device("cuda")) is None, why_not_triton(torch.device("cuda"))
"""
    found = run(["-c", code], tmp_path)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--architecture", "75"], {}, "invalid choice: 75"),
        (["--architecture", "80"], {"TRITON_INTERPRET": "1"}, "TRITON_INTERPRET is set"),
    ],
)
def test_what_can_not_be_built_is_refused(
    arguments: list[str],
    environment: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(prebuild, "_compile", lambda *_: pytest.fail("it was not refused"))
    with pytest.raises(SystemExit, match="2"):
        prebuild.main([*OPTIONS, "--no-launchers", *arguments])
    assert said in capsys.readouterr().err
