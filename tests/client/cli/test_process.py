"""The command as a process: pipes, a terminal, Ctrl-C, nobody who reads."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.loopback_endpoint import REGION, LoopbackEndpoint, Pace, expected

from jina_v3_client import Settings

COMMAND = [sys.executable, "-m", "jina_v3_client"]


@pytest.fixture(scope="module")
def runtime() -> Iterator[LoopbackEndpoint]:
    with LoopbackEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(runtime: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch) -> LoopbackEndpoint:
    runtime.set_pace(None)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", runtime.url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("JINA_V3_ENDPOINT", "texts")
    return runtime


def heed_interrupts() -> None:
    """Undo what a shell does to its background jobs, and a job to its children: Ctrl-C would be ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*words: str, **more: Any) -> subprocess.Popen[bytes]:
    settings = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    return subprocess.Popen([*COMMAND, *words], preexec_fn=heed_interrupts, **settings)


def test_lines_of_a_pipe_come_back_as_vectors(endpoint: LoopbackEndpoint) -> None:
    texts = [f"text {number}" for number in range(1500)]
    with start("embed", "--task", "separation", "--dimensions", "16") as process:
        out, err = process.communicate("\n".join(texts).encode())
    assert (process.returncode, err) == (0, b"")
    found = [json.loads(line) for line in out.splitlines()]
    assert [one["index"] for one in found] == list(range(1500))
    np.testing.assert_array_equal(np.float32([one["embedding"] for one in found]), expected(texts, "separation", 16))


def test_what_is_done_is_logged_where_it_is_asked_for(endpoint: LoopbackEndpoint) -> None:
    with start("--verbose", "embed", "a secret text", "--concurrency", "1") as process:
        out, err = process.communicate()
    assert process.returncode == 0
    assert re.search(rf"{REGION}/texts: \d+ bytes sent, status 200 and \d+ bytes in \d+ ms, request ", err.decode())
    assert b"secret" not in err
    assert out


def test_a_reader_that_goes_away_ends_the_command_quietly(endpoint: LoopbackEndpoint) -> None:
    with start("embed") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"red apple\n" * 2000)
        process.stdin.close()
        first = process.stdout.readline()
        process.stdout.close()
        assert json.loads(first)["index"] == 0
        assert process.wait(120) == 141
        assert process.stderr.read() == b""


def test_ctrl_c_ends_it_quietly_and_leaves_no_half_file(tmp_path: Path, endpoint: LoopbackEndpoint) -> None:
    endpoint.set_pace(Pace(request_s=600))
    endpoint.forget()
    with start("embed", "--output", str(tmp_path / "v.parquet")) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"red apple\n" * 5000)
        process.stdin.close()
        while endpoint.totals()["requests"] < Settings().concurrency:  # until it waits for answers
            assert process.poll() is None
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130
        assert process.stderr.read() == b""
    assert list(tmp_path.iterdir()) == []


def on_terminal(*words: str, typed: bytes = b"", **environment: str) -> tuple[int, str]:
    """Run it with a terminal for everything, and return the exit status and what stood on the terminal."""
    main, other = pty.openpty()
    names = {"TERM": "xterm-256color", "COLUMNS": "100"} | environment
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    with start(*words, stdin=other, stdout=other, stderr=other, env=kept | names) as process:
        os.close(other)
        os.write(main, typed)
        shown = b""
        while True:
            try:
                block = os.read(main, 65536)
            except OSError:  # nobody has the other end any more
                break
            if not block:
                break
            shown += block
        status = process.wait(120)
    os.close(main)
    return status, shown.decode()


def test_a_ranking_is_a_table_on_a_terminal_and_tab_separated_in_a_pipe(
    tmp_path: Path, endpoint: LoopbackEndpoint
) -> None:
    file = tmp_path / "a.txt"
    file.write_text("red apple\nblue sky \x1b[2Jcleared\n")
    words = ("similarity", "--query", "red [/b] [i]", str(file))  # no markup of rich's
    status, shown = on_terminal(*words)
    assert status == 0
    assert re.search(r"score\W+id\W+text", re.sub(r"\x1b\[[0-9;]*m", "", shown))
    assert "\x1b[2J" not in shown, "a text moves the cursor"
    with start(*words) as process:
        out, _ = process.communicate()
    assert [len(line.split("\t")) for line in out.decode().splitlines()] == [3, 3]
    assert b"\x1b" not in out


def test_one_ctrl_d_ends_what_is_typed(endpoint: LoopbackEndpoint) -> None:
    status, shown = on_terminal("embed", "--dimensions", "2", typed=b"red apple\nblue sky\n\x04")
    assert status == 0
    assert shown.count('"embedding"') == 2


def test_errors_are_red_on_a_terminal_unless_it_is_not_wanted() -> None:
    status, shown = on_terminal("embed", "x", "--format", "npy")
    assert status == 2
    assert shown.startswith("\x1b[31m")
    status, shown = on_terminal("embed", "x", "--format", "npy", NO_COLOR="1")
    assert status == 2
    assert "\x1b" not in shown
