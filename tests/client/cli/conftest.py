"""The command in this process, over an embedder without a network."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.embedder import WordEmbedder

from jina_v3_client.cli import clients, main


@pytest.fixture
def embedder(monkeypatch: pytest.MonkeyPatch) -> WordEmbedder:
    double = WordEmbedder()
    monkeypatch.setattr(clients, "open_client", lambda _place: double)
    return double


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    def give(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

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


def lines(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]
