"""The image without a container engine: its Dockerfile followed in a folder, its ``serve`` run as SageMaker runs it."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.support.dockerfile import LocalBuild
from tests.support.serving import ServeProcess

from jina_v3_infra.artifact import find_source_root, write_model_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not importlib.metadata.version("torch").endswith("+cpu"),
        reason="the torch here is no CPU build, so pip may not be able to find the one of the image for CPUs",
    ),
]

SOURCE_ROOT = find_source_root()
PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
INSTALLERS = ("pip", "pip3", "uv", "curl", "wget")
CLOSED = "http://127.0.0.1:9"
# what a container has: a process 1 of its own, and a model folder that is read-only even for root
NAMESPACES = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec"]
READ_ONLY = 'mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"; exec "$@"'


@pytest.fixture(scope="module")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with installers that write down that they were called."""
    folder = tmp_path_factory.mktemp("traps")
    for name in INSTALLERS:
        (folder / name).write_text(f"#!/bin/sh\necho {name} >> {folder}/called\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def image(traps: Path, tmp_path_factory: pytest.TempPathFactory) -> LocalBuild:
    arguments = {"TORCH": "cpu", "PYTHON_VERSION": PYTHON_VERSION}
    return LocalBuild(
        SOURCE_ROOT / "Dockerfile", tmp_path_factory.mktemp("image"), arguments, base_path=f"{traps}:/usr/bin:/bin"
    )


@pytest.fixture(scope="module", params=["model", "model and code"])
def base(request, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What SageMaker mounts as /opt/ml, read-only; ``code/`` has a copy of ours in it, which must not be used."""
    model = tmp_path_factory.mktemp("ml") / "model"
    write_model_folder(tiny_model, model)
    if request.param == "model":
        shutil.rmtree(model / "code")
    else:
        (model / "code" / "jina_v3" / "__init__.py").write_text("raise RuntimeError('imported from code/')")
    folders = [model, *(path for path in model.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield model.parent
    for folder in folders:
        folder.chmod(0o755)


def container(image: LocalBuild, base: Path, *command: str) -> list[str]:
    """Return the command line that runs a command with the image's environment and the endpoint's, and no other."""
    environment = image.environment | {
        "HOME": str(base / "home"),  # which is not there
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_BIND_TO_PORT": "0",
        "JINA_V3_BIND_HOST": "127.0.0.1",
        "PIP_NO_INDEX": "1",
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), CLOSED),
    }
    return ["env", "-i", "-C", "/", *(f"{name}={value}" for name, value in environment.items()), *command]


def check_answers(server: ServeProcess) -> None:
    with server.wait_until_ready().client() as client:
        assert client.get("/ping").status_code == 200
        request = {"data": [{"text": "the sun rises"}], "parameters": {"task": "text-matching", "dimensions": 8}}
        response = client.post("/invocations", json=request)
        assert response.status_code == 200, response.text
        assert len(response.json()["data"][0]["embedding"]) == 8


def list_files(*folders: Path) -> dict[Path, tuple[int, int]]:
    """Return all that lies in the folders, with sizes and times."""
    found = [path for folder in folders for path in folder.rglob("*")]
    return {path: (path.lstat().st_size, path.lstat().st_mtime_ns) for path in found}


def test_it_serves_offline_writes_nothing_and_ends_on_sigterm(image, base, traps):
    before = list_files(image.root, base)
    with ServeProcess(base, command=container(image, base, *image.entry_point, "serve")) as server:
        check_answers(server)
        server.terminate()
        assert server.wait() == 0
    assert list_files(image.root, base) == before
    assert not (traps / "called").exists()
    assert server.stderr == b""


def namespaces_are_allowed() -> bool:
    return os.geteuid() == 0 and subprocess.run([*NAMESPACES, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not namespaces_are_allowed(), reason="needs root and a kernel that lets it make namespaces")
def test_as_process_1_over_a_read_only_mount(image, base):
    isolated = [*NAMESPACES, READ_ONLY, str(base / "model")]
    with ServeProcess(base, command=isolated + container(image, base, *image.entry_point, "serve")) as server:
        check_answers(server)
        [serve] = psutil.Process(server.pid).children()
        process = Path(f"/proc/{serve.pid}")
        assert process.joinpath("status").read_text().partition("NSpid:")[2].split("\n")[0].split()[-1] == "1"
        with pytest.raises(OSError, match="Read-only"):
            (process / "root" / base.relative_to("/") / "model" / "written").touch()
        serve.terminate()  # a process 1 gets only those signals that it handles
        assert server.wait() == 0
    assert server.stderr == b""


WHAT_IS_THERE = """
import importlib.util, json, sys
names = ["jina_v3", "jina_v3_client", "jina_v3_infra", "pip"]
print(json.dumps([sys.path, {name: importlib.util.find_spec(name) is not None for name in names}]))
"""


def test_it_holds_our_code_compiled_and_no_installer(image, base):
    answer = subprocess.check_output(container(image, base, "python", "-c", WHAT_IS_THERE))
    path, found = json.loads(answer)
    assert found == {"jina_v3": True, "jina_v3_client": False, "jina_v3_infra": False, "pip": False}
    assert not any(Path(entry).is_relative_to(SOURCE_ROOT.parent) for entry in path if entry)
    assert [entry.name for entry in (image.root / "opt").iterdir()] == ["jina_v3"]
    packages = image.root / f"opt/jina_v3/lib/python{PYTHON_VERSION}/site-packages"
    for package in ("jina_v3", "uvicorn", "torch"):
        sources = list((packages / package).glob("*.py"))
        assert sources
        for source in sources:
            assert list((source.parent / "__pycache__").glob(f"{source.stem}.cpython-*.pyc")), source
