"""Every type of the table: made, changed and deleted by its service's own API, with every property that is declared."""

from __future__ import annotations

import json

import pytest
from tests.support.fake_endpoints import FakeEndpoints
from tests.support.inventory import take_inventory
from tests.support.resource_examples import DEFINITIONS, EXAMPLES
from tests.support.stack_operations import Stacks

from local_aws.cloudformation.kinds import KINDS
from local_aws.cloudformation.table import RESOURCE_TYPES
from local_aws.server import LocalAws


@pytest.fixture(scope="module", autouse=True)
def definitions(aws: LocalAws) -> None:
    s3 = aws.client("s3", "us-east-1")
    s3.create_bucket(Bucket=DEFINITIONS)
    for tag in ("first", "second"):
        text = json.dumps({"Comment": tag, "StartAt": "Say", "States": {"Say": {"Type": "Pass", "End": True}}})
        s3.put_object(Bucket=DEFINITIONS, Key=f"{tag}.json", Body=text)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_stack_comes_changes_and_leaves_nothing(name: str, stacks: Stacks, endpoints: FakeEndpoints) -> None:
    example, stack = EXAMPLES[name], f"a-{name.replace(' ', '-')}"
    before = take_inventory(stacks.client)
    assert stacks.create(stack, example.before) == "CREATE_COMPLETE", stacks.reasons(stack)
    assert not example.check(stacks.client, stacks.physical(stack)) or name in {"model", "metadata"}
    assert stacks.update(stack, example.after) == "UPDATE_COMPLETE", stacks.reasons(stack)
    assert example.check(stacks.client, stacks.physical(stack))
    assert stacks.update(stack, example.before) == "UPDATE_COMPLETE", stacks.reasons(stack)
    identifier = stacks.describe(stack)["StackId"]
    assert stacks.delete(stack) == "DELETE_COMPLETE", stacks.reasons(identifier)
    assert take_inventory(stacks.client) == before
    assert not endpoints.endpoints
    assert not endpoints.components


def test_the_examples_use_every_declared_property() -> None:
    used: dict[str, set[str]] = {kind: set() for kind in RESOURCE_TYPES}
    for example in EXAMPLES.values():
        for resources in (example.before, example.after):
            for resource in resources.values():
                used[resource["Type"]] |= resource["Properties"].keys()
    assert {kind: row.modelled | row.recorded for kind, row in RESOURCE_TYPES.items()} == used


def test_every_type_has_its_kind() -> None:
    assert KINDS.keys() == RESOURCE_TYPES.keys()


@pytest.mark.parametrize("kind", RESOURCE_TYPES)
def test_a_row_is_whole(kind: str) -> None:
    row = RESOURCE_TYPES[kind]
    assert row.replaced_by <= row.modelled
    assert not row.modelled & row.recorded
    assert row.name in row.modelled | {""}
    assert row.name in row.replaced_by | {""}  # a name that changes makes another resource
