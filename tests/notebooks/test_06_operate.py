"""The notebook on operating: its numbers held against what its deployment, the runbook and the pages say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.support.notebooks import Ran

from jina_v3_infra.stacks.operations.runbook import Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DOCS = Path(__file__).parents[2] / "docs"
ASKED = {
    "offered": "load['offered a second'].tolist()",
    "answered": "load['answered a second'].tolist()",
    "percentiles": "load[['p50 ms', 'p95 ms', 'p99 ms']].to_numpy()",
    "load_failed": "load['failed'].tolist()",
    "machines": "course['machines'].tolist()",
    "callers": "course['callers'].tolist()",
    "pushed": "[error is None for _, _, error in pushing.calls]",
    "sections": "alarms.index.tolist()",
    "states": "states",
    "rang": "[rang['StateValue'], rang['AlarmDescription']]",
    "first_states": "alarms['state'].tolist()",
    "allowed": "[before, after]",
    "configurations": "[config_before, config_after]",
    "calls": "[[began_at - began, took, error is None] for began_at, took, error in calling.calls]",
    "updating": "[at - began for at, status in statuses if status == 'Updating']",
    "costs": "{name: [row['$ a million, least'], row['most']] for name, row in costs.iterrows()}",
}


def test_what_it_shows_is_so(ran: Ran) -> None:
    found = ran("06-operate", ASKED)
    check_load(found)
    check_scaling(found["machines"], found["callers"])
    assert len(found["pushed"]) >= max(found["callers"])
    assert all(found["pushed"])
    check_alarms(found)
    check_update(found)
    assert {name: "–".join(f"{one:.4f}" for one in span) for name, span in found["costs"].items()} == costs_of_page()


def check_load(found: dict[str, Any]) -> None:
    assert found["load_failed"] == [0] * len(found["offered"])
    for p50, p95, p99 in found["percentiles"]:
        assert 0 < p50 <= p95 <= p99
    for offered, answered in zip(found["offered"], found["answered"], strict=True):
        assert 0 < answered <= offered


def check_scaling(machines: list[int], callers: list[int]) -> None:
    assert (machines[0], max(machines), machines[-1]) == (2, 4, 2)
    most = machines.index(4)
    assert machines[:most] == sorted(machines[:most])
    assert machines[most:] == sorted(machines[most:], reverse=True)
    assert {now - then for then, now in zip(machines[most:], machines[most + 1 :], strict=False)} == {0, -1}
    assert callers[most] > 0  # they rose while callers called
    assert set(callers[machines.index(3, most) :]) == {0}  # and fell when none did


def check_alarms(found: dict[str, Any]) -> None:
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^## (.+)$", (DOCS / "runbook.md").read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert set(found["sections"]) <= anchors
    assert set(found["sections"]) == {
        *(Page.FAILURES, Page.SLOW_ANSWERS, Page.QUEUE_WAIT, Page.PING_FAILS, Page.NO_MACHINE),
        *(Page.MACHINE_MEMORY, Page.DISK, Page.GPU_MEMORY, Page.GPU_BUSY),
    }
    assert set(found["first_states"]) == {"OK"}
    assert found["states"] == [*["OK"] * 4, "ALARM", "OK"]  # five minutes on end, and over with the first without
    state, description = found["rang"]
    assert state == "ALARM"
    assert description.rpartition("docs/runbook.md#")[2] in anchors


def check_update(found: dict[str, Any]) -> None:
    assert found["allowed"] == ["answered", "ModelError"]
    before, after = found["configurations"]
    assert before != after
    assert all(answered for _, _, answered in found["calls"])
    first, last = min(found["updating"]), max(found["updating"])
    meanwhile = [began for began, _, _ in found["calls"] if first <= began <= last]
    assert len(meanwhile) >= 10  # calls came while old and new machines were there
    assert min(began for began, _, _ in found["calls"]) < first
    assert max(began for began, _, _ in found["calls"]) > last


def costs_of_page() -> dict[str, str]:
    """Return by machine the page's dollars for a million tokens of texts of 512."""
    rows = (line.strip("| ").split(" | ") for line in (DOCS / "performance.md").read_text("utf-8").splitlines())
    return {row[0].strip("`"): row[7] for row in rows if len(row) == 9 and row[0].startswith("`ml.")}
