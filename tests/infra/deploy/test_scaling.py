"""A change of the machine of a variant that scales: autoscaling gives way, and what is said when that breaks off."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.infra.deploy.conftest import ENDPOINT, FakeCdk, client_error, make_stack

from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.scaling import without_scaling

# moto keeps them in the template, and makes nothing of them
pytestmark = [
    pytest.mark.filterwarnings("ignore:Tried to parse AWS..ApplicationAutoScaling:UserWarning"),
    pytest.mark.filterwarnings("ignore:Unable to delete (Target|Policy):UserWarning"),
]

Run = Callable[..., int]

RESOURCE = "endpoint/jina-v3/variant/main"
TARGET = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
SCALED: dict[str, Any] = {
    **ENDPOINT,
    "Parameters": {"Stage": {"Type": "String"}},
    "Resources": {
        **ENDPOINT["Resources"],
        "Target": {
            "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
            "Properties": {**TARGET, "ResourceId": RESOURCE, "MinCapacity": 2, "MaxCapacity": 4},
        },
        "Policy": {
            "Type": "AWS::ApplicationAutoScaling::ScalingPolicy",
            "Properties": {"PolicyName": "p", "ScalingTargetId": {"Ref": "Target"}},
        },
    },
}
OTHER_MACHINE = ("--yes", "--skip-preflight", "-c", "endpoint.variants.0.instance_type=ml.g5.xlarge")
TAKEN = "autoscaling of variant main is taken away for the change of its machine, and comes back with it"
OFF = "autoscaling of variant main is off until the next deploy that succeeds"


def register(account: Account) -> None:
    scaling = account.client("application-autoscaling")
    scaling.register_scalable_target(**TARGET, ResourceId=RESOURCE, MinCapacity=2, MaxCapacity=4)


@pytest.fixture
def scaled(account: Account) -> Account:
    """An account in which the endpoint stands, and scales."""
    account.client("cloudformation").create_stack(
        StackName="jina-v3-endpoint",
        TemplateBody=json.dumps(SCALED),
        Parameters=[{"ParameterKey": "Stage", "ParameterValue": "x"}],
    )
    register(account)
    return account


def resources(account: Account) -> set[str]:
    template = account.client("cloudformation").get_template(StackName="jina-v3-endpoint")["TemplateBody"]
    return set(template["Resources"])


def watch(cdk: FakeCdk, account: Account) -> list[set[str]]:
    """Have what the endpoint's stack holds whenever the CDK deploys it."""
    seen: list[set[str]] = []

    def look(arguments: tuple[str, ...]) -> None:
        if arguments[:2] == ("deploy", "jina-v3-endpoint"):
            seen.append(resources(account))

    cdk.on_call = look
    return seen


def test_autoscaling_is_gone_when_the_machine_is_changed(
    run: Run, cdk: FakeCdk, scaled: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = watch(cdk, scaled)
    assert run("deploy", *OTHER_MACHINE) == 0
    assert seen == [set(ENDPOINT["Resources"])]
    assert TAKEN in capsys.readouterr().out
    (stack,) = scaled.client("cloudformation").describe_stacks(StackName="jina-v3-endpoint")["Stacks"]
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert stack["Parameters"] == [{"ParameterKey": "Stage", "ParameterValue": "x"}]


def test_a_variant_that_goes_counts_too(run: Run, cdk: FakeCdk, scaled: Account) -> None:
    seen = watch(cdk, scaled)
    assert run("deploy", "--yes", "--skip-preflight", "-c", "endpoint.variants.0.name=other") == 0
    assert seen == [set(ENDPOINT["Resources"])]


def test_autoscaling_stays_where_no_machine_changes(
    run: Run, cdk: FakeCdk, scaled: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = watch(cdk, scaled)
    assert run("deploy", "--yes", "--skip-preflight") == 0
    assert seen == [set(SCALED["Resources"])]
    assert TAKEN not in capsys.readouterr().out


def test_a_deployment_that_broke_off_goes_on(
    run: Run, cdk: FakeCdk, scaled: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(arguments: tuple[str, ...]) -> None:
        if arguments[:2] == ("deploy", "jina-v3-endpoint"):
            raise KeyboardInterrupt

    cdk.on_call = stop
    assert run("deploy", *OTHER_MACHINE) == 130
    assert OFF in capsys.readouterr().err
    scaled.client("application-autoscaling").deregister_scalable_target(
        **TARGET, ResourceId=RESOURCE
    )  # moto's does not
    seen = watch(cdk, scaled)
    assert run("deploy", *OTHER_MACHINE) == 0
    assert seen == [set(ENDPOINT["Resources"])]
    assert TAKEN not in capsys.readouterr().out


def test_a_failure_afterwards_says_that_autoscaling_is_off(
    run: Run, cdk: FakeCdk, scaled: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    cdk.statuses["jina-v3-endpoint"] = 1
    assert run("deploy", *OTHER_MACHINE) == 1
    told = capsys.readouterr().err
    assert "cdk deploy of jina-v3-endpoint failed" in told
    assert OFF in told


def test_a_failure_without_a_change_of_the_machine_does_not(
    run: Run, cdk: FakeCdk, scaled: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    cdk.statuses["jina-v3-endpoint"] = 1
    assert run("deploy", "--yes", "--skip-preflight") == 1
    assert "autoscaling" not in capsys.readouterr().err


def test_a_scalable_target_of_others_is_named(
    run: Run, cdk: FakeCdk, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    make_stack(account, "jina-v3-endpoint", ENDPOINT)
    register(account)
    seen = watch(cdk, account)
    assert run("deploy", *OTHER_MACHINE) == 1
    assert seen == []
    told = capsys.readouterr().err
    assert (
        f"deregister-scalable-target --service-namespace sagemaker --scalable-dimension {TARGET['ScalableDimension']}"
        in told
    )
    assert RESOURCE in told


def test_a_stack_that_cannot_be_changed_says_why(
    run: Run, cdk: FakeCdk, scaled: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**_: Any) -> None:
        raise client_error("UpdateStack", "AccessDenied")

    monkeypatch.setattr(scaled.client("cloudformation"), "update_stack", refuse)
    seen = watch(cdk, scaled)
    assert run("deploy", *OTHER_MACHINE) == 1
    assert seen == []
    assert "cloudformation:UpdateStack" in capsys.readouterr().err


def test_a_template_keeps_everything_else() -> None:
    path = Path(__file__).parents[1] / "stacks" / "snapshots" / "scale-to-zero.endpoint.json"
    before = json.loads(path.read_text())
    after = without_scaling(before)
    gone = {name for name, each in before["Resources"].items() if "AutoScaling" in each["Type"]}
    assert len(gone) == 3
    assert set(after["Resources"]) == set(before["Resources"]) - gone
    assert not [name for name in gone if f'"{name}"' in json.dumps(after)]
    acting = {
        name
        for name, each in before["Resources"].items()
        if {"Ref"} & {key for action in each["Properties"].get("AlarmActions", []) for key in action}
    }  # the others tell a topic
    for name in after["Resources"].keys() - acting:
        assert after["Resources"][name] == before["Resources"][name]
    assert [after["Resources"][name]["Properties"]["AlarmActions"] for name in acting] == [[]]
