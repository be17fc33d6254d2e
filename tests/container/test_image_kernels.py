"""The image's stage that compiles Triton's kernels, followed in a folder with this machine's packages and compiler."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.dockerfile import LocalBuild
from tests.support.triton_modules import MODULES

from jina_v3_infra.artifact import find_source_root

SOURCE_ROOT = find_source_root()
DOCKERFILE = (SOURCE_ROOT / "Dockerfile").read_text()
START, END = "FROM code AS kernels\n", "\n\n\n"
EVERY = "80 86 89 90 100 103 120"
FEW = ["90", "--model", "adapters", "--dtype", "bfloat16"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root whose virtual environment is this one, with the sources of this checkout."""
    python = tmp_path / "root/opt/jina_v3/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nPYTHONPATH={SOURCE_ROOT} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return tmp_path / "root"


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What was asked of the package manager, which has nothing."""
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "dnf").write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n')
    (folder / "dnf").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)  # which other tests of this process set
    return folder / "calls"


def follow(root: Path, torch: str) -> None:
    """Follow the stage alone, for fewer kernels."""
    stage = DOCKERFILE.partition(START)[2].partition(END)[0]
    assert EVERY in stage
    dockerfile = root.parent / "Dockerfile"
    copy = "COPY --from=kernels /opt/jina_v3/kernels /opt/jina_v3/kernels\n"
    stage = stage.replace(EVERY, " ".join(FEW))
    dockerfile.write_text(f"FROM scratch AS kernels\n{stage}\nFROM scratch\n{copy}")
    arguments = {"TORCH": torch, "PYTHON_VERSION": "3.13"}
    LocalBuild(dockerfile, root, arguments, base_path="/usr/bin:/bin")


def files(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_kernels_and_launchers_are_there_and_found_without_a_compiler(root: Path, calls: Path) -> None:
    follow(root, "cu128")
    assert not calls.exists(), calls.read_text()
    kernels = root / "opt/jina_v3/kernels"
    made = files(kernels)
    cubins = {path.parent for path in made if path.suffix == ".cubin"}
    assert cubins
    assert {path.name.split(".")[0] for path in made if path.suffix == ".so"} == MODULES
    again = [root / "opt/jina_v3/bin/python", "-m", "jina_v3.encoder.fused.prebuild", "--architecture", *FEW]
    environment = {"TRITON_CACHE_DIR": str(kernels), "PATH": "/nowhere", "HOME": str(root.parent)}
    subprocess.run([*again, "--no-launchers"], env=environment, check=True, capture_output=True)
    assert files(kernels) == made


def test_the_build_for_cpus_compiles_nothing(root: Path, calls: Path) -> None:
    follow(root, "cpu")
    assert not list((root / "opt/jina_v3/kernels").iterdir())
    assert not calls.exists()


def test_a_base_without_compiler_gets_one(root: Path, calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package manager here installs nothing, so that the build ends, and says what is missing."""
    tools = root.parent / "few tools"
    tools.mkdir()
    for name in ("mkdir", "sh", "env"):
        (tools / name).symlink_to(Path("/bin") / name if (Path("/bin") / name).exists() else Path("/usr/bin") / name)
    monkeypatch.setenv("PATH", f"{calls.parent}:{tools}")
    with pytest.raises(AssertionError, match="no C compiler"):
        follow(root, "cu128")
    assert calls.read_text().splitlines()[0] == "install -y gcc"
