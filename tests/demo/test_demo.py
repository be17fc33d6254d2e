"""The demo as a user runs it: a process of its own, its screen, and what it leaves behind."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from demo.corpus import LANGUAGES, load_corpus
from demo.server import ServerError, lay_out, listening_port, serving
from demo.standin import StandInConfig, write_standin
from rich.cells import cell_len
from tests.support.loopback_hub import LoopbackHub

from jina_v3_infra.artifact import ArtifactError

ROOT = Path(__file__).parents[2]
LIMIT_S = 240


@contextmanager
def demo(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start the demo and make sure that it and its server are gone at the end of the test, whatever happens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "demo", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
            process.communicate()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read the demo's screen up to a line that holds ``text``."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    pytest.fail(f"{text!r} never came; the demo showed:\n{''.join(lines)}")


def assert_stopped(servers: list[psutil.Process]) -> None:
    assert servers, "there was no server"
    _gone, alive = psutil.wait_procs(servers, timeout=5)
    assert not alive, f"left behind: {alive}"


def test_everything_as_a_user_sees_it() -> None:
    with demo("--keep") as process:
        screen = read_until(process, "stays until Ctrl-C")
        servers = psutil.Process(process.pid).children(recursive=True)
        # no port is looked for beforehand, which another process could take meanwhile
        assert {server.environ()["SAGEMAKER_BIND_TO_PORT"] for server in servers} == {"0"}
        check_screen(screen)
        port = int(re.search(r"Ready at http://127\.0\.0\.1:(\d+)", screen)[1])  # type: ignore[index]
        check_still_serving(port)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, rest
        assert rest.rstrip().endswith("The server is stopped.")
        assert_stopped(servers)


def check_screen(screen: str) -> None:
    assert all(cell_len(line) <= 80 for line in screen.splitlines())
    assert "\x1b" not in screen  # no terminal, no colours
    words = " ".join(screen.replace("│", " ").split())
    assert "it is untrained" in words
    assert "random weights, scaled so that rarer shared words count" in words
    assert "rankings only follow the words that texts share" in words
    assert "CC-BY-NC-4.0" in words
    corpus = load_corpus()
    for query in corpus.queries:
        assert f"{LANGUAGES[query.language]}: {query.text}" in words
    firsts = re.findall(r"^  1  0\.\d{4}  (\*?) ", screen, re.MULTILINE)
    assert len(firsts) == len(corpus.queries)
    assert firsts.count("*") >= 10  # shared words do find the passage that shares them
    for dimensions in (1024, 256, 32):
        assert re.search(rf"^ +{dimensions} +{4 * dimensions} +\d+% +\d+ of 12 *$", screen, re.MULTILINE)
        assert f"passages, {dimensions} dimensions" in words
    assert screen.count("late chunking: the answer is at") == len(corpus.document.queries)
    speed = re.search(r"^([\d,]+) tokens a second over all requests", screen, re.MULTILINE)
    assert speed is not None
    assert int(speed[1].replace(",", "")) > 0


def check_still_serving(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = {"data": [{"text": "hello"}], "parameters": {"task": "text-matching", "dimensions": 32}}
    connection.request("POST", "/invocations", json.dumps(body), {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert len(answer["data"][0]["embedding"]) == 32


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_demo_stops_its_server(number: signal.Signals, status: int) -> None:
    with demo() as process:
        read_until(process, "Starting the server")
        deadline = time.monotonic() + 60
        while not (servers := psutil.Process(process.pid).children()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        screen, _ = process.communicate(timeout=LIMIT_S)
        assert process.returncode == status, screen
        assert "Traceback" not in screen
        assert_stopped(servers)


def test_a_model_from_the_hub(tmp_path: Path) -> None:
    config = StandInConfig(layers=1, intermediate=64, vocab=2000)
    folder = write_standin(tmp_path / "model", load_corpus().training_texts(), config)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    commit = "5" * 40
    with LoopbackHub({("someone/embeddings", commit): files}).running() as hub:
        hub_at = {"HF_ENDPOINT": hub.endpoint, "HF_HUB_CACHE": str(tmp_path / "cache")}
        with demo("--model", f"someone/embeddings@{commit}", **hub_at) as process:
            screen, _ = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, screen
        assert hub.sent_bytes("/model.safetensors") == len(files["model.safetensors"])
    assert "CC-BY-NC-4.0" in screen
    assert "untrained" not in screen
    assert "tokens a second over all requests" in screen


def test_a_model_that_cannot_be_is_one_line() -> None:
    with demo("--model", "someone/embeddings") as process:
        screen, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1
    assert screen.startswith("error: 'someone/embeddings' is no folder here")
    assert len(screen.splitlines()) == 1


def test_a_server_that_does_not_start_shows_its_log(tmp_path: Path, tiny_model: Path) -> None:
    for path in tiny_model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[:1000])
    refusal = r"ended with status 1; its log ends:\n(.|\n)*could not be loaded"
    with pytest.raises(ServerError, match=refusal), serving(tmp_path, lambda _seconds: None):
        pytest.fail("it started")


def test_the_port_is_the_one_that_the_log_names(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text('a warning of Python\'s\n{"event": "other"}\n')
    assert listening_port(log) is None
    with log.open("a") as writing:
        writing.write('{"event": "listening", "port": 43')
        writing.flush()
        assert listening_port(log) is None
        writing.write("210}\n")
    assert listening_port(log) == 43210


def test_the_model_folder_is_the_container_s(tmp_path: Path, tiny_model: Path) -> None:
    lay_out(tmp_path / "model", tiny_model)
    assert (tmp_path / "model" / "model.safetensors").is_symlink()
    assert (tmp_path / "model" / "config.json").read_bytes() == (tiny_model / "config.json").read_bytes()
    assert (tmp_path / "model" / "code" / "inference.py").is_file()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtifactError, match=r"needs config\.json"):
        lay_out(tmp_path / "other", tmp_path / "empty")
