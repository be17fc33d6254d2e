"""Service Quotas for SageMaker, and Pricing: what is asked before something is deployed.

The quotas are declared, not measured: every instance type has the same, unless the settings say otherwise. The price
list is empty, so that who asks must do without.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from local_aws import shapes
from local_aws.errors import ServiceError
from local_aws.services import Service, add_service
from local_aws.settings import ACCOUNT

if TYPE_CHECKING:
    from local_aws.server import LocalAws

# what instances are used for, and the API's list of those that can be
_USES: Final = {"endpoint usage": "ProductionVariantInstanceType", "transform job usage": "TransformInstanceType"}
_PAGE: Final = 100


def install(aws: LocalAws) -> None:
    """Have a local AWS answer Service Quotas and Pricing."""
    quotas = Quotas(aws.settings.quota, aws.settings.quotas)
    operations = {
        "GetAWSDefaultServiceQuota": quotas.find,
        "GetServiceQuota": quotas.find,
        "ListAWSDefaultServiceQuotas": quotas.list,
        "ListServiceQuotas": quotas.list,
    }
    add_service(aws, Service(name="service-quotas", signing_name="servicequotas", operations=operations))
    add_service(aws, Service(name="pricing", signing_name="pricing", operations={"GetProducts": _no_products}))


class Quotas:
    """SageMaker's quotas of instances, ``ml.g6.xlarge for endpoint usage`` and the like."""

    def __init__(self, default: float, given: Mapping[str, float]) -> None:
        model = shapes.service_model("sagemaker")
        names = [f"{kind} for {use}" for use, types in _USES.items() for kind in model.shape_for(types).enum]
        self._values = {name: given.get(name, default) for name in names} | dict(given)

    def list(self, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return a page of the quotas of a service."""
        self._check(parameters["ServiceCode"])
        names = sorted(self._values)
        size = parameters.get("MaxResults", _PAGE)
        start = int(parameters.get("NextToken", 0))
        page = [self._describe(name, region) for name in names[start : start + size]]
        return {"Quotas": page, **({"NextToken": str(start + size)} if start + size < len(names) else {})}

    def find(self, region: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return one quota by its code."""
        self._check(parameters["ServiceCode"])
        for name in self._values:
            if _code(name) == parameters["QuotaCode"]:
                return {"Quota": self._describe(name, region)}
        raise ServiceError(
            "NoSuchResourceException", f"The request failed because the quota {parameters['QuotaCode']} does not exist."
        )

    def _check(self, service: str) -> None:
        if service != "sagemaker":
            raise ServiceError("NoSuchResourceException", f"the local AWS knows quotas of sagemaker, not of {service}")

    def _describe(self, name: str, region: str) -> dict[str, Any]:
        code = _code(name)
        return {
            "ServiceCode": "sagemaker",
            "ServiceName": "Amazon SageMaker",
            "QuotaArn": f"arn:aws:servicequotas:{region}:{ACCOUNT}:sagemaker/{code}",
            "QuotaCode": code,
            "QuotaName": name,
            "Value": float(self._values[name]),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }


def _code(name: str) -> str:
    """Make a quota's code; AWS's own are not published as a list."""
    return f"L-{hashlib.sha256(name.encode()).hexdigest()[:8].upper()}"


def _no_products(_region: str, _parameters: dict[str, Any]) -> dict[str, Any]:
    return {"FormatVersion": "aws_v1", "PriceList": []}
