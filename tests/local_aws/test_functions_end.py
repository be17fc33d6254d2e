"""What becomes of functions' processes when the local AWS ends; alone here, as it needs an AWS of its own."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from tests.support.functions import Lambda, prepare

from local_aws.server import LocalAws
from local_aws.settings import Settings


def test_processes_end_with_the_local_aws(tmp_path: Path) -> None:
    with LocalAws(Settings(state_folder=tmp_path), ["local_aws.functions"]) as local:
        prepare(local)
        functions = Lambda(local)
        pid = functions.call(functions.make("ends"))[0]["pid"]
        sleeping = threading.Thread(target=_ignore_errors, args=(functions, "ends", {"do": "sleep", "s": 60}))
        sleeping.start()
        while not _is_running(pid):
            time.sleep(0.01)
    sleeping.join(30)
    assert not sleeping.is_alive()
    assert not _is_running(pid)


def _ignore_errors(functions: Lambda, name: str, event: Any) -> None:
    try:
        functions.call(name, event)
    except Exception:  # noqa: BLE001  # the AWS went away under it
        return


def _is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
