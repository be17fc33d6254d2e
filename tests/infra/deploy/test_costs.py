"""The cost of a deployment against figures worked out by hand."""

from __future__ import annotations

import pytest

from jina_v3_infra.config import check_deployment
from jina_v3_infra.config.instances import PRICES_FROM, instance_type
from jina_v3_infra.deploy.costs import describe_costs, estimate_costs, summarise_costs, usd_per_million_tokens
from jina_v3_infra.deploy.prices import FROM_LIST, Prices

LISTED = Prices(listed={"ml.g6.xlarge": 1.0, "ml.g5.12xlarge": 7.0})


def test_a_million_tokens_by_hand() -> None:
    # 604,000,000 + 98,304 · 128 = 616,582,912 FLOP a token; an L4's 121 TFLOP/s at 40% are 48.4e12,
    # which is 78,497.15 tokens a second; $3.60 an hour are $0.001 a second, so $0.001 buys 78,497.15 tokens
    assert usd_per_million_tokens(instance_type("ml.g6.xlarge"), 3.6) == pytest.approx(0.0127393, rel=1e-5)
    # four A10G: 4 · 70e12 · 0.4 / 616,582,912 = 181,646.3 tokens a second, at $7.2 an hour
    assert usd_per_million_tokens(instance_type("ml.g5.12xlarge"), 7.2) == pytest.approx(0.0110104, rel=1e-5)


@pytest.mark.parametrize("name", ["ml.c7i.xlarge", "ml.g7e.2xlarge"])
def test_no_estimate_without_a_known_speed(name: str) -> None:
    assert usd_per_million_tokens(instance_type(name), 1.0) is None


def test_fewest_and_most_over_variants_and_the_network() -> None:
    deployment = check_deployment(
        {
            "endpoint": {
                "variants": [
                    {"name": "a", "scaling": {"min": 2, "max": 5}},
                    {"name": "b", "instance_type": "ml.g5.12xlarge", "scaling": {"min": 1, "max": 3}},
                ]
            },
            "network": {"vpc": "create", "zones": 3},
        }
    )
    cost = estimate_costs(deployment, LISTED)
    # one interface endpoint in each of three zones at a cent; 2 · 1 + 1 · 7, and 5 · 1 + 3 · 7
    assert cost.network_usd_per_hour == pytest.approx(0.03)
    assert cost.least_usd_per_hour == pytest.approx(9.03)
    assert cost.most_usd_per_hour == pytest.approx(26.03)
    # 730 hours
    assert summarise_costs(cost) == (
        "$9.03 an hour ($6,592 a month) with the fewest machines, $26.03 an hour ($19,002 a month) with the most"
    )


def test_an_estimate_says_what_it_assumes_and_where_prices_are_from() -> None:
    deployment = check_deployment({"network": {"vpc": "create"}})
    listed = "\n".join(describe_costs(estimate_costs(deployment, LISTED)))
    assert FROM_LIST in listed
    for needle in (
        "an estimate, not measured",
        "assumed 40% of its peak",
        "128 tokens",
        "interface endpoints: an estimate",
    ):
        assert needle in listed
    assert PRICES_FROM in "\n".join(describe_costs(estimate_costs(deployment, Prices(failure="no"))))


def test_scaled_to_zero_costs_nothing_at_rest() -> None:
    deployment = check_deployment(
        {"endpoint": {"inference_component": {}, "variants": [{"scaling": {"min": 0, "max": 1}}]}}
    )
    assert estimate_costs(deployment, LISTED).least_usd_per_hour == 0.0


def test_an_asynchronous_endpoint_costs_nothing_while_it_sleeps() -> None:
    deployment = check_deployment({"endpoint": {"asynchronous": {}, "variants": [{"scaling": {"min": 0, "max": 2}}]}})
    assert summarise_costs(estimate_costs(deployment, LISTED)) == (
        "nothing by the hour while nobody calls, $2.00 an hour ($1,460 a month) with the most machines"
    )


def test_an_unknown_price_is_said_and_not_taken_for_nothing() -> None:
    deployment = check_deployment({"endpoint": {"variants": [{"instance_type": "ml.p5en.48xlarge"}]}})
    cost = estimate_costs(deployment, Prices())
    assert cost.least_usd_per_hour is None
    assert "price is missing" in summarise_costs(cost)
    assert "not known here" in next(describe_costs(cost))
