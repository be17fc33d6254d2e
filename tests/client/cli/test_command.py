"""What all commands share: help, version, whom they ask, and how errors are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.watched_clients import WatchedClients

from jina_v3_client.cli import clients, main
from jina_v3_client.cli.failures import one_line
from jina_v3_client.cli.places import Place
from jina_v3_client.cli.screen import Screen
from jina_v3_client.errors import InvalidInputError, OverloadedError

Run = Callable[..., tuple[int, bytes, str]]


def test_without_words_there_is_help(run: Run) -> None:
    status, out, _ = run()
    assert status == 0
    assert b"usage: jina-v3" in out


@pytest.mark.parametrize("command", ["embed", "similarity", "batch", "endpoints", "doctor"])
def test_each_command_has_examples(run: Run, command: str) -> None:
    status, out, _ = run(command, "--help")
    assert status == 0
    assert f"examples:\n  jina-v3 {command} ".encode() in out


def test_it_has_a_version(run: Run) -> None:
    status, out, _ = run("--version")
    assert status == 0
    assert out.startswith(b"jina-v3 ")


def test_options_stand_before_the_command_or_behind_it(run: Run, watched: WatchedClients) -> None:
    run("--region", "eu-west-1", "--endpoint", "texts", "embed", "red", "--variant", "canary")
    run("embed", "red", "--router", "both", "--region", "us-east-1", "--profile", "work")
    assert watched.places == [
        Place(endpoint="texts", variant="canary", region="eu-west-1"),
        Place(router="both", region="us-east-1", profile="work"),
    ]


def test_the_environment_says_whom_to_ask_where_the_words_do_not(
    run: Run, watched: WatchedClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JINA_V3_DEPLOYMENT", "demo")
    run("embed", "red")
    run("embed", "red", "--endpoint", "texts")
    monkeypatch.setenv("JINA_V3_ENDPOINT", "other")
    status, _, err = run("embed", "red")
    assert watched.places == [Place(deployment="demo"), Place(endpoint="texts")]
    assert status == 2
    assert "unset one" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--endpoint", "a", "--deployment", "b"], "endpoint 'a' and deployment 'b'"),
        (["--endpoint", "not_a_name"], "'not_a_name'"),
        (["--variant", "canary"], "--endpoint"),
        (["--endpoint", "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/a", "--region", "us-east-1"], "eu-west-1"),
        ([], "JINA_V3_ENDPOINT"),
    ],
)
def test_who_cannot_be_asked_is_refused(run: Run, words: list[str], told: str) -> None:
    status, _, err = run("embed", "red", *words)
    assert status == 2
    assert told in err


def test_an_error_is_one_line_with_its_advice_and_a_traceback_only_where_asked_for(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise OverloadedError("queues\nare full", advice="send less", request_id="6f1c", target="texts")

    monkeypatch.setattr(clients, "open_client", fail)
    status, _, err = run("embed", "red")
    assert (status, err) == (1, "jina-v3: queues are full; send less (texts, request 6f1c)\n")
    assert "Traceback" in run("embed", "red", "--verbose")[2]


def test_a_fault_of_the_command_itself_is_told_in_one_line_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "open_client", lambda *_: 1 / 0)
    status, _, err = run("embed", "red")
    assert status == 1
    assert err.count("\n") == 1
    assert "ZeroDivisionError" in err


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(clients, "open_client", interrupt)
    assert main(["embed", "red"]) == 130
    assert capsys.readouterr() == ("", "")


def test_names_stay_whole_on_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("FORCE_COLOR", "1")
    name = "a-name-that-is-to-be-copied"
    Screen().show_table("", ("name", "what"), [(name, "main: 1 × ml.g6.xlarge " * 5)], whole="name")
    assert name in capsys.readouterr().out


def test_what_the_endpoint_advises_is_said_in_the_command_s_words() -> None:
    told = InvalidInputError(
        "the text has 9000 tokens. Split it into chunks with late_chunking, or pass truncate=true to cut it.",
        code="text_too_long",
        advice="correct it",
    )
    assert one_line(told) == (
        "the text has 9000 tokens. Split it into chunks with --late-chunking, or pass --truncate to cut it; correct it"
    )
