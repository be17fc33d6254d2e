"""The application of two regions: the same stacks under the same names in each, told apart by their ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.templates import RELEASE, Templates, case

from jina_v3_infra.config import check_deployment
from jina_v3_infra.stacks.application import build_application

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


def test_the_dashboards_of_both_regions_have_names_of_their_own(two: Templates) -> None:
    """CloudWatch's dashboards are the account's: a second one of the same name would take the first one's place."""
    names = {
        each["Properties"]["DashboardName"]
        for artifact in ("jina-v3-two-endpoint", f"jina-v3-two-endpoint-{THERE}")
        for each in template(two, artifact)["Resources"].values()
        if each["Type"] == "AWS::CloudWatch::Dashboard"
    }
    assert names == {f"jina-v3-two-{HERE}", f"jina-v3-two-{THERE}"}


def test_alarms_tell_the_given_topics_of_their_own_region(tmp_path: Path) -> None:
    topics = [f"arn:aws:sns:{region}:123456789012:pager" for region in (HERE, THERE)]
    deployment = check_deployment({"operations": {"topics": topics}, "router": {"second_region": THERE}})
    assembly = build_application(deployment, release=RELEASE, outdir=tmp_path).synth()
    for artifact, topic in (("jina-v3-endpoint", topics[0]), (f"jina-v3-endpoint-{THERE}", topics[1])):
        resources = assembly.get_stack_artifact(artifact).template["Resources"].values()
        alarms = [each["Properties"] for each in resources if each["Type"] == "AWS::CloudWatch::Alarm"]
        assert alarms
        for each in alarms:
            assert [told for told in each["AlarmActions"] if isinstance(told, str)] == [topic]
