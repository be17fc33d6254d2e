import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from jina_v3_infra.artifact import ArtifactError, find_source_root, write_artifact, write_model_folder

ROOT = find_source_root()


def names_in(archive: Path) -> list[str]:
    with tarfile.open(archive) as opened:
        return opened.getnames()


def test_the_same_input_gives_the_same_bytes(tiny_model, tmp_path):
    one = write_artifact(tiny_model, tmp_path / "a" / "one.tar.gz")
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in sorted(tiny_model.iterdir(), reverse=True):
        (copy / file.name).write_bytes(file.read_bytes())
        (copy / file.name).chmod(0o600)
        os.utime(copy / file.name, (1, 1))
    two = write_artifact(copy, tmp_path / "two.tar.gz")
    assert one.read_bytes() == two.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "copy", "two.tar.gz"]  # nothing partial stays


def test_what_it_holds(tiny_model, tmp_path):
    names = names_in(write_artifact(tiny_model, tmp_path / "model.tar.gz"))
    assert {"config.json", "tokenizer.json", "model.safetensors"} < set(names)
    assert {"code/inference.py", "code/requirements.txt", "code/jina_v3/encoder/engine.py"} < set(names)
    assert "code/__init__.py" not in names  # it would shadow inference.py
    code = {name.removeprefix("code/") for name in names if name.startswith("code/")}
    assert not any("__pycache__" in name or name.endswith(".pyc") for name in names)
    for path in (ROOT / "jina_v3").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.relative_to(ROOT).as_posix() in code
    # nothing of the container's image, which has no use in code/
    assert {name.partition("/")[0] for name in code} == {"inference.py", "requirements.txt", "jina_v3"}
    assert {"Dockerfile", ".dockerignore", "image"} < {path.name for path in ROOT.iterdir()}


def test_hidden_files_foreign_weights_and_an_old_code_folder_stay_out_and_links_are_followed(tiny_model, tmp_path):
    model = tmp_path / "snapshot"
    (model / "code").mkdir(parents=True)
    (model / "adapter").mkdir()
    (model / ".cache").mkdir()
    for file in tiny_model.iterdir():
        (model / file.name).symlink_to(file)
    for name in ("code/old.py", ".cache/x", ".gitattributes", "pytorch_model.bin", "adapter/a.safetensors", "LICENSE"):
        (model / name).write_text("x")
    names = names_in(write_artifact(model, tmp_path / "model.tar.gz"))
    outside_code = {name for name in names if not name.startswith("code/")}
    assert outside_code == {"config.json", "tokenizer.json", "model.safetensors", "adapter/a.safetensors", "LICENSE"}
    assert "code/old.py" not in names
    with tarfile.open(tmp_path / "model.tar.gz") as opened:
        assert all(member.isreg() for member in opened)


def test_a_folder_holds_the_same_with_weights_linked(tiny_model, tmp_path):
    folder = write_model_folder(tiny_model, tmp_path / "out")
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert written == set(names_in(write_artifact(tiny_model, tmp_path / "model.tar.gz")))
    for name in written - {"model.safetensors"}:
        source = ROOT / name.removeprefix("code/") if name.startswith("code/") else tiny_model / name
        assert (folder / name).read_bytes() == source.read_bytes()
        assert not (folder / name).samefile(source)
    with pytest.raises(ArtifactError, match="there already"):
        write_model_folder(tiny_model, folder)


def test_what_is_no_model_folder_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ArtifactError, match="safetensors"):
        write_artifact(tmp_path, tmp_path / "out.tar.gz")
    with pytest.raises(ArtifactError, match="no folder"):
        write_artifact(tmp_path / "nothing", tmp_path / "out.tar.gz")
    assert not (tmp_path / "out.tar.gz").exists()


def test_as_a_command(tiny_model, tmp_path):
    def run(*arguments: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "jina_v3_infra.artifact", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = run(tiny_model, tmp_path / "model.tar.gz")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"sha256 [0-9a-f]{64}\n$", done.stdout)
    assert run(tiny_model, tmp_path / "folder").returncode == 0
    failed = run(tmp_path / "nothing", tmp_path / "x.tar.gz")
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1


def test_requirements_are_those_of_the_constraints():
    pins = Path("constraints.txt").read_text().split()
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    required = [line for line in lines if line and not line.startswith("#")]
    assert "torch>=2.10" in required
    assert {line for line in required if not line.startswith("torch")} <= set(pins)
