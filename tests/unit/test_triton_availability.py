"""Why Triton's kernels can not be used, in each case where they can not."""

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from jina_v3.encoder.fused.kernels.availability import why_not_triton

CUDA = torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def ampere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 6))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "Python.h").touch()
    monkeypatch.setattr("sysconfig.get_paths", lambda scheme: {"include": str(tmp_path)})
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")


def start(monkeypatch: pytest.MonkeyPatch, begin: Callable[[], int]) -> None:
    monkeypatch.setattr("triton.runtime.driver", SimpleNamespace(active=SimpleNamespace(get_current_device=begin)))


@pytest.mark.parametrize(("scheme", "read"), [("venv", "venv"), ("posix_local", "posix_prefix")])
@pytest.mark.parametrize(("cc", "found"), [(None, "gcc clang"), (None, "clang"), ("my-cc", "my-cc"), ("my-cc", "gcc")])
@pytest.mark.usefixtures("cache")
def test_a_compiler_counts_where_triton_takes_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scheme: str, read: str, cc: str | None, found: str
) -> None:
    """Debian's Python has no headers in its default scheme; where CC names a compiler, Triton takes no other."""
    (tmp_path / read).mkdir()
    (tmp_path / read / "Python.h").touch()
    monkeypatch.setattr("sysconfig.get_default_scheme", lambda: scheme)
    monkeypatch.setattr("sysconfig.get_paths", lambda scheme: {"include": str(tmp_path / scheme)})
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name in found.split() else None)
    start(monkeypatch, lambda: 0)
    monkeypatch.delenv("CC", raising=False)
    if cc is not None:
        monkeypatch.setenv("CC", cc)
    assert (why_not_triton(CUDA) is None) == (cc != "my-cc" or found == "my-cc")


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("error", [OSError("cache is\nread-only"), AssertionError("libcuda.so cannot found!")])
def test_a_triton_that_does_not_start_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail() -> int:
        raise error

    start(monkeypatch, fail)
    said = str(why_not_triton(CUDA))
    assert f"does not start ({type(error).__name__}: {str(error).splitlines()[0]})" in said
    assert "TRITON_CACHE_DIR" in said


def test_a_cpu_has_none() -> None:
    assert "not a CUDA device" in str(why_not_triton(torch.device("cpu")))


def test_it_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "triton" else find(name))
    assert "not installed" in str(why_not_triton(CUDA))


def test_old_gpus_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert "Some GPU has compute capability 7.5" in str(why_not_triton(CUDA))


@pytest.mark.usefixtures("no_compiler", "cache")
def test_launchers_must_be_built_or_buildable() -> None:
    assert "C compiler" in str(why_not_triton(CUDA))


@pytest.mark.usefixtures("cache")
def test_a_compiler_without_headers_builds_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sysconfig.get_paths", lambda scheme: {"include": str(tmp_path)})
    assert "C compiler" in str(why_not_triton(CUDA))
