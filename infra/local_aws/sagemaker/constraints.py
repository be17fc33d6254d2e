"""What a request of SageMaker breaks of the API's model, in the service's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_aws.errors import ServiceError
from local_aws.sagemaker.errors import refuse
from local_aws.shapes import Breach, Rule, Step, find_breaches, input_shape


def check(operation: str, request: Mapping[str, Any]) -> None:
    """Check the request of an operation.

    **Raises**: ``ServiceError``: SerializationException for a wrong type, ValidationException for anything else.
    """
    found = list(find_breaches(input_shape("sagemaker", operation), request, nulls=True))
    for breach in found:
        if breach.rule is Rule.TYPE:
            where, kind = _place(breach.path) or breach.shape.name, breach.shape.type_name
            given = type(breach.value).__name__
            raise ServiceError("SerializationException", f"{given} at '{where}' can not be converted to a {kind}")
    if found:
        many = "s" if len(found) > 1 else ""
        refuse(f"{len(found)} validation error{many} detected: {'; '.join(map(_sentence, found))}")


def _sentence(breach: Breach) -> str:
    path = (*breach.path, Step("member", breach.member)) if breach.member else breach.path
    shown = _shown(breach)
    return f"Value {shown}at '{_place(path)}' failed to satisfy constraint: {_constraint(breach)}"


def _shown(breach: Breach) -> str:
    if breach.rule is Rule.MISSING:
        return "null "
    return f"'{breach.value}' " if breach.shape.type_name not in {"structure", "list", "map"} else ""


def _constraint(breach: Breach) -> str:
    shape, limit = breach.shape, breach.limit
    match breach.rule:
        case Rule.MISSING:
            return "Member must not be null"
        case Rule.UNKNOWN:
            return f"{shape.name} has no member {breach.member}"
        case Rule.UNION:
            return f"exactly one of [{', '.join(shape.members)}] must be given"
        case Rule.MIN:
            return f"Member must have {breach.measured} greater than or equal to {limit}"
        case Rule.MAX:
            return f"Member must have {breach.measured} less than or equal to {limit}"
        case Rule.ENUM:
            return f"Member must satisfy enum value set: [{', '.join(limit)}]"
        case _:
            return f"Member must satisfy regular expression pattern: {limit}"


def _place(path: tuple[Step, ...]) -> str:
    """Write where a value lies: members begin in lower case, items count from one, and a map's keys are the map's."""
    words = []
    for kind, name in path:
        match kind:
            case "member":
                words.append(name[:1].lower() + name[1:])
            case "item":
                words.append(f"{name + 1}.member")
            case "entry":
                words.append(name)
    return ".".join(words)
