"""The rules of faults: when one is due."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from local_aws.faults import Call, FaultError, Faults
from local_aws.server import LocalAws
from local_aws.settings import Settings

CALL = Call(operation="InvokeEndpoint", region="us-east-1", endpoint="e", variant="v")


def test_a_rule_meets_only_what_it_names() -> None:
    faults = Faults()
    faults.add(kind="throttle", operation="InvokeEndpoint", endpoint="e", variant="v", region="us-east-1")
    assert faults.take("throttle", CALL) is not None
    assert faults.take("latency", CALL) is None
    for other in (
        Call(operation="CreateEndpoint", region="us-east-1", endpoint="e", variant="v"),
        Call(operation="InvokeEndpoint", region="eu-west-1", endpoint="e", variant="v"),
        Call(operation="InvokeEndpoint", region="us-east-1", endpoint="f", variant="v"),
        Call(operation="InvokeEndpoint", region="us-east-1", endpoint="e"),
    ):
        assert faults.take("throttle", other) is None


def test_a_rule_of_a_transform_job_meets_the_files_whose_keys_it_has_a_part_of() -> None:
    faults = Faults()
    faults.add(kind="instance_lost", job="nightly", key="part-07")
    request = {"operation": "CreateTransformJob", "region": "us-east-1"}
    for job, key in (("nightly", "in/part-08"), ("nightly", None), ("weekly", "in/part-07"), (None, "in/part-07")):
        assert faults.take("instance_lost", Call(**request, job=job, key=key)) is None
    assert faults.take("instance_lost", CALL) is None
    assert faults.take("instance_lost", Call(**request, job="nightly", key="in/part-07.jsonl")) is not None


def test_a_rule_is_used_up_and_can_be_taken_away() -> None:
    faults = Faults()
    faults.add(kind="throttle", count=2)
    assert [faults.take("throttle", CALL) is not None for _ in range(3)] == [True, True, False]
    identity = faults.add(kind="throttle")
    faults.remove(identity)
    faults.remove(identity)
    assert faults.take("throttle", CALL) is None


def test_probability_is_drawn_by_the_seed() -> None:
    def draw(seed: int) -> list[bool]:
        faults = Faults()
        faults.add(kind="throttle", probability=0.25, seed=seed)
        return [faults.take("throttle", CALL) is not None for _ in range(2000)]

    assert draw(1) == draw(1) != draw(2)
    assert 0.2 < sum(draw(1)) / 2000 < 0.3


def test_instance_types_are_for_those_machines() -> None:
    faults = Faults()
    faults.add(kind="capacity_missing", instance_types=["ml.g6.xlarge"])
    start = {"operation": "CreateEndpoint", "region": "us-east-1", "endpoint": "e", "variant": "v"}
    assert faults.take("capacity_missing", Call(**start, instance_type="ml.g5.xlarge")) is None
    assert faults.take("capacity_missing", Call(**start, instance_type="ml.g6.xlarge")) is not None


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"kind": "flood"}, "there is no fault 'flood'; there are throttle, latency"),
        ({"kind": "throttle", "endpiont": "e"}, "a fault has no endpiont; it has kind, operation, endpoint"),
        ({"endpoint": "e"}, "a fault needs a kind"),
        ({"kind": "throttle", "probability": 2}, "probability must be from 0 to 1, not 2"),
        ({"kind": "throttle", "count": 0}, "count must be at least 1, not 0"),
        ({"kind": "error", "status": 400}, "status must be from 500 to 599, not 400; .* model_error"),
        ({"kind": "latency"}, "latency_s must be more than 0"),
        ({"kind": "latency", "latency_s": "long"}, "of the wrong type"),
    ],
)
def test_a_rule_that_can_not_be_is_refused(what: dict[str, Any], message: str) -> None:
    with pytest.raises(FaultError, match=message):
        Faults().add(**what)


def test_rules_come_and_go_over_http(tmp_path: Path) -> None:
    with LocalAws(Settings(state_folder=tmp_path)) as aws:

        def send(method: str, body: object = None, path: str = "") -> tuple[int, Any]:
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(f"{aws.url}/_local/faults{path}", data=data, method=method)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, json.load(error)

        status, made = send("POST", {"kind": "throttle", "count": 3, "endpoint": "e"})
        assert status == 201
        assert send("POST", {"kind": "latency", "latency_s": 0.5})[0] == 201
        aws.faults.take("throttle", CALL)
        rules = send("GET")[1]["faults"]
        assert [(rule["kind"], rule["count"], rule["endpoint"]) for rule in rules] == [
            ("throttle", 2, "e"),
            ("latency", None, None),
        ]
        assert send("POST", {"kind": "throttle", "when": "now"}) == (
            400,
            {"message": f"a fault has no when; it has {', '.join(key for key in rules[0] if key != 'id')}"},
        )
        assert send("POST", ["throttle"])[0] == 400
        assert [rule["kind"] for rule in send("DELETE", path=f"/{made['id']}")[1]["faults"]] == ["latency"]
        assert send("DELETE")[1] == {"faults": []}
        assert send("PUT", {})[0] == 405
