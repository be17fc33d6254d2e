"""Templates that are made in the background: once, while others go on, and not when nobody needs them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.infra.deploy.conftest import FakeCdk, Services

from jina_v3_infra.deploy import command
from jina_v3_infra.deploy.failures import CommandError
from jina_v3_infra.deploy.preflight import Preflight
from jina_v3_infra.deploy.templates import Templates

Run = Callable[..., int]


def test_they_are_made_once_while_the_caller_goes_on() -> None:
    go_on, made = threading.Event(), []

    def synthesise(out: Path) -> None:
        assert go_on.wait(20)
        out.mkdir()
        made.append(out)

    with Templates(synthesise) as templates:
        templates.begin()
        assert made == []  # the caller is here, and they are not made
        go_on.set()
        folder = templates.folder()
        assert templates.folder() == folder
        assert made == [folder]
        assert folder.is_dir()
    assert not folder.exists()


def test_what_is_wrong_with_them_is_told_to_who_needs_them() -> None:
    def synthesise(out: Path) -> None:
        raise CommandError("no such instance type")

    with Templates(synthesise) as templates:
        templates.begin()
        for _ in range(2):
            with pytest.raises(CommandError, match="no such instance type"):
                templates.folder()


def test_deploying_begins_them_before_the_checks(run: Run, cdk: FakeCdk, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()
    real, checks = cdk.synthesise, command.run_preflight

    def synthesise(out: Path) -> None:
        begun.set()
        real(out)

    def check(*arguments: Any) -> Preflight:
        assert begun.wait(20)
        return checks(*arguments)

    monkeypatch.setattr(cdk, "synthesise", synthesise)
    monkeypatch.setattr(command, "run_preflight", check)
    assert run("deploy", "--yes") == 0


def test_who_is_refused_by_the_checks_leaves_none_behind(
    run: Run, cdk: FakeCdk, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[Path] = []
    real = cdk.synthesise

    def synthesise(out: Path) -> None:
        folders.append(out)
        real(out)

    monkeypatch.setattr(cdk, "synthesise", synthesise)
    services.quotas["ml.g6.xlarge"] = 0.0
    assert run("deploy", "--yes") == 1
    assert [folder.exists() for folder in folders] == [False]
    assert cdk.calls == []
