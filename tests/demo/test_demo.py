"""The demo as a user runs it: a process of its own, its screen, and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import psutil
import pytest
from demo.corpus import LANGUAGES, load_corpus
from demo.standin import StandInConfig, write_standin
from rich.cells import cell_len
from tests.support.loopback_hub import LoopbackHub
from tests.support.pages import blocks_of

ROOT = Path(__file__).parents[2]
LIMIT_S = 280
SOMEBODYS = {"AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "theirs"}
"""What a person with an account may have set, and must not be in the way."""


def _heed_interrupts() -> None:
    """Undo what a shell does to its background jobs, and a job to its children: Ctrl-C would be ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def demo(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start the demo and make sure that it and all it started are gone at the end of the test, whatever happens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "demo", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        preexec_fn=_heed_interrupts,
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


def assert_stopped(children: list[psutil.Process]) -> None:
    assert children, "nothing was started"
    _gone, alive = psutil.wait_procs(children, timeout=60)
    assert not alive, f"left behind: {alive}"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_everything_as_a_user_sees_it() -> None:
    with demo("--keep", **SOMEBODYS) as process:
        screen = read_until(process, "Yours until Ctrl-C")
        how = read_until(process, "jina-v3-infra batch start")
        children = psutil.Process(process.pid).children(recursive=True)
        check_screen(screen)
        environment = dict(re.findall(r"^export (AWS_\w+)=(\S+)$", how, re.MULTILINE))
        check_still_serving(environment)
        check_readmes_first_screen()
        check_command_by_hand(re.search(r"^ +(jina-v3 embed .*)$", how, re.MULTILINE), environment)
        check_batch_by_hand(how.splitlines()[-1], environment)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, rest
        assert rest.rstrip().endswith("The local AWS is stopped.")
        assert_stopped(children)


def check_screen(screen: str) -> None:
    assert "\x1b" not in screen  # no terminal, no colours
    ranked = screen[screen.index("Queries against") : screen.index("tokens a second over all requests")]
    assert all(cell_len(line) <= 80 for line in ranked.splitlines())
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
    check_batch(screen[screen.index("through batch transform") :])


def check_batch(screen: str) -> None:
    words = " ".join(screen.split())
    assert "Complete: every record is accounted for." in words
    assert "Records 40: 36 embedded, 4 bad" in words
    bad = re.findall(r"^  (\w+): (\d+)\n +(\w+)\.jsonl, line (\d+) ", screen, re.MULTILINE)
    assert sorted(bad) == [
        ("missing_field", "1", "fr", "2"),
        ("not_json", "1", "de", "2"),
        ("text_too_long", "1", "en", "2"),
        ("unknown_task", "1", "ja", "2"),
    ]
    apart = re.search(
        r"12 of 12 queries find the same passage first; of 288 cosines the largest difference is (\S+)", words
    )
    assert apart is not None
    assert float(apart[1]) < 1e-4
    for line in readme_excerpt():
        assert line in screen


def readme_excerpt() -> list[str]:
    """Return what the README shows of the report, up to where a line is cut."""
    (excerpt,) = blocks_of(__file__)
    return [line.partition("…")[0].rstrip() for line in excerpt.text.splitlines()]


def check_still_serving(environment: dict[str, str]) -> None:
    """Call as the screen says, with nothing but what it says to export."""
    assert set(environment) >= {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"}
    runtime = boto3.client(
        "sagemaker-runtime",
        region_name=environment["AWS_REGION"],
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    body = {"data": [{"text": "hello"}], "parameters": {"task": "text-matching", "dimensions": 32}}
    answer = runtime.invoke_endpoint(EndpointName="jina-v3-dev", ContentType="application/json", Body=json.dumps(body))
    assert len(json.loads(answer["Body"].read())["data"][0]["embedding"]) == 32


def check_readmes_first_screen() -> None:
    """Embed a text by the README's lines alone, in the shell of somebody with an account."""
    first_screen = (ROOT / "README.md").read_text("utf-8").partition("\n## ")[0]
    (_, in_second_shell) = re.findall(r"```sh\n(.*?)```", first_screen, re.DOTALL)
    (code,) = re.findall(r"```python\n(.*?)```", first_screen, re.DOTALL)
    run = subprocess.run(
        ["sh", "-e"],
        input=f"{in_second_shell}python - <<'END'\n{code}END\n",
        cwd=ROOT,
        env={**os.environ, **SOMEBODYS},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert (run.returncode, run.stderr) == (0, "")
    embedded, cosines = run.stdout.splitlines()
    assert len(json.loads(embedded)["embedding"]) == 8
    high_water, boats = map(float, cosines.strip("[]").split())
    assert 1 > high_water > boats  # words that are shared are all that the stand-in knows


def run_module(module: str, *words: str, **environment: str) -> str:
    """Run a program of the project to its good end, and return what it showed."""
    run = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def check_command_by_hand(command: re.Match[str] | None, environment: dict[str, str]) -> None:
    """Embed a text by the command on the screen."""
    assert command is not None
    shown = run_module("jina_v3_client", *shlex.split(command[1])[1:], **environment)
    assert len(json.loads(shown)["embedding"]) == 1024


def check_batch_by_hand(command: str, environment: dict[str, str]) -> None:
    """Look at a run's plan by the command on the screen."""
    program, *words = command.split()
    assert program == ".venv/bin/jina-v3-infra"
    shown = run_module("jina_v3_infra.deploy", *words, "--dry-run", **environment)
    assert "where it was already" in shown
    assert "A dry run: nothing was embedded." in shown


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_demo_takes_everything_down(number: signal.Signals, status: int) -> None:
    with demo() as process:
        read_until(process, "An AWS on this machine")
        read_until(process, "Nothing is billed here")
        deadline = time.monotonic() + 240
        while not (children := psutil.Process(process.pid).children(recursive=True)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        screen, _ = process.communicate(timeout=LIMIT_S)
        assert process.returncode == status, screen
        assert "Traceback" not in screen
        assert_stopped(children)


@pytest.mark.slow
@pytest.mark.timeout(900)
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
    assert "Records    40: 36 embedded, 4 bad" in screen


def test_a_model_that_cannot_be_is_one_line() -> None:
    with demo("--model", "someone/embeddings") as process:
        screen, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1
    assert screen.startswith("error: 'someone/embeddings' is no folder here")
    assert len(screen.splitlines()) == 1


def test_a_folder_that_is_no_model_is_one_line(tmp_path: Path) -> None:
    with demo("--model", str(tmp_path)) as process:
        screen, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1
    assert re.fullmatch(r"error: .* is no model folder: it needs config\.json and \*\.safetensors\n", screen)
