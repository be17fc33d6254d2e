"""A second region: the same deployment once more, and an inference router in front of both endpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSettings:
    """One name for the endpoints of two regions; SageMaker's inference router sends each call to one that is well."""

    second_region: Annotated[
        str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", description="the other region, with the same stacks")
    ] = "us-west-2"
