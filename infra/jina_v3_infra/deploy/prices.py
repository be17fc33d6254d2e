"""What an hour of a machine costs: AWS's price list where it answers, the table of ``config.instances`` otherwise."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from jina_v3_infra.config.instances import PRICES_FROM, instance_type
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.failures import AWS_ERRORS, explain

FROM_LIST: Final = "AWS's price list, on demand"
_HOSTING: Final = "Host"
_TRANSFORM: Final = "Tsform"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """US dollars for an hour of each machine.

    ``listed`` came from AWS, for hosting, and ``listed_jobs`` for transform jobs; ``failure`` says why nothing did, and
    is ``None`` where AWS answered.
    """

    listed: dict[str, float] = field(default_factory=dict)
    listed_jobs: dict[str, float] = field(default_factory=dict)
    failure: str | None = None

    @property
    def answered(self) -> bool:
        """Say whether AWS's price list was read."""
        return self.failure is None

    def usd_per_hour(self, name: str) -> float | None:
        """Return the price of a machine, ``None`` where neither the list nor the table has it."""
        return self.listed.get(name, instance_type(name).usd_per_hour)

    def usd_per_job_hour(self, name: str) -> float | None:
        """Return the price of a machine of a transform job; the table's, which is hosting's, is about the same."""
        return self.listed_jobs.get(name, instance_type(name).usd_per_hour)

    def source(self, name: str) -> str:
        """Say where a price is from."""
        return FROM_LIST if name in self.listed else PRICES_FROM


def read_prices(account: Account, hosts: Iterable[str], jobs: Iterable[str] = ()) -> Prices:
    """Ask AWS's price list for machines of endpoints and of transform jobs; a failure is a part of the answer."""
    if account.region.startswith("cn-"):
        return Prices(failure="the price list of China's regions is in yuan")
    client = account.client("pricing", "us-east-1")  # it has no address in most regions, and the prices of all
    try:
        return Prices(
            listed=_read_prices(client, account.region, hosts, _HOSTING),
            listed_jobs=_read_prices(client, account.region, jobs, _TRANSFORM),
        )
    except AWS_ERRORS as error:
        return Prices(failure=explain(error))


def _read_prices(client: Any, region: str, names: Iterable[str], usage: str) -> dict[str, float]:
    found = {name: _read_price(client, region, name, usage) for name in dict.fromkeys(names)}
    return {name: usd_per_hour for name, usd_per_hour in found.items() if usd_per_hour is not None}


def _read_price(client: Any, region: str, name: str, usage: str) -> float | None:
    filters = [
        {"Type": "TERM_MATCH", "Field": "regionCode", "Value": region},
        {"Type": "TERM_MATCH", "Field": "instanceName", "Value": name},
    ]
    for page in client.get_paginator("get_products").paginate(ServiceCode="AmazonSageMaker", Filters=filters):
        for text in page["PriceList"]:
            product = json.loads(text)
            if _is_for(usage, product["product"]["attributes"]):
                for usd_per_hour in _on_demand(product):
                    return usd_per_hour
    return None


def _is_for(usage: str, attributes: dict[str, str]) -> bool:
    """Say whether a product is for a use; notebooks, training and the rest have the same machine names.

    The list's older entries say it in ``component`` (and ``platoinstancetype``), all in ``usagetype``.
    """
    return re.search(rf"(^|-){usage}:", attributes.get("usagetype", "")) is not None


def _on_demand(product: dict[str, Any]) -> Iterator[float]:
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            price = dimension["pricePerUnit"]
            usd_per_hour = float(price.get("USD", 0))
            if usd_per_hour > 0:
                yield usd_per_hour
