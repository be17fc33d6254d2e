"""The command in this process, over an embedder without a network."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.watched_clients import WatchedClients

from jina_v3_client.cli import clients as cli_clients
from jina_v3_client.cli import main


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> WatchedClients:
    """All clients that the command opens."""
    clients = WatchedClients()
    monkeypatch.setattr(cli_clients, "open_client", clients.open)
    return clients


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    def give(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))

    return give


@pytest.fixture
def run(capfdbinary: Any) -> Callable[..., tuple[int, bytes, str]]:
    """Run the command; exit status, output, and what stands on standard error."""

    def call(*words: str) -> tuple[int, bytes, str]:
        try:
            status = main(words)
        except SystemExit as end:  # argparse's
            status = int(end.code or 0)
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        return status, captured.out, captured.err.decode()

    return call
