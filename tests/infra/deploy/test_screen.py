"""What is printed on a terminal and in a pipe; and the seam to publishing."""

from __future__ import annotations

import io
import sys
import types

import pytest

from jina_v3_infra.deploy import command
from jina_v3_infra.deploy.failures import CommandError
from jina_v3_infra.deploy.findings import right, unsure, wrong
from jina_v3_infra.deploy.screen import Screen

LONG = "aws service-quotas request " + "--word " * 30
FINDINGS = [right("a", "it is [bold]well[/bold]"), wrong("b", "it is not", LONG), unsure("c", "who knows")]


def test_a_pipe_gets_plain_whole_lines() -> None:
    out = io.StringIO()
    Screen(out).show_findings(FINDINGS)
    assert out.getvalue() == f"✓ a: it is [bold]well[/bold]\n✗ b: it is not\n  fix: {LONG}\n! c: who knows\n"


def test_a_terminal_gets_a_table_in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = io.StringIO()
    Screen(out).show_findings(FINDINGS)
    lines = out.getvalue().splitlines()
    assert "\x1b[32m✓" in lines[0]
    assert "[bold]well[/bold]" in lines[0]
    assert any("\x1b[1;31m✗" in line for line in lines)
    assert sum("--word" in line for line in lines) > 1  # wrapped within its column


def test_publishing_is_told_in_a_line_and_its_error_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class PublishError(Exception):
        pass

    def publish(deployment: object, foundation: object, session: object, *, origin: object, progress: bool) -> object:
        if foundation is None:
            raise PublishError("the bucket is gone")
        if origin is not None:
            return types.SimpleNamespace(uploaded_bytes=0, copied_bytes=2_500_000, image_built=False)
        return types.SimpleNamespace(uploaded_bytes=2_500_000, copied_bytes=0, image_built=True)

    module = types.SimpleNamespace(PublishError=PublishError, publish=publish)
    monkeypatch.setitem(sys.modules, "jina_v3_infra.publish", module)
    tools = command.default_tools()
    assert tools.publish(None, object(), None) == "2.5 MB uploaded, the image was built"
    told = tools.publish(None, object(), None, object())
    assert told == "0.0 MB uploaded, 2.5 MB copied inside S3, the image was there"
    with pytest.raises(CommandError, match="the bucket is gone"):
        tools.publish(None, None, None)
