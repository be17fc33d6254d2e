"""The application of two regions: the same stacks under the same names in each, told apart by their ids."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.templates import Templates, case

HERE, THERE = "us-east-1", "eu-west-1"


@pytest.fixture
def two() -> Templates:
    return case("two-regions.toml")


def artifacts(two: Templates) -> dict[str, Any]:
    manifest = json.loads((two.folder / "manifest.json").read_text())
    return {name: one for name, one in manifest["artifacts"].items() if one["type"] == "aws:cloudformation:stack"}


def template(two: Templates, artifact: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((two.folder / f"{artifact}.template.json").read_text())
    return content


def test_each_region_has_both_stacks_by_the_same_names(two: Templates) -> None:
    found = {
        name: (one["environment"].rpartition("/")[2], one["properties"].get("stackName", name))
        for name, one in artifacts(two).items()
    }
    assert found == {
        "jina-v3-two-foundation": (HERE, "jina-v3-two-foundation"),
        "jina-v3-two-endpoint": (HERE, "jina-v3-two-endpoint"),
        f"jina-v3-two-foundation-{THERE}": (THERE, "jina-v3-two-foundation"),
        f"jina-v3-two-endpoint-{THERE}": (THERE, "jina-v3-two-endpoint"),
    }


def test_an_endpoint_waits_for_its_own_region_s_foundation_alone(two: Templates) -> None:
    names = artifacts(two).keys()
    waits = {name: {other for other in one["dependencies"] if other in names} for name, one in artifacts(two).items()}
    assert waits["jina-v3-two-endpoint"] == {"jina-v3-two-foundation"}
    assert waits[f"jina-v3-two-endpoint-{THERE}"] == {f"jina-v3-two-foundation-{THERE}"}


@pytest.mark.parametrize("stack", ["foundation", "endpoint"])
def test_the_second_region_s_template_is_the_first_s(two: Templates, stack: str) -> None:
    first, second = template(two, f"jina-v3-two-{stack}"), template(two, f"jina-v3-two-{stack}-{THERE}")
    told_apart = json.dumps(second).replace(f"jina-v3-two-{stack}-{THERE}/", f"jina-v3-two-{stack}/")  # policies' names
    assert json.dumps(first).replace(HERE, THERE) == told_apart


@pytest.mark.parametrize("stack", ["foundation", "endpoint"])
def test_no_template_names_the_other_region(two: Templates, stack: str) -> None:
    assert THERE not in json.dumps(template(two, f"jina-v3-two-{stack}"))
    assert HERE not in json.dumps(template(two, f"jina-v3-two-{stack}-{THERE}"))
