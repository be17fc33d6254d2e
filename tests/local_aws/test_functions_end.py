"""What becomes of functions and executions when the local AWS ends; alone here, as each needs an AWS of its own."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from tests.support.flows import Flows, call
from tests.support.functions import Lambda, prepare

from local_aws.server import LocalAws
from local_aws.settings import Settings

PARTS_OF_FLOWS = ["local_aws.step_functions", "local_aws.functions", "local_aws.event_bridge"]


def test_processes_end_with_the_local_aws(tmp_path: Path) -> None:
    with LocalAws(Settings(state_folder=tmp_path), ["local_aws.functions"]) as local:
        prepare(local)
        functions = Lambda(local)
        pid = functions.call(functions.make("ends"))[0]["pid"]
        assert _is_running(pid)
        event = {"do": "hold", "begun": str(tmp_path / "begun"), "until_file": "/absent/file"}
        sleeping = threading.Thread(target=_ignore_errors, args=(functions, "ends", event))
        sleeping.start()
        while not (tmp_path / f"begun-{pid}").exists():
            time.sleep(0.01)
    sleeping.join(60)
    assert not sleeping.is_alive()
    assert not _is_running(pid)


def _ignore_errors(functions: Lambda, name: str, event: Any) -> None:
    try:
        functions.call(name, event)
    except Exception:  # noqa: BLE001  # the AWS went away under it
        return


def _is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_executions_end_with_the_local_aws(tmp_path: Path) -> None:
    with LocalAws(Settings(state_folder=tmp_path, waiting=1.0), PARTS_OF_FLOWS) as local:
        prepare(local)
        functions, flows = Lambda(local), Flows(local)
        functions.make("sleeps", Timeout=60)
        retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 99, "BackoffRate": 1}]
        states = {
            "Both": {
                "Type": "Parallel",
                "Branches": [
                    {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 9999, "End": True}}},
                    {"StartAt": "Call", "States": {"Call": call("sleeps", Retry=retry)}},
                    {"StartAt": "All", "States": {"All": distributed()}},
                ],
                "End": True,
            }
        }
        execution = flows.start(flows.make(states), {"do": "sleep", "s": 60, "items": [1, 2, 3]})
        while not _runs(flows, execution):
            time.sleep(0.02)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("execution")]


def distributed() -> dict[str, Any]:
    process = {"Wait": {"Type": "Wait", "Seconds": 9999, "End": True}}
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    processor = {"ProcessorConfig": config, "StartAt": "Wait", "States": process}
    return {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": processor, "End": True}


def _runs(flows: Flows, execution: str) -> bool:
    runs = flows.api.list_map_runs(executionArn=execution)["mapRuns"]
    return any(flows.api.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]["running"] == 3 for run in runs)
