"""The templates of the examples, whole: a change of them shows in the diff of a commit."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from tests.support.templates import EXAMPLE_NAMES, EXAMPLES, case

from jina_v3_infra.config import read_deployment
from jina_v3_infra.stacks.batch.state_machine import read_definition

SNAPSHOTS = Path(__file__).with_name("snapshots")
RENEW = "RENEW_SNAPSHOTS=1 pytest tests/infra/stacks/test_snapshots.py"


STACKS = [
    pytest.param(example, stack.rpartition("-")[2], id=f"{Path(example).stem}.{stack.rpartition('-')[2]}")
    for example in EXAMPLE_NAMES
    for stack in read_deployment(EXAMPLES / example).stacks
]


def written_elsewhere(template: str) -> str:
    """Leave out what follows from files of this repository alone: the function's code, and the states."""
    template = template.replace(json.dumps(read_definition()), '"<state_machine.asl.json>"')
    return re.sub(r'"S3Key": "[0-9a-f]{64}\.zip"', '"S3Key": "<digest of the code>.zip"', template)


@pytest.mark.parametrize(("example", "stack"), STACKS)
def test_the_template_is_the_one_of_the_snapshot(example: str, stack: str) -> None:
    template = json.dumps(case(example).stacks[stack], indent=1, sort_keys=True, ensure_ascii=True) + "\n"
    template = written_elsewhere(template)
    snapshot = SNAPSHOTS / f"{Path(example).stem}.{stack}.json"
    if os.environ.get("RENEW_SNAPSHOTS"):
        SNAPSHOTS.mkdir(exist_ok=True)
        snapshot.write_text(template)
    assert template == snapshot.read_text(), f"{snapshot.name} is another; if it shall be: {RENEW}"


def test_there_is_no_snapshot_of_nothing() -> None:
    names = {f"{Path(str(example)).stem}.{stack}.json" for example, stack in (one.values for one in STACKS)}
    assert {path.name for path in SNAPSHOTS.iterdir()} == names
