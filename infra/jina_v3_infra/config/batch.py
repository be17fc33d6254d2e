"""Batch transform: which machines embed datasets in S3, what they may read and write, and who starts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """Embedding whole datasets in S3: a state machine that accounts for every record."""

    instance_type: Annotated[str, Field(description="the machine of the transform jobs")] = "ml.g6.xlarge"
    instances: Annotated[int, Field(ge=1, le=100, description="the most machines of one transform job")] = 2
    jobs: Annotated[
        int, Field(ge=1, le=100, description="the most transform jobs at a time; the quota must allow jobs × instances")
    ] = 1
