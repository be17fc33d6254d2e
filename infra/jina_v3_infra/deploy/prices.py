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


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """US dollars for an hour of each machine.

    ``listed`` came from AWS; ``failure`` says why nothing did, and is ``None`` where AWS answered.
    """

    listed: dict[str, float] = field(default_factory=dict)
    failure: str | None = None

    @property
    def answered(self) -> bool:
        """Say whether AWS's price list was read."""
        return self.failure is None

    def usd_per_hour(self, name: str) -> float | None:
        """Return the price of a machine, ``None`` where neither the list nor the table has it."""
        return self.listed.get(name, instance_type(name).usd_per_hour)

    def source(self, name: str) -> str:
        """Say where a price is from."""
        return FROM_LIST if name in self.listed else PRICES_FROM


def read_prices(account: Account, instance_types: Iterable[str]) -> Prices:
    """Ask AWS's price list for machines that host endpoints; a failure is a part of the answer."""
    if account.region.startswith("cn-"):
        return Prices(failure="the price list of China's regions is in yuan")
    client = account.client("pricing", "us-east-1")  # it has no address in most regions, and the prices of all
    listed = {}
    try:
        for name in instance_types:
            usd_per_hour = _read_price(client, account.region, name)
            if usd_per_hour is not None:
                listed[name] = usd_per_hour
    except AWS_ERRORS as error:
        return Prices(failure=explain(error))
    return Prices(listed=listed)


def _read_price(client: Any, region: str, name: str) -> float | None:
    filters = [
        {"Type": "TERM_MATCH", "Field": "regionCode", "Value": region},
        {"Type": "TERM_MATCH", "Field": "instanceName", "Value": name},
    ]
    for page in client.get_paginator("get_products").paginate(ServiceCode="AmazonSageMaker", Filters=filters):
        for text in page["PriceList"]:
            product = json.loads(text)
            if _is_hosting(product["product"]["attributes"]):
                for usd_per_hour in _on_demand(product):
                    return usd_per_hour
    return None


def _is_hosting(attributes: dict[str, str]) -> bool:
    """Say whether a product is real-time hosting; notebooks, training and the rest have the same machine names.

    The list's older entries say it in ``component`` (and ``platoinstancetype``), all in ``usagetype``.
    """
    return re.search(r"(^|-)Host:", attributes.get("usagetype", "")) is not None


def _on_demand(product: dict[str, Any]) -> Iterator[float]:
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            price = dimension["pricePerUnit"]
            usd_per_hour = float(price.get("USD", 0))
            if usd_per_hour > 0:
                yield usd_per_hour
