"""``make verify-live`` begins nothing that was not confirmed, and tells the live tests what they are to do."""

import io
import runpy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jina_v3_infra.deploy.failures import CommandError
from jina_v3_infra.deploy.prices import Prices

VERIFY = Path(__file__).parents[1] / "live" / "verify.py"
ACCOUNT = "210987654321"
Start = Callable[..., int]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def began(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """What would have been run; the account and its prices are made up."""
    calls: list[tuple[list[str], dict[str, str]]] = []

    def run(command: list[str], *, env: dict[str, str], **_: Any) -> SimpleNamespace:
        calls.append((command, env))
        return SimpleNamespace(returncode=5)

    monkeypatch.setattr("subprocess.run", run)
    monkeypatch.setattr("jina_v3_infra.deploy.preflight.identify", lambda *_: ACCOUNT)
    monkeypatch.setattr("jina_v3_infra.deploy.stack_state.find_stack", lambda *_: None)
    monkeypatch.setattr("jina_v3_infra.deploy.preflight.read_prices", lambda *_: Prices(listed={"ml.g6.xlarge": 1.25}))
    return calls


@pytest.fixture
def start(tmp_path: Path) -> Start:
    config = tmp_path / "checked.toml"
    config.write_text('name = "checked"\nregion = "eu-west-1"\n')

    def main(*words: str) -> int:
        return int(runpy.run_path(str(VERIFY))["main"]([str(config), *words]))

    return main


def test_the_account_s_number_begins_it(
    start: Start, began: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(f"{ACCOUNT}\n"))
    assert start("-k", "quotas") == 5  # pytest's own status
    ((command, environment),) = began
    assert command[command.index("pytest") + 1 :][:2] == ["-m", "aws"]
    assert command[-2:] == ["-k", "quotas"]
    assert environment["JINA_V3_LIVE"] == "1"
    assert environment["JINA_V3_LIVE_CONFIG"].endswith("checked.toml")
    said = capsys.readouterr().out
    assert f"account {ACCOUNT}, eu-west-1: checked" in said
    assert "$1.25 an hour" in said


@pytest.mark.parametrize("answer", ["\n", "", "y\n", "yes\n", "210987654320\n", f"{ACCOUNT} no\n"])
def test_nothing_else_does(
    answer: str, start: Start, began: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert start() == 1
    assert began == []
    assert "nothing was begun" in capsys.readouterr().err


def test_without_a_terminal_it_has_to_be_told(
    start: Start, began: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{ACCOUNT}\n"))
    assert start() == 1
    assert began == []
    assert "YES=1" in capsys.readouterr().err
    assert start("--yes") == 5
    assert len(began) == 1


def test_what_stands_is_left_alone(
    start: Start, began: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jina_v3_infra.deploy.stack_state.find_stack", lambda _client, name: name)
    assert start("--yes") == 1
    assert began == []
    assert "checked-endpoint, checked-foundation stand already" in capsys.readouterr().err


def test_without_credentials_there_is_a_sentence(
    start: Start, began: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> str:
        raise CommandError("there are no credentials; log in")

    monkeypatch.setattr("jina_v3_infra.deploy.preflight.identify", refuse)
    assert start("--yes") == 1
    assert began == []
    assert capsys.readouterr().err == "verify-live: there are no credentials; log in\n"
