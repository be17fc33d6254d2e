"""What a template has that this CloudFormation does not take, found before anything is made.

It knows the table, and nothing of stacks or services.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local_aws.cloudformation.intrinsics import references
from local_aws.cloudformation.table import RESOURCE_TYPES

_WHERE: Final = "infra/local_aws/cloudformation/table.py"


def check_resources(resources: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return for each resource that cannot be taken the reason; the resources are those whose condition holds."""
    found: dict[str, list[str]] = {}
    for name, resource in resources.items():
        reasons = [*_type_reasons(name, resource), *_attribute_reasons(name, resource, resources)]
        if reasons:
            found[name] = reasons
    return {name: "; ".join(reasons) for name, reasons in found.items()}


def _type_reasons(name: str, resource: Mapping[str, Any]) -> list[str]:
    kind = resource["Type"]
    if kind.startswith("Custom::") or kind == "AWS::CloudFormation::CustomResource":
        return [f"{name} ({kind}): the local AWS runs no custom resources, which call a function; do without it"]
    row = RESOURCE_TYPES.get(kind)
    if row is None:
        return [f"{name} ({kind}): the local AWS neither models this type nor records it only; declare it in {_WHERE}"]
    unknown = sorted(resource.get("Properties", {}).keys() - row.modelled - row.recorded)
    return [
        f"{name} ({kind}): property {unknown_name} is neither modelled nor declared as recorded only; "
        f"declare it in {_WHERE}"
        for unknown_name in unknown
    ]


def _attribute_reasons(name: str, resource: Mapping[str, Any], resources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    reasons = []
    for other, attribute in references(resource.get("Properties", {})):
        if attribute is None or other not in resources:
            continue
        row = RESOURCE_TYPES.get(resources[other]["Type"])
        if row is not None and attribute not in row.attributes:
            reasons.append(
                f"{name}: {other} ({resources[other]['Type']}) has no attribute {attribute} for Fn::GetAtt here; "
                f"it has {', '.join(sorted(row.attributes)) or 'none'}; declare it in {_WHERE}"
            )
    return reasons
