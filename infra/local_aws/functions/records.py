"""moto's records of functions."""

from __future__ import annotations

from typing import Any

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.utils import get_backend

from local_aws.settings import ACCOUNT


def find_function(region: str, name: str) -> Any | None:
    """Return moto's record of a function, ``None`` where there is none."""
    try:
        return get_backend(ACCOUNT, region).get_function(name)
    except UnknownFunctionException:
        return None
