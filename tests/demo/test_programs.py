"""What the demo starts ends with it, at whatever moment it is told to end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

import psutil
import pytest
from demo.programs import run_to_end

WAITING = "import subprocess; subprocess.run(['sleep', '300'])"


def leave(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


@pytest.fixture
def leaves() -> Iterator[None]:
    """This process heeds SIGTERM as the demo does."""
    before = signal.signal(signal.SIGTERM, leave)
    yield
    assert signal.signal(signal.SIGTERM, before) is leave


def test_it_runs_to_its_end(leaves: None) -> None:
    assert run_to_end([sys.executable, "-c", "raise SystemExit(3)"], os.environ) == 3


def test_a_signal_while_it_is_started_ends_it(leaves: None, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            started.append(psutil.Process(self.pid))
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(SystemExit, match="143"):
        run_to_end([sys.executable, "-c", WAITING], os.environ)
    assert not started[0].is_running()


def test_a_signal_while_it_runs_ends_it_with_its_children(leaves: None, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class Interrupted(subprocess.Popen[bytes]):
        def wait(self, timeout: float | None = None) -> int:
            while not started and not (children := psutil.Process(self.pid).children()):
                time.sleep(0.01)
            if not started:
                started.extend(children)
                signal.raise_signal(signal.SIGTERM)
            return super().wait(timeout)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(SystemExit, match="143"):
        run_to_end([sys.executable, "-c", WAITING], os.environ)
    _gone, alive = psutil.wait_procs(started, timeout=60)
    assert not alive
