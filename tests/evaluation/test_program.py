"""`make evaluate` where something is wanting: one line, at once, that says what to do."""

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from evaluation.mteb import reach
from evaluation.mteb.__main__ import NOT_STARTED, main
from evaluation.mteb.options import make_parser
from evaluation.mteb.sets import SETS, dimensions_of, names
from huggingface_hub import constants

from jina_v3.contract import MATRYOSHKA_DIMENSIONS


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken, so that nobody else gets it, and at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=lambda: server.accept()[0].close())
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def error(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("arguments", [[], ["--model", "a/b", "--endpoint", "c"]])
def test_one_subject_is_needed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == NOT_STARTED
    assert error(capsys) == "error: give either a model or an endpoint: make evaluate MODEL=folder or ENDPOINT=name"


@pytest.mark.parametrize("model", ["/nowhere/model", "./model", "model", "a/b/c"])
def test_what_is_no_folder_and_no_hub_id(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", model]) == NOT_STARTED
    assert error(capsys) == f"error: {model} is no folder here, and no hub id (owner/name)"


def test_a_folder_without_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", str(tmp_path)]) == NOT_STARTED
    assert error(capsys) == f"error: {tmp_path} has no config.json; give the folder of a model"


@pytest.mark.parametrize("subject", [["--model", "jinaai/jina-embeddings-v3"], ["--endpoint", "texts"]])
def test_a_hub_out_of_reach_is_said_before_anything_else(
    subject: list[str], closed_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{closed_port}")
    assert main(subject) == NOT_STARTED
    said = error(capsys)
    assert f"the hub at http://127.0.0.1:{closed_port} cannot be reached" in said
    assert "HF_ENDPOINT" in said
    assert "HF_HUB_OFFLINE=1" in said


def test_a_hub_that_answers_offline_and_a_proxy_are_no_errors(
    listening: int, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach.check_hub(endpoint=f"http://127.0.0.1:{listening}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    reach.check_hub(endpoint=f"http://127.0.0.1:{closed_port}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "")
    reach.check_hub(endpoint="http://hub.example")


def test_an_endpoint_that_is_no_url() -> None:
    with pytest.raises(reach.UnreachableError, match="HF_ENDPOINT is 'mirror'; it must be a URL"):
        reach.check_hub(endpoint="mirror")


def test_mteb_that_is_not_installed(
    listening: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{listening}")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["--endpoint", "texts"]) == NOT_STARTED
    assert error(capsys).startswith(f"error: mteb is not installed in {sys.prefix}; `make evaluate` has it")


def test_data_sets_that_are_not_in_the_cache_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setitem(
        sys.modules, "datasets", SimpleNamespace(config=SimpleNamespace(HF_DATASETS_CACHE=str(tmp_path / "prepared")))
    )

    def task(name: str, path: str, *parts: object) -> SimpleNamespace:
        return SimpleNamespace(metadata=SimpleNamespace(name=name, dataset={"path": path}, tasks=list(parts)))

    (tmp_path / "datasets--mteb--here" / "snapshots" / "abc").mkdir(parents=True)
    (tmp_path / "prepared" / "mteb___prepared" / "default").mkdir(parents=True)
    reach.check_cached([task("Here", "mteb/here"), task("Prepared", "mteb/Prepared")])
    whole = task("Whole", "aggregate", task("Part", "mteb/part"))
    with pytest.raises(
        reach.UnreachableError, match=r"of 2 tasks .*: Gone \(mteb/gone\), Whole \(mteb/part\); run once"
    ):
        reach.check_cached([task("Here", "mteb/here"), task("Gone", "mteb/gone"), whole])


def test_the_sets_are_listed_without_mteb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in SETS)


def test_names_and_dimensions() -> None:
    assert names("quick, MTEB(eng, v1),,STS12 ") == ["quick", "MTEB(eng, v1)", "STS12"]
    assert dimensions_of(["quick", "STS12"]) == (1024,)
    assert dimensions_of(["matryoshka"]) == MATRYOSHKA_DIMENSIONS
    assert make_parser().parse_args(["--dimensions", "256,64,64"]).dimensions == (64, 256)


@pytest.mark.parametrize("wrong", ["0", "1025", "many", "64,"])
def test_a_dimension_that_cannot_be(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        make_parser().parse_args(["--dimensions", wrong])
    assert "--dimensions" in capsys.readouterr().err
