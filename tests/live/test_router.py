"""The inference routers of two regions: who answers, and who does where one region has nobody."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from tests.support.live import TEXTS, Live, until

from jina_v3_infra.config import second_deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.routers import TARGET, destination, find_router

pytestmark = pytest.mark.aws

_LIMIT_S = 600.0
_ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=170)


@pytest.fixture
def regions(deployed: Live) -> list[Account]:
    second = second_deployment(deployed.deployment)
    if second is None:
        pytest.skip("there is no second region in this configuration")
    return [deployed.account, deployed.account.in_region(second.region)]


def ask(account: Account, router: str) -> dict[str, Any]:
    client = account.session.client("sagemaker-inference-router-runtime", region_name=account.region, config=_ONCE)
    body = json.dumps({"input": TEXTS, "task": "text-matching", "dimensions": 32}).encode()
    answer: dict[str, Any] = client.invoke_inference_router(
        InferenceRouterName=router, RoutingTargetName=TARGET, ContentType="application/json", Body=body
    )
    assert len(json.loads(answer["Body"].read())["data"]) == len(TEXTS)
    return answer


def test_routers_answer_from_their_own_region(deployed: Live, regions: list[Account]) -> None:
    for account in regions:
        answer = ask(account, deployed.deployment.router_name)
        assert answer["InvokedRoutedResourceArn"].split(":")[3] == account.region
        assert answer["RoutingReason"] == "local-preferred"


@pytest.fixture
def lame(deployed: Live, regions: list[Account]) -> Iterator[str]:
    """A router of its own in the first region, whose endpoint there does not exist."""
    here, there = regions
    name = f"{deployed.name[:40]}-{uuid.uuid4().hex[:8]}"
    real = destination(there, deployed.deployment)
    ghost = real.replace(there.region, here.region).rpartition("/")[0] + "/nobody-here"
    targets = [{"Name": TARGET, "Destinations": [{"ResourceArn": arn} for arn in (ghost, real)]}]
    here.client("sagemaker").create_inference_router(InferenceRouterName=name, RoutingTargets=targets)

    def status() -> str:
        return str((find_router(here, name) or {}).get("Status"))

    until("the router", lambda: status() == "InService", limit_s=_LIMIT_S)
    yield name
    here.client("sagemaker").delete_inference_router(InferenceRouterName=name)
    until("the router's end", lambda: find_router(here, name) is None, limit_s=_LIMIT_S)


def test_router_goes_elsewhere_where_its_region_has_nobody(regions: list[Account], lame: str) -> None:
    here, there = regions
    (target,) = (find_router(here, lame) or {})["RoutingTargets"]
    assert [one["RoutingStatus"] for one in target["Destinations"]] == ["Unroutable", "Routable"]
    answer = ask(here, lame)
    assert answer["InvokedRoutedResourceArn"].split(":")[3] == there.region
    assert answer["RoutingReason"] in ("only-healthy", "failover")
