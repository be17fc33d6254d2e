"""The templates of the examples, whole: a change of them shows in the diff of a commit."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.support.templates import EXAMPLE_NAMES, case

SNAPSHOTS = Path(__file__).with_name("snapshots")
RENEW = "RENEW_SNAPSHOTS=1 pytest tests/infra/stacks/test_snapshots.py"


@pytest.mark.parametrize("example", EXAMPLE_NAMES)
@pytest.mark.parametrize("stack", ["foundation", "endpoint"])
def test_the_template_is_the_one_of_the_snapshot(example: str, stack: str) -> None:
    template = json.dumps(getattr(case(example), stack), indent=1, sort_keys=True) + "\n"
    snapshot = SNAPSHOTS / f"{Path(example).stem}.{stack}.json"
    if os.environ.get("RENEW_SNAPSHOTS"):
        SNAPSHOTS.mkdir(exist_ok=True)
        snapshot.write_text(template)
    assert template == snapshot.read_text(), f"{snapshot.name} is another; if it shall be: {RENEW}"


def test_there_is_no_snapshot_of_nothing() -> None:
    names = {f"{Path(example).stem}.{stack}.json" for example in EXAMPLE_NAMES for stack in ("foundation", "endpoint")}
    assert {path.name for path in SNAPSHOTS.iterdir()} == names
